"""How much memory a traced function needs at once, estimated from its operations without compiling it.

XLA gives an array memory from the operation that makes it to the last one that reads it. It makes no array of what it
fuses: of element-wise operations that one other such operation or one sum reads. An element-wise operation may write
over an input that nothing reads any more. These few rules are followed here, in the order in which the operations were
traced. What XLA copies into another layout, as for some convolutions and loops on the CPU, is not known here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jax.interpreters.partial_eval import dce_jaxpr

from jaxdl.backend.jaxprs import inner_programs


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The same memory, read in another form.
VIEWS = _names(
    "reshape squeeze expand_dims bitcast_convert_type stop_gradient optimization_barrier sharding_constraint "
    "random_wrap random_unwrap copy_p"
)
# Computed inside each of the operations that read them.
REPEATED = frozenset(("broadcast_in_dim", "iota"))
# Computed inside the operation that reads them where there is just one; otherwise they get memory.
ELEMENTWISE = _names(
    "abs add add_any and atan2 cbrt ceil clamp convert_element_type copy cos div eq erf erf_inv erfc exp exp2 "
    "expm1 floor ge gt integer_pow is_finite le lgamma log log1p logistic lt max min mul ne neg nextafter not or "
    "pad pow reduce_precision rem rev round rsqrt select_n shift_left shift_right_arithmetic shift_right_logical "
    "sign sin slice sqrt square sub tan tanh transpose xor"
)
# These compute what they read, and have results of their own.
_READERS = _names(
    "argmax argmin concatenate dynamic_slice reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum"
)
# Their result may take the place of an input of the same size.
_IN_PLACE = _names("cond dynamic_update_slice scan scatter scatter-add scatter_add while")
_LOOPS = frozenset(("scan", "while"))
_CALLS = _names(
    "jit pjit closed_call custom_vmap_call core_call custom_jvp_call custom_vjp_call custom_vjp_call_jaxpr remat "
    "remat2 checkpoint"
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

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._branches: dict[int, int] = {}
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
                makes = self.add(inner[0], reads)
            elif equation.primitive.name in VIEWS and len(reads) == len(equation.outvars):
                makes = reads
            else:
                makes = [self.new(variable.aval) for variable in equation.outvars]
                inside = _inside(equation, inner, self._platform)
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
            inside = all(name in REPEATED or name in ELEMENTWISE or name in _READERS for name in names)
            often = operation.name in REPEATED or (operation.name in ELEMENTWISE and len(names) == 1)
            if made not in kept and names and inside and often:
                sources[made] = frozenset(s for n in operation.reads for s in sources.get(n, (n,)))
        return sources


def _inside(equation: core.JaxprEqn, inner: Sequence[core.Jaxpr], platform: str) -> int:
    """Returns what an operation needs while it runs, in addition to what it reads and makes."""
    if inner:
        return max(peak_bytes(body, _read_only(equation, body), platform) - _given(body) for body in inner)
    if equation.primitive.name == "random_bits":
        return sum(aval_bytes(variable.aval) for variable in equation.outvars)
    return 0


def _given(body: core.Jaxpr) -> int:
    return sum(aval_bytes(variable.aval) for variable in body.invars)


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
