"""A model's layers with shapes, parameters, multiply-adds and memory, from shapes alone.

The model is traced on abstract arrays: nothing is allocated, nothing is compiled, and no backend is started.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.extend import core

from jaxdl.backend.jaxprs import equation_multiply_adds, equation_turns, inner_programs
from jaxdl.report.format import readable_bytes

if TYPE_CHECKING:
    from rich.console import Group

Path = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Layer:
    """One row: a module that owns parameters, multiplies, or changes the shape.

    Attributes:
        path: where it is in the model, such as ``encoder/Dense_0``; ``(model)`` for the model's own operations.
        type: class name of the module.
        output_shape: shape of what it returns, including the batch; of several arrays, the last (a recurrent cell
            returns its carry first). For a layer in a loop, the shape of one iteration.
        calls: how often it runs in one forward pass, counting each iteration of a loop.
        parameters: number of its own parameters, without those of its submodules.
        multiply_adds: of its own matrix products and convolutions, for one example; other operations are not counted.
        output_bytes: memory of its outputs for the batch, in all calls together.
    """

    path: str
    type: str
    output_shape: tuple[int, ...]
    calls: int
    parameters: int
    multiply_adds: int
    output_bytes: int


@dataclasses.dataclass(frozen=True)
class LayerTable:
    """All layers in the order in which they run first, and the memory that training takes, in bytes.

    Attributes:
        layers: the rows; their parameters and multiply-adds add up to the model's.
        batch_size: number of examples for shapes and memory.
        parameter_bytes: memory of the parameters; their gradients take the same again.
        state_bytes: other variables, such as batch statistics.
        optimizer_bytes: the optimizer's state, as given.
        activation_bytes: what the forward pass keeps for the gradients, before the compiler fuses or recomputes any.
    """

    layers: tuple[Layer, ...]
    batch_size: int
    parameter_bytes: int
    state_bytes: int
    optimizer_bytes: int
    activation_bytes: int

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def training_bytes(self) -> int:
        """Parameters, gradients, other variables, optimizer state and activations together."""
        return 2 * self.parameter_bytes + self.state_bytes + self.optimizer_bytes + self.activation_bytes


def layer_table(
    module: nn.Module,
    input_shape: Sequence[int],
    input_dtype: Any = jnp.float32,
    batch_size: int = 1,
    *,
    optimizer_bytes: int = 0,
    named: Mapping[str, tuple[Sequence[int], Any]] | None = None,
    variables: Mapping[str, Any] | None = None,
    kept: bool = True,
    **call: Any,
) -> LayerTable:
    """Traces a module and returns its table.

    Args:
        module: a Linen module called as ``module.apply(variables, inputs, **call)``.
        input_shape: shape of one example.
        input_dtype: dtype of the inputs.
        batch_size: number of examples.
        optimizer_bytes: size of the optimizer's state: ``tree_bytes(jax.eval_shape(optimizer.init, params))``.
        named: of several inputs the shape and dtype of each by its name, in the place of those above.
        variables: the module's own, where they are known; None: their shapes are found by tracing its first call.
        kept: whether to follow what the forward pass keeps for the gradients; otherwise ``activation_bytes`` is 0, and
            the table takes less time.
        **call: further arguments of the module, such as ``train=True``.
    """
    shapes = named or {"": (input_shape, input_dtype)}
    inputs = {name: jax.ShapeDtypeStruct((batch_size, *shape), dtype) for name, (shape, dtype) in shapes.items()}
    key = jax.eval_shape(lambda: jax.random.key(0))

    def given(inputs: Mapping[str, jax.Array]) -> tuple[list[Any], dict[str, Any]]:
        return ([], dict(inputs)) if named else (list(inputs.values()), {})

    def init(key: jax.Array, inputs: Mapping[str, jax.Array]) -> Any:
        arrays, by_name = given(inputs)
        return module.init({"params": key, "dropout": key}, *arrays, **by_name, **call)

    def forward(variables: Any, inputs: Mapping[str, jax.Array], key: jax.Array) -> Any:
        mutable = [name for name in variables if name != "params"]
        arrays, by_name = given(inputs)
        return module.apply(variables, *arrays, rngs={"dropout": key}, mutable=mutable, **by_name, **call)[0]

    variables = dict(jax.eval_shape(init if variables is None else lambda *_: dict(variables or {}), key, inputs))
    trace = _Trace()

    def traced_forward(variables: Any, inputs: Mapping[str, jax.Array], key: jax.Array) -> Any:
        with nn.intercept_methods(trace.intercept):
            return forward(variables, inputs, key)

    program = jax.make_jaxpr(traced_forward)(variables, inputs, key)
    params = variables.pop("params", {})
    return LayerTable(
        layers=tuple(_rows(trace, program.jaxpr, params, batch_size)),
        batch_size=batch_size,
        parameter_bytes=tree_bytes(params),
        state_bytes=tree_bytes(variables),
        optimizer_bytes=optimizer_bytes,
        activation_bytes=_kept_bytes(forward, params, variables, inputs, key) if kept else 0,
    )


def tree_bytes(tree: Any) -> int:
    """Returns the memory in bytes of a pytree of arrays or shapes."""
    return sum(_bytes(leaf) for leaf in jax.tree.leaves(tree))


def render(table: LayerTable) -> Group:
    """Returns a Rich table of the layers, the totals in its last row, with the memory below."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    right = {"justify": "right", "no_wrap": True}
    rich_table = Table(box=SIMPLE_HEAD, show_footer=True, pad_edge=False, collapse_padding=True)
    rich_table.add_column("layer", footer="total", overflow="fold")
    rich_table.add_column("type", overflow="fold")
    rich_table.add_column("output shape", overflow="fold")
    rich_table.add_column("parameters", footer=f"{table.parameters:,}", **right)  # type: ignore[arg-type]
    rich_table.add_column("multiply-adds", footer=f"{table.multiply_adds:,}", **right)  # type: ignore[arg-type]
    rich_table.add_column("output", **right)  # type: ignore[arg-type]
    for layer in table.layers:
        shape = ",".join(map(str, layer.output_shape))
        times = f" x {layer.calls}" if layer.calls > 1 else ""
        cells = (layer.path, layer.type, f"({shape}){times}", f"{layer.parameters:,}", f"{layer.multiply_adds:,}")
        rich_table.add_row(*map(Text, (*cells, readable_bytes(layer.output_bytes))))
    memory = {
        "parameters": table.parameter_bytes,
        "gradients": table.parameter_bytes,
        "other variables": table.state_bytes,
        "optimizer state": table.optimizer_bytes,
        f"activations for a batch of {table.batch_size}": table.activation_bytes,
        "together, in training": table.training_bytes,
    }
    width = max(map(len, memory))
    lines = [f"  {name:<{width}}  {readable_bytes(size):>10}" for name, size in memory.items() if size]
    note = "Multiply-adds: of matrix products and convolutions, for one example. Output: memory for the batch."
    return Group(rich_table, Text("\n".join(["memory", *lines, "", note])))


@dataclasses.dataclass
class _Call:
    """One call of a module during tracing."""

    path: Path
    type: str
    changes_shape: bool
    output: Any = None


class _Trace:
    """Records each module's call, and marks what is traced inside it by a scope with the call's number."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self._in_cell = False

    def intercept(self, method: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        module = context.module
        # A recurrent cell is one row of the table, although it has several parts (an LSTM has eight).
        if context.method_name != "__call__" or self._in_cell:
            return method(*args, **kwargs)
        call = _Call(module.path, type(module).__name__, False)
        self.calls.append(call)
        self._in_cell = isinstance(module, nn.RNNCellBase)
        try:
            with jax.named_scope(f"@{len(self.calls) - 1}@"):
                output = method(*args, **kwargs)
        finally:
            self._in_cell = False
        arrays = [leaf for leaf in jax.tree.leaves(output) if hasattr(leaf, "shape")]
        taken = [leaf.shape for leaf in jax.tree.leaves((args, kwargs)) if hasattr(leaf, "shape")]
        if arrays:
            # The largest array, and the last of equal ones: a recurrence returns its states with its outputs.
            shown = max(reversed(arrays), key=lambda array: math.prod(array.shape))
            call.output = jax.ShapeDtypeStruct(shown.shape, shown.dtype)
            call.changes_shape = bool(taken) and shown.shape != taken[0]
        return output


def _rows(trace: _Trace, program: core.Jaxpr, params: Any, batch_size: int) -> Iterator[Layer]:
    """Yields the rows, each with the costs traced in its own calls."""
    multiply_adds: dict[Path, int] = {}
    turns: dict[int, int] = {}
    for number, called, turn, count in _operations(program):
        path = trace.calls[number].path if number is not None else ()
        multiply_adds[path] = multiply_adds.get(path, 0) + count * turn
        if number is not None:
            turns[number] = max(turns.get(number, 1), called)
    parameters: dict[Path, int] = {}
    paths = {call.path for call in trace.calls}
    for keys, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        names = tuple(key.key for key in keys)
        owner = next(names[:n] for n in range(len(names), -1, -1) if names[:n] in paths or n == 0)
        parameters[owner] = parameters.get(owner, 0) + math.prod(leaf.shape)
    for path in dict.fromkeys(call.path for call in trace.calls):
        numbers = [number for number, call in enumerate(trace.calls) if call.path == path]
        last = trace.calls[numbers[-1]]
        own = multiply_adds.get(path, 0) or parameters.get(path, 0)
        if own or (last.changes_shape and path):
            each = [turns.get(number, 0) for number in numbers]
            # `nn.scan` traces a layer once more outside the loop, and moves out of the loop what is the same in each
            # iteration.
            looped = [turn for turn in each if turn > 1]
            calls = max(1, sum(looped or each))
            yield Layer(
                path="/".join(path) or "(model)",
                type=last.type,
                output_shape=last.output.shape if last.output is not None else (),
                calls=calls,
                parameters=parameters.get(path, 0),
                multiply_adds=round(multiply_adds.get(path, 0) / batch_size),
                output_bytes=_bytes(last.output) * calls if last.output is not None else 0,
            )


def _operations(
    program: core.Jaxpr, within: int | None = None, called: int = 1, turns: int = 1
) -> Iterator[tuple[int | None, int, int, int]]:
    """Yields for each operation: the innermost call around it, how often that call runs, how often it runs, its cost.

    A loop whose number of iterations is known only at run time counts once, a branch as its most expensive case.
    """
    for equation in program.eqns:
        marks = re.findall(r"@(\d+)@", str(equation.source_info.name_stack))
        number = int(marks[-1]) if marks else within
        calls = called if number == within else turns
        yield number, calls, turns, equation_multiply_adds(equation)
        inner = [
            list(_operations(p, number, calls, turns * equation_turns(equation)))
            for p in inner_programs(equation.params)
        ]
        if equation.primitive.name == "cond" and inner:
            inner = [max(inner, key=lambda found: sum(turn * count for *_, turn, count in found))]
        for found in inner:
            yield from found


def _kept_bytes(forward: Any, params: Any, variables: Any, inputs: Any, key: Any) -> int:
    """Returns the bytes that the forward pass keeps for the backward pass, without the parameters and inputs."""

    def kept(params: Any, variables: Any, inputs: Any, key: Any) -> list[jax.Array]:
        _, backward = jax.vjp(lambda params: forward({"params": params, **variables}, inputs, key), params)
        given = {id(leaf) for leaf in jax.tree.leaves((params, variables, inputs, key))}
        return [leaf for leaf in jax.tree.leaves(backward) if id(leaf) not in given and hasattr(leaf, "dtype")]

    return tree_bytes(jax.eval_shape(kept, params, variables, inputs, key))


def _bytes(leaf: Any) -> int:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.eval_shape(jax.random.key_data, leaf)
    size: int = math.prod(leaf.shape) * leaf.dtype.itemsize
    return size
