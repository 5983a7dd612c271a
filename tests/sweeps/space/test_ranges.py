"""Ranges of numbers, with and without steps."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.sweeps.space.ranges import Range, read_range


@given(st.integers(-1000, 1000), st.integers(1, 400), st.integers(1, 400))
def test_whole_numbers_at_equal_distances_are_those_of_pythons_range(low: int, width: int, step: int) -> None:
    if step > width:
        with pytest.raises(ValueError, match="at most the width"):
            read_range("int", [str(low), str(low + width), f"step={step}"], int)
        return
    found = read_range("int", [str(low), str(low + width), f"step={step}"], int)
    expected = list(range(low, low + width + 1, step))
    assert [found.at(place) for place in range(int(found.count))] == expected
    assert (found.low, found.high) == (expected[0], expected[-1])


@given(st.integers(0, 50), st.integers(1, 60), st.integers(1, 9), st.sampled_from([10, 100, 1000]))
def test_written_steps_add_up_exactly(low: int, steps: int, step: int, parts: int) -> None:
    """0.1 three times is 0.3, as in fractions, and not 0.30000000000000004."""
    texts = [repr(low / parts), repr((low + step * steps) / parts), f"step={step / parts!r}"]
    found = read_range("uniform", texts, float)
    expected = [float(Fraction(low + step * place, parts)) for place in range(steps + 1)]
    assert [found.at(place) for place in range(int(found.count))] == expected
    assert all(found.nearest(number + 0.3 * step / parts) == number for number in expected)


def test_without_steps_there_are_endless_numbers_and_each_is_its_nearest() -> None:
    found = Range(0.25, 0.5)
    assert found.count == math.inf and found.nearest(0.3) == 0.3 and found.nearest(0.6) == 0.5
