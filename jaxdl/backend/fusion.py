"""Which operations of a traced function XLA computes inside others, so that they make no arrays.

Rules of XLA's fusion, as they were seen in programs that its CPU compiler made (jaxlib 0.10 and 0.12). An element-wise
operation is computed inside each operation that reads it, if these can do so: other element-wise ones, slices and
concatenations, but no product, convolution or loop. What costs more than an addition or a choice is computed inside a
single reader only. Where some reader needs the array in any case, others read it, too, unless it follows from just one
other array of its size. A sum is computed by a library, together with the product of what it sums, from arrays.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The same memory, read in another form.
VIEWS = _names(
    "reshape squeeze expand_dims bitcast_convert_type stop_gradient optimization_barrier sharding_constraint "
    "random_wrap random_unwrap copy_p"
)
# Computed inside each of the operations that read them.
REPEATED = frozenset(("broadcast_in_dim", "iota"))
_COSTLY = _names(
    "atan2 cbrt cos div erf erf_inv erfc exp exp2 expm1 lgamma log log1p logistic pow rem rsqrt sin sqrt tan tanh"
)
_FREE = _names(
    "abs add add_any and ceil clamp convert_element_type copy eq floor ge gt integer_pow is_finite le lt max min mul "
    "ne neg nextafter not or pad reduce_precision rev round select_n shift_left shift_right_arithmetic "
    "shift_right_logical sign slice square sub transpose xor"
)
ELEMENTWISE = _COSTLY | _FREE
# XLA makes an update of a part from a scatter to one place, which `jax.vmap` writes.
_UPDATES = frozenset(("dynamic_update_slice", "scatter"))
# Computed inside each of several readers.
_CHEAP = REPEATED | _FREE | _UPDATES
_SUMS = frozenset(("reduce_sum",))
# These compute what they read, and have results of their own.
_READERS = _names("argmax argmin concatenate dynamic_slice reduce_and reduce_max reduce_min reduce_or reduce_prod")
_FUSING = REPEATED | ELEMENTWISE | _READERS | _UPDATES


@dataclasses.dataclass(frozen=True)
class Operation:
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


Step = tuple[Operation, frozenset[int]]
"""An operation that makes an array, and which arrays it reads, with those read by what is computed inside it."""


def steps_of(operations: Sequence[Operation], sizes: Sequence[int], kept: Iterable[int]) -> list[Step]:
    """Returns the operations that make arrays, about in the order in which XLA runs them.

    Args:
        operations: of a program without calls.
        sizes: bytes of each value, by its number.
        kept: values that are arrays in any case, such as results.
    """
    readers: dict[int, set[str]] = {}
    count: Counter[int] = Counter()
    for operation in operations:
        count.update({*operation.reads})
        for n in operation.reads:
            readers.setdefault(n, set()).add(operation.name)
    summed = {n for n, names in readers.items() if names <= _SUMS and count[n] == 1}
    arrays = {*kept}
    for operation in operations:
        arrays |= {n for n in operation.reads if not _fuses(operation, n, summed)}
    inside: dict[int, frozenset[int]] = {}  # of what may be computed inside a reader, what that then reads
    stored, found = {*kept}, []
    repeated = {n for operation in operations if operation.name in REPEATED for n in operation.makes}
    for operation in operations:
        fused = {n for n in operation.reads if n in inside and _fuses(operation, n, summed)}
        reads = frozenset({*operation.reads} - fused).union(*(inside[n] for n in fused))
        stored |= {*operation.reads} - fused
        made = operation.makes[0] if operation.makes else -1
        often = operation.name in _CHEAP and (made not in arrays or _of_one(operation, sizes, repeated))
        once = operation.name in ELEMENTWISE and made not in arrays and count[made] == 1
        if often or once:
            inside[made] = reads
        found.append((operation, reads))
    return _turned_early([each for each in found if stored & {*each[0].makes}])


def _fuses(operation: Operation, n: int, summed: set[int]) -> bool:
    """Returns whether an operation computes inside itself a value that it reads, if that can be.

    Args:
        operation: the one that reads.
        n: the value.
        summed: values that a sum reads, and nothing else.
    """
    if operation.name in _SUMS:
        return n in summed
    return operation.name in _FUSING and not summed & {*operation.makes}


def _of_one(operation: Operation, sizes: Sequence[int], repeated: set[int]) -> bool:
    """Returns whether an operation reads at most one array of about the size of its result, so a reader may as well."""
    return sum(8 * sizes[n] >= sizes[operation.makes[0]] for n in {*operation.reads} - repeated) <= 1


def _turned_early(steps: list[Step]) -> list[Step]:
    """Moves transpositions to where what they read is there: XLA turns arrays for the backward pass before it."""
    places = {n: number for number, (operation, _) in enumerate(steps) for n in operation.makes}

    def place(number: int) -> tuple[float, int]:
        operation, reads = steps[number]
        if operation.name != "transpose":
            return number, number
        return max((places.get(n, -1) for n in reads), default=-1) + 0.5, number

    return [steps[number] for number in sorted(range(len(steps)), key=place)]
