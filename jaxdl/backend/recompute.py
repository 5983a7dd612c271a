"""A function whose gradient keeps little of the forward pass, and computes the rest again.

Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174. The traced function is cut into
blocks, one after the other. Of each block only what later ones read is kept, and the backward pass computes a block
again before it goes through it. So the forward pass is computed twice, at most: about a third more operations in all.
Cuts lie where little is read later, such as between two residual blocks, and there are as many as make the sum of what
is kept and of the largest block the least, by an estimate from shapes. It works for any function, whatever its modules.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
from jax.extend import core

from jaxdl.backend.fusion import ELEMENTWISE, REPEATED, VIEWS
from jaxdl.backend.jaxprs import equation_turns, inner_programs
from jaxdl.backend.liveness import aval_bytes

T = TypeVar("T")
_MOST_BLOCKS = 64


def recomputed(function: Callable[..., T], *arguments: Any) -> T:
    """Returns what a function returns; its gradient computes most of the function again instead of keeping it.

    Args:
        function: pure; may be differentiated, mapped and compiled like any other.
        arguments: pytrees of arrays.
    """
    program, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
    blocks = _blocks(program, block_ends(program.jaxpr))
    values = dict(zip(program.jaxpr.invars, jax.tree.leaves(arguments), strict=True))
    values |= zip(program.jaxpr.constvars, program.consts, strict=True)
    for number, block in enumerate(blocks, 1):
        run: Callable[..., Sequence[Any]] = core.jaxpr_as_fun(block)
        # The backward pass begins with the last block, which would be computed twice in a row.
        run = run if number == len(blocks) else jax.checkpoint(run)
        values |= zip(block.jaxpr.outvars, run(*(values[given] for given in block.jaxpr.invars)), strict=True)
    results = [out.val if isinstance(out, core.Literal) else values[out] for out in program.jaxpr.outvars]
    whole: T = jax.tree.unflatten(jax.tree.structure(shapes), results)
    return whole


def block_ends(program: core.Jaxpr) -> list[int]:
    """Returns where a traced function is cut: after so many of its operations each time; the last are all of them."""
    sizes = _made_bytes(program)
    sums = [0, *itertools.accumulate(sizes)]
    crossing = _crossing(program)
    widths = [sum(values.values()) for values in crossing]
    found: tuple[float, list[int]] = (sums[-1], [len(sizes)])
    for count in range(2, min(_MOST_BLOCKS, len(sizes)) + 1):
        ends = _ends(sums, widths, count)
        kept: dict[Any, int] = {}
        for end in ends[:-1]:
            kept |= crossing[end]
        cost = sum(kept.values()) + max(sums[end] - sums[start] for start, end in itertools.pairwise([0, *ends]))
        found = min(found, (cost, ends))
    return found[1]


def _ends(sums: Sequence[int], crossing: Sequence[int], count: int) -> list[int]:
    """Returns the ends of about equal blocks, each moved by at most half a block to where the least is read later."""
    length, whole = sums[-1] / count, len(sums) - 1
    ends: set[int] = set()
    for number in range(1, count):
        middle = number * length
        first, beyond = bisect_left(sums, middle - length / 2), bisect_right(sums, middle + length / 2)
        near = range(max(1, first), min(whole, beyond))
        ends |= {min(near, key=lambda n: (crossing[n], abs(sums[n] - middle)))} if near else set()
    return [*sorted(ends), whole]


def _crossing(program: core.Jaxpr) -> list[dict[Any, int]]:
    """Returns for each place between two operations the values that are made before and read after it, with bytes."""
    last = {read: n for n, equation in enumerate(program.eqns) for read in equation.invars if _is_value(read)}
    alive: dict[Any, int] = {}
    places = [alive]
    for n, equation in enumerate(program.eqns):
        made = {value: aval_bytes(value.aval) for value in equation.outvars if last.get(value, 0) > n}
        alive = {value: size for value, size in alive.items() if last[value] > n} | made
        places.append(alive)
    return places


def _made_bytes(program: core.Jaxpr) -> list[int]:
    """Estimates the bytes of what each operation makes, with all inside it."""
    reads = [*program.outvars, *itertools.chain.from_iterable(equation.invars for equation in program.eqns)]
    readers = Counter(value for value in reads if _is_value(value))

    def made(equation: core.JaxprEqn) -> int:
        inner = list(inner_programs(equation.params))
        if inner:
            return max(sum(_made_bytes(body)) for body in inner) * equation_turns(equation)
        # XLA makes no array of these, or computes it inside the operation that reads it.
        fused = equation.primitive.name in ELEMENTWISE and readers[equation.outvars[0]] <= 1
        if fused or equation.primitive.name in VIEWS | REPEATED:
            return 0
        return sum(aval_bytes(value.aval) for value in equation.outvars)

    return [made(equation) for equation in program.eqns]


def _blocks(program: core.ClosedJaxpr, ends: Sequence[int]) -> list[core.ClosedJaxpr]:
    """Returns the parts of a traced function; each takes what it reads, and gives what is read after it."""
    whole, blocks = program.jaxpr, []
    for start, end in itertools.pairwise([0, *ends]):
        equations, later = whole.eqns[start:end], whole.eqns[end:]
        made = {value for equation in equations for value in equation.outvars}
        read = _read(equations)
        given = [value for value in read if value not in made]
        wanted = {*_read(later), *(value for value in whole.outvars if _is_value(value))}
        results = [value for equation in equations for value in equation.outvars if value in wanted]
        info = whole.debug_info.with_unknown_names()
        part = whole.replace(constvars=[], invars=given, outvars=results, eqns=equations, debug_info=info)
        blocks.append(core.ClosedJaxpr(part, []))
    return blocks


def _read(equations: Sequence[core.JaxprEqn]) -> list[Any]:
    reads = (value for equation in equations for value in equation.invars if _is_value(value))
    return [*dict.fromkeys(reads)]


def _is_value(value: Any) -> bool:
    return not isinstance(value, core.Literal)
