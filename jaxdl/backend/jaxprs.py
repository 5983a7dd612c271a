"""What a traced function tells about itself: which arguments it uses, what is in its loops, and its multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from jax.extend import core

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


def equation_turns(equation: core.JaxprEqn) -> int:
    """Returns how often the programs inside an equation run each time the equation runs."""
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
