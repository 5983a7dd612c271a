"""How much memory a traced function needs at once, estimated from its operations without compiling it.

XLA gives an array memory from the operation that makes it to the last one that reads it. It makes no array of what it
fuses: cheap element-wise operations are computed again inside each operation that reads them, and expensive ones only
where one operation reads them. An element-wise operation may write over an input that nothing reads any more. These few
rules are followed here, in the order in which the operations were traced.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
from jax.extend import core
from jax.interpreters.partial_eval import dce_jaxpr

from jaxdl.backend.jaxprs import inner_programs

# The same memory, read in another form; a transposed factor is read as it lies.
_VIEWS = frozenset(
    "reshape squeeze expand_dims transpose bitcast_convert_type stop_gradient optimization_barrier sharding_constraint "
    "random_wrap random_unwrap copy_p".split()
)
# Computed inside the operations that read them, as often as there are such operations.
_CHEAP = frozenset(
    "abs add add_any and broadcast_in_dim clamp convert_element_type copy eq ge gt integer_pow iota is_finite le lt max "
    "min mul ne neg not or pad reduce_precision rev select_n shift_left shift_right_arithmetic shift_right_logical "
    "sign slice square sub xor".split()
)
# Computed inside the operation that reads them only where there is just one.
_EXPENSIVE = frozenset(
    "atan2 cbrt ceil cos div erf erf_inv erfc exp exp2 expm1 floor lgamma log log1p logistic nextafter pow rem round "
    "rsqrt sin sqrt tan tanh".split()
)
# These compute what they read, and have results of their own.
_READERS = frozenset(
    "argmax argmin concatenate dynamic_slice reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum".split()
)
# Their result may take the place of an input of the same size.
_IN_PLACE = frozenset("cond dynamic_update_slice scan scatter scatter-add scatter_add while".split())
_CALLS = frozenset(
    "jit pjit closed_call core_call custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr remat remat2 checkpoint".split()
)


def peak_bytes(program: core.Jaxpr, kept: Sequence[int] = ()) -> int:
    """Returns the most bytes that the arrays of a traced function take at one time, its arguments and results included.

    Args:
        program: the traced function.
        kept: the arguments that may not be written over, by their position; the memory of others is given up.
    """
    needed, used = dce_jaxpr(program, [True] * len(program.outvars), instantiate=True)
    flat = _Flat()
    given = [flat.new(variable.aval) for variable in needed.invars]
    results = flat.add(needed, given)
    return flat.peak(given, {given[n] for n in kept} | set(results))


def aval_bytes(aval: Any) -> int:
    """Returns the memory of an array of a traced function, in bytes; 0 for what is none."""
    dtype = getattr(aval, "dtype", None)
    if dtype is None:
        return 0
    if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        return math.prod(aval.shape) * 8
    size: int = math.prod(aval.shape) * dtype.itemsize
    return size


@dataclasses.dataclass(frozen=True)
class _Operation:
    """One operation of a program without calls.

    Attributes:
        name: of its primitive.
        reads: numbers of the values that it reads; a view has the number of what it shows.
        makes: numbers of its results.
        inside: memory that it takes in addition while it runs, in bytes.
    """

    name: str
    reads: tuple[int, ...]
    makes: tuple[int, ...]
    inside: int


class _Flat:
    """A program without calls: the bodies of functions stand where they are called."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._operations: list[_Operation] = []

    def new(self, aval: Any) -> int:
        """Returns the number of a new value."""
        self._sizes.append(aval_bytes(aval))
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
            if equation.primitive.name in _CALLS and inner and len(inner[0].invars) == len(reads):
                makes = self.add(inner[0], reads)
            elif equation.primitive.name in _VIEWS and len(reads) == len(equation.outvars):
                makes = reads
            else:
                makes = [self.new(variable.aval) for variable in equation.outvars]
                inside = _inside(equation, inner)
                self._operations.append(_Operation(equation.primitive.name, tuple(reads), tuple(makes), inside))
            values |= dict(zip(equation.outvars, makes, strict=True))
        return [number(variable) for variable in program.outvars]

    def peak(self, given: Sequence[int], kept: set[int]) -> int:
        """Returns the most bytes that are needed at one time.

        Args:
            given: values that are there at the start.
            kept: values that are there until the end.
        """
        sources = self._sources(kept)
        run = [operation for operation in self._operations if any(n not in sources for n in operation.makes)]
        reads = [{s for n in operation.reads for s in sources.get(n, (n,))} for operation in run]
        last = {n: place for place, numbers in enumerate(reads) for n in numbers}
        live = most = sum(self._sizes[n] for n in {*given})
        alive = {*given}
        for place, (operation, numbers) in enumerate(zip(run, reads, strict=True)):
            over = [n for n in numbers if last[n] == place and n not in kept and n in alive]
            made = [n for n in operation.makes if n not in sources and (n in last or n in kept)]
            sizes = [self._sizes[n] for n in over] if operation.name in _CHEAP | _EXPENSIVE | _IN_PLACE else []
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

    def _sources(self, kept: set[int]) -> dict[int, frozenset[int]]:
        """Returns for each value that gets no memory of its own the values from which it is computed."""
        readers: dict[int, list[str]] = {}
        for operation in self._operations:
            for n in {*operation.reads}:
                readers.setdefault(n, []).append(operation.name)
        sources: dict[int, frozenset[int]] = {}
        for operation in self._operations:
            (*_, made) = operation.makes or (-1,)
            names = readers.get(made, [])
            inside = all(name in _CHEAP or name in _EXPENSIVE or name in _READERS for name in names)
            often = operation.name in _CHEAP or (operation.name in _EXPENSIVE and len(names) == 1)
            if made not in kept and names and inside and often:
                sources[made] = frozenset(s for n in operation.reads for s in sources.get(n, (n,)))
        return sources


def _inside(equation: core.JaxprEqn, inner: Sequence[core.Jaxpr]) -> int:
    """Returns what an operation needs while it runs, in addition to what it reads and makes."""
    if inner:
        bodies = []
        for body in inner:
            given = sum(aval_bytes(variable.aval) for variable in body.invars)
            bodies.append(peak_bytes(body, range(len(body.invars))) - given)
        return max(bodies)
    if equation.primitive.name == "random_bits":
        return sum(aval_bytes(variable.aval) for variable in equation.outvars)
    return 0
