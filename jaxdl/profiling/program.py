"""The operations of a compiled program: the kind of each one, and the layer that it comes from."""

from __future__ import annotations

import dataclasses
import re

from jaxdl.steps.functions import INPUT_SCOPE, OPTIMIZER_SCOPE

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = .*? ([a-z][\w\-]*)\(")
_OP_NAME = re.compile(r'metadata=\{[^}]*?op_name="([^"]*)"')
_CALLS = re.compile(r"calls=%?([\w.\-]+)")
_MODEL = re.compile(r"jvp\((\w*)\)")
_CONTROL = re.compile(r"cond|while|body|scan|closed_call|checkpoint|remat|eval_jaxpr|branch_\w+")
_CONTAINERS = ("while", "call", "conditional")


@dataclasses.dataclass(frozen=True)
class Operation:
    """One instruction of a compiled program.

    Attributes:
        kind: ``convolution``, ``dot``, ``fusion``, ``copy``, ...; a fusion around a product is a
            ``dot fusion``.
        layer: where it belongs: a layer of the model, ``input``, ``optimizer``, ``loss``, ``random numbers``, or
            empty. A fusion of several belongs to the layer of its result.
        backward: whether it computes gradients.
        primitive: the JAX operation that it comes from, such as ``dot_general``; may be empty.
    """

    kind: str
    layer: str
    backward: bool
    primitive: str

    @property
    def is_container(self) -> bool:
        """Whether it only runs other operations, which are also in the trace."""
        return self.kind in _CONTAINERS


def operations_of(text: str) -> dict[str, Operation]:
    """Returns a program's operations by name.

    Args:
        text: the program after optimisation, from ``compiled.as_text()``.
    """
    computation = ""
    inner: dict[str, list[tuple[str, str]]] = {}
    found: dict[str, tuple[str, str, str]] = {}
    for line in text.splitlines():
        instruction = _INSTRUCTION.match(line)
        if instruction:
            name, opcode = instruction.groups()
            op_name, calls = _OP_NAME.search(line), _CALLS.search(line)
            source = op_name.group(1).partition(";")[0] if op_name else ""  # of several, the first
            inner.setdefault(computation, []).append((opcode, source))
            found[name] = (opcode, source, calls.group(1) if calls else "")
        elif header := _COMPUTATION.match(line):
            computation = header.group(1)
    return {name: _operation(*parts, inner) for name, parts in found.items()}


def _operation(opcode: str, source: str, calls: str, inner: dict[str, list[tuple[str, str]]]) -> Operation:
    fused = inner.get(calls, []) if opcode == "fusion" else []
    product = next((kind for kind, _ in fused if kind in ("convolution", "dot")), "")
    # Its result is last; a fusion made by the compiler has no name.
    source = source or next((name for _, name in reversed(fused) if name), "")
    layer, backward = _layer(source)
    primitive = source.rpartition("/")[2]
    return Operation(f"{product} {opcode}".strip(), layer, backward, primitive if "(" not in primitive else "")


def _layer(source: str) -> tuple[str, bool]:
    """Returns the layer in JAX's own name of an operation, and whether it is part of the gradients.

    Such a name is ``jit(run_train_steps)/while/body/jit(train_step)/transpose(jvp(CNN))/dense_1/dot_general``.
    """
    if INPUT_SCOPE in source:
        return "input", False
    if OPTIMIZER_SCOPE in source:
        return "optimizer", False
    if "threefry" in source or "random_bits" in source:
        return "random numbers", False
    model = _MODEL.search(source)
    if model is None:
        return "", False
    path = []
    for part in source[model.end() :].lstrip(")").strip("/").split("/")[:-1]:
        if "(" in part:
            break
        # Linen also names methods, as CNN._activate, and einsum its formula.
        if part.isidentifier() and not _CONTROL.fullmatch(part):
            path.append(part)
    return "/".join(path) or model.group(1) or "loss", "transpose(" in source
