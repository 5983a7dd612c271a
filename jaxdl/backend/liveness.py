"""How much memory a traced function needs at once, estimated from its operations without compiling it.

XLA gives an array memory from the operation that makes it to the last one that reads it, and none to what it computes
inside the operations that read it (see `jaxdl.backend.fusion`). An operation may write over an input that nothing reads
any more. These few rules are followed here, about in the order in which the operations were traced. On a CPU, numbers
of 16 bits are computed in 32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jax.interpreters.partial_eval import dce_jaxpr

from jaxdl.backend.fusion import ELEMENTWISE, VIEWS, Operation, steps_of
from jaxdl.backend.jaxprs import RECOMPUTED, inner_programs

# Their result may take the place of an input of the same size.
_IN_PLACE = frozenset(
    ["cond", "dynamic_update_slice", "scan", "scatter", "scatter-add", "scatter_add", "while", "ffi_call in place"]
)
_LOOPS = frozenset(("scan", "while"))
_CALLS = frozenset(
    ["jit", "pjit", "closed_call", "core_call", "custom_vmap_call", "custom_jvp_call", "custom_vjp_call", *RECOMPUTED]
)


def peak_bytes(program: core.Jaxpr, kept: Sequence[int] = (), platform: str = "cpu") -> int:
    """Returns the most bytes that the arrays of a traced function take at one time, its arguments and results included.

    Args:
        program: the traced function.
        kept: the arguments that may not be written over, by their position; the memory of others is given up.
        platform: ``cpu``, ``gpu`` or ``tpu``: some operations are done in another way on each.
    """
    needed, used = dce_jaxpr(program, [True] * len(program.outvars), instantiate=True)
    flat = _Flat(platform)
    given = [flat.new(variable.aval) for variable in needed.invars]
    results = flat.add(needed, given)
    return flat.peak(given, {given[n] for n in kept} | set(results))


def aval_bytes(aval: Any) -> int:
    """Returns the memory of an array of a traced function, in bytes; 0 for what is none."""
    dtype = getattr(aval, "dtype", None)
    if dtype is None:
        return 0
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return 8 * int(math.prod(aval.shape))
    size: int = math.prod(aval.shape) * dtype.itemsize
    return size


def _computed_bytes(aval: Any, platform: str) -> int:
    """Returns the memory of an array while it is computed with: a CPU computes in 32 bits what has 16."""
    dtype = getattr(aval, "dtype", None)
    halves = dtype is not None and jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize == 2
    return aval_bytes(aval) * (2 if halves and platform == "cpu" else 1)


class _Flat:
    """A program without calls: the bodies of functions stand where they are called."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._branches: dict[int, int] = {}
        self._sizes: list[int] = []
        self._operations: list[Operation] = []
        self._walls: set[int] = set()

    def new(self, aval: Any) -> int:
        """Returns the number of a new value."""
        self._sizes.append(_computed_bytes(aval, self._platform))
        return len(self._sizes) - 1

    def add(self, program: core.Jaxpr, given: Sequence[int]) -> list[int]:
        """Adds a program's operations; returns the numbers of its results."""
        values: dict[Any, int] = dict(zip(program.invars, given, strict=True))
        values |= {constant: self.new(constant.aval) for constant in program.constvars}

        def number(variable: Any) -> int:
            return self.new(variable.aval) if isinstance(variable, core.Literal) else values[variable]

        for equation in program.eqns:
            reads = [number(variable) for variable in equation.invars]
            inner = list(inner_programs(equation.params))
            if equation.primitive.name == "cond" and reads[0] in self._branches:  # one of them is for this platform
                inner, reads = [inner[self._branches[reads[0]]]], reads[1:]
            if equation.primitive.name == "platform_index":
                self._branches[len(self._sizes)] = _branch_of(equation.params["platforms"], self._platform)
            if (
                inner
                and len(inner[0].invars) == len(reads)
                and (len(inner) == 1 or equation.primitive.name in _CALLS)
                and equation.primitive.name not in _LOOPS
            ):
                # Beyond what a backward pass computes again nothing is fused.
                self._walls |= {*reads} if equation.params.get("differentiated") else set()
                makes = self.add(inner[0], reads)
            elif equation.primitive.name in VIEWS and len(reads) == len(equation.outvars):
                makes = reads
            else:
                makes = [self.new(variable.aval) for variable in equation.outvars]
                inside = _inside(equation, inner, self._platform)
                self._operations.append(Operation(_name(equation), tuple(reads), tuple(makes), inside))
            values |= dict(zip(equation.outvars, makes, strict=True))
        return [number(variable) for variable in program.outvars]

    def peak(self, given: Sequence[int], kept: set[int]) -> int:
        """Returns the most bytes that are needed at one time.

        Args:
            given: values that are there at the start.
            kept: values that are there until the end.
        """
        steps = steps_of(self._operations, self._sizes, kept | self._walls)
        last = {n: place for place, (_, numbers) in enumerate(steps) for n in numbers}
        live = most = sum(self._sizes[n] for n in {*given})
        alive = {*given}
        for place, (operation, numbers) in enumerate(steps):
            over = [n for n in numbers if last[n] == place and n not in kept and n in alive]
            made = [n for n in operation.makes if n in last or n in kept]
            sizes = [self._sizes[n] for n in over] if operation.name in ELEMENTWISE | _IN_PLACE else []
            new = 0
            for n in made:
                if self._sizes[n] in sizes:
                    sizes.remove(self._sizes[n])
                else:
                    new += self._sizes[n]
            most = max(most, live + new + operation.inside)
            live += sum(self._sizes[n] for n in made) - sum(self._sizes[n] for n in over)
            alive = (alive | {*made}) - {*over}
        return most


def _name(equation: core.JaxprEqn) -> str:
    """Returns the name of an operation; a native one that writes all its results over its arguments has its own."""
    name = equation.primitive.name
    is_native = name == "ffi_call" and len(equation.params["input_output_aliases"]) == len(equation.outvars)
    return "ffi_call in place" if is_native else name


def _inside(equation: core.JaxprEqn, inner: Sequence[core.Jaxpr], platform: str) -> int:
    """Returns what an operation needs while it runs, in addition to what it reads and makes."""
    if inner:
        return max(peak_bytes(body, _read_only(equation, body), platform) - _given(body, platform) for body in inner)
    if equation.primitive.name == "random_bits":
        return sum(aval_bytes(variable.aval) for variable in equation.outvars)
    return 0


def _given(body: core.Jaxpr, platform: str) -> int:
    return sum(_computed_bytes(variable.aval, platform) for variable in body.invars)


def _read_only(equation: core.JaxprEqn, body: core.Jaxpr) -> list[int]:
    """Returns the positions of those arguments of a loop's or a branch's body that it may not write over."""
    numbers = range(len(body.invars))
    if equation.primitive.name == "scan":
        # Its parameters have other names on each version of JAX. Of what it stacks, a turn has one dimension less.
        carried = _of_same_rank(body.outvars, equation.outvars)
        constants = _of_same_rank(body.invars, equation.invars) - carried
        return [n for n in numbers if not constants <= n < constants + carried]
    if equation.primitive.name == "while":
        return (
            list(range(equation.params["body_nconsts"])) if body is equation.params["body_jaxpr"].jaxpr else [*numbers]
        )
    return [*numbers]


def _of_same_rank(inside: Sequence[Any], outside: Sequence[Any]) -> int:
    pairs = zip(inside, outside, strict=True)
    return sum(len(_shape(one)) == len(_shape(other)) for one, other in pairs)


def _shape(variable: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = getattr(variable.aval, "shape", ())
    return shape


def _branch_of(platforms: Sequence[Sequence[str] | None], platform: str) -> int:
    """Returns the number of the branch for a platform; the one without names is for all others."""
    names = {"gpu": {"gpu", "cuda", "rocm"}}.get(platform, {platform})
    found = [n for n, given in enumerate(platforms) if given is not None and names & {*given}]
    return found[0] if found else next(n for n, given in enumerate(platforms) if given is None)
