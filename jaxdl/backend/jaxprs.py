"""What a traced function tells about itself: which arguments it uses, what is in its loops, and its multiply-adds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from jax.extend import core
from jax.interpreters.partial_eval import dce_jaxpr

# Names of `jax.checkpoint` in a traced function.
RECOMPUTED = ("checkpoint", "remat", "remat2")
_LOOPS = ("scan", "while")


def inner_programs(params: Mapping[str, Any]) -> Iterator[core.Jaxpr]:
    """Yields the programs inside an equation with these parameters: bodies of loops and calls, branches."""
    for value in params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                yield item.jaxpr
            elif isinstance(item, core.Jaxpr):
                yield item


def is_read(jaxpr: core.Jaxpr, variable: Any) -> bool:
    """Returns whether a traced function, or a function jitted inside it, uses one of its arguments."""
    if any(variable is outcome for outcome in jaxpr.outvars):
        return True
    for equation in jaxpr.eqns:
        for place, given in enumerate(equation.invars):
            if given is variable:
                inner = equation.params.get("jaxpr") if equation.primitive.name in ("jit", "pjit") else None
                if inner is None or is_read(inner.jaxpr, inner.jaxpr.invars[place]):
                    return True
    return False


def multiplies_in_loops(jaxpr: core.Jaxpr, depth: int) -> bool:
    """Returns whether there is a matrix product inside at least that many nested loops."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general" and depth <= 0:
            return True
        left = depth - (equation.primitive.name in _LOOPS)
        if any(multiplies_in_loops(inner, left) for inner in inner_programs(equation.params)):
            return True
    return False


def convolves(jaxpr: core.Jaxpr) -> bool:
    """Returns whether there is a convolution of images."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated" and len(equation.outvars[0].aval.shape) == 4:  # type: ignore[attr-defined]
            return True
        if any(map(convolves, inner_programs(equation.params))):
            return True
    return False


def multiplies_gates(jaxpr: core.Jaxpr, in_loop: bool = False) -> bool:
    """Returns whether a loop multiplies by a float32 matrix of four times as many rows as columns: an LSTM's gates."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general" and in_loop:
            shape, dtype = equation.invars[0].aval.shape, str(equation.invars[0].aval.dtype)  # type: ignore[attr-defined]
            if len(shape) > 1 and shape[-2] == 4 * shape[-1] and dtype == "float32":
                return True
        inner = in_loop or equation.primitive.name in _LOOPS
        if any(multiplies_gates(part, inner) for part in inner_programs(equation.params)):
            return True
    return False


def calls_native(jaxpr: core.Jaxpr, dtype: str, name: str = "jaxdl_") -> bool:
    """Returns whether a native operation, whose name begins with `name`, is called with arrays of a dtype."""
    for equation in jaxpr.eqns:
        is_one = equation.primitive.name == "ffi_call" and equation.params["target_name"].startswith(name)
        if is_one and any(str(each.aval.dtype) == dtype for each in equation.invars):  # type: ignore[attr-defined]
            return True
        if any(calls_native(inner, dtype, name) for inner in inner_programs(equation.params)):
            return True
    return False


def computes_again(jaxpr: core.Jaxpr) -> bool:
    """Returns whether a traced gradient computes a part of the forward pass again, as with `jax.checkpoint`."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in RECOMPUTED and equation.params.get("differentiated"):
            return True
        if any(map(computes_again, inner_programs(equation.params))):
            return True
    return False


def equation_turns(equation: core.JaxprEqn) -> int:
    """Returns how often the programs inside an equation run each time the equation runs, on all devices together."""
    if equation.primitive.name == "shard_map":
        mesh = equation.params["mesh"]
        return math.prod(mesh.shape[axis] for axis in equation.params["newly_manual_axes"])
    return equation.params["length"] if equation.primitive.name == "scan" else 1


def equation_multiply_adds(equation: core.JaxprEqn) -> int:
    """Returns the multiply-adds of a matrix product or convolution, 0 for any other equation.

    Zeros that a transposed convolution puts between the inputs (``lhs_dilation``) are not counted.
    """
    shapes: list[tuple[int, ...]] = [getattr(variable.aval, "shape", ()) for variable in equation.invars]
    outputs: int = math.prod(getattr(equation.outvars[0].aval, "shape", ())) if equation.outvars else 0
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        terms: int = math.prod(shapes[0][axis] for axis in contracted)
        return outputs * terms
    if equation.primitive.name == "conv_general_dilated":
        # The kernel is (outputs, inputs of one group, *window) in some order; an output takes all but the first axis.
        each: int = math.prod(shapes[1]) // shapes[1][equation.params["dimension_numbers"].rhs_spec[0]]
        dilation: tuple[int, ...] = equation.params["lhs_dilation"]
        return outputs * each // math.prod(dilation)
    return 0


def product_flops(program: core.Jaxpr) -> dict[str, int]:
    """Counts the floating-point operations of a traced function's matrix products and convolutions, by dtype.

    Two for each multiply-add, times the iterations of loops. XLA's own ``cost_analysis`` would count a loop's body
    once, and library calls not at all. As usual, element-wise operations are not counted. Products with the zeros that
    the gradient of a strided convolution puts between elements are not counted either; products with zeros at an
    image's edges are. A branch counts as its most expensive case, a loop of unknown length once.

    Returns:
        Operations by the dtype of the factors, such as ``{"float32": 1000}``; empty if there are none.
    """
    # Some values, such as the gradients of the inputs, are traced but not used.
    needed, _ = dce_jaxpr(program, [True] * len(program.outvars))
    return {dtype: 2 * count for dtype, count in _multiply_adds(needed).items()}


def _multiply_adds(program: core.Jaxpr) -> Counter[str]:
    counted: Counter[str] = Counter()
    for equation in program.eqns:
        own = equation_multiply_adds(equation)
        if own:
            counted[str(equation.invars[0].aval.dtype)] += own  # type: ignore[attr-defined]
        inner = [_multiply_adds(part) for part in inner_programs(equation.params)]
        if equation.primitive.name == "cond" and inner:
            inner = [max(inner, key=lambda case: case.total())]
        for part in inner:
            for dtype, count in part.items():
                counted[dtype] += count * equation_turns(equation)
    return counted
