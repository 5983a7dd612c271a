"""Which operations are computed inside others, and what is then read."""

from __future__ import annotations

from jaxdl.backend.fusion import Operation, steps_of

SIZE = 1000


def steps(
    *operations: tuple[str, tuple[int, ...], int], kept: tuple[int, ...] = (), **sizes: int
) -> list[tuple[str, list[int]]]:
    """Returns (name, what it reads) of those that make an array; values have one size, others are given as n7=1."""
    values = [SIZE] * 20
    for name, size in sizes.items():
        values[int(name[1:])] = size
    given = [Operation(name, reads, (makes,), 0) for name, reads, makes in operations]
    return [(operation.name, sorted(reads)) for operation, reads in steps_of(given, values, kept)]


def test_a_chain_is_one_operation() -> None:
    assert steps(("mul", (0, 1), 2), ("tanh", (2,), 3), ("add", (3, 0), 4), kept=(4,)) == [("add", [0, 1])]


def test_what_is_cheap_is_computed_inside_each_reader_and_what_is_dear_inside_one() -> None:
    two = (("exp", (2,), 3), ("sin", (2,), 4))
    assert steps(("mul", (0, 1), 2), *two, kept=(3, 4)) == [("exp", [0, 1]), ("sin", [0, 1])]
    assert steps(("tanh", (0,), 2), *two, kept=(3, 4)) == [("tanh", [0]), ("exp", [2]), ("sin", [2])]


def test_a_product_reads_arrays_and_others_then_read_them_too_unless_they_follow_from_one() -> None:
    readers = (("dot_general", (2, 1), 3), ("exp", (2,), 4))
    of_two = steps(("mul", (0, 1), 2), *readers, kept=(3, 4))
    assert of_two == [("mul", [0, 1]), ("dot_general", [1, 2]), ("exp", [2])]
    of_one = steps(("max", (0, 5), 2), *readers, kept=(3, 4), n5=4)
    assert of_one == [("max", [0, 5]), ("dot_general", [1, 2]), ("exp", [0, 5])]


def test_a_sum_has_the_product_inside_but_nothing_before_it() -> None:
    found = steps(("sub", (0, 1), 2), ("mul", (2, 2), 3), ("reduce_sum", (3,), 4), kept=(4,))
    assert found == [("sub", [0, 1]), ("reduce_sum", [2])]


def test_transpositions_come_as_soon_as_they_can() -> None:
    found = steps(
        ("exp", (0,), 1), ("dot_general", (1, 0), 2), ("dot_general", (2, 2), 3), ("transpose", (1,), 4), kept=(3, 4)
    )
    assert [name for name, _ in found] == ["exp", "transpose", "dot_general", "dot_general"]


def test_what_nobody_reads_is_left_out() -> None:
    assert steps(("exp", (0,), 1), ("sin", (0,), 2), kept=(2,)) == [("sin", [0])]
