"""Intervals and tests are those of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from jaxdl.comparison.statistics import difference, estimate

VALUES = st.lists(st.floats(-100, 100).map(lambda value: round(value, 3)), min_size=2, max_size=12)


@given(VALUES)
def test_an_interval_is_that_of_students_t(values: list[float]) -> None:
    assume(len(set(values)) > 1)
    found = estimate(values)
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert found.seeds == len(values) and found.half is not None
    assert found.mean - found.half == pytest.approx(low) and found.mean + found.half == pytest.approx(high)


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=12))
def test_a_difference_is_that_of_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = (list(map(lambda value: round(value, 3), each)) for each in zip(*pairs, strict=True))
    differences = np.subtract(ours, theirs)
    assume(np.ptp(differences) > 1e-6)
    found, reference = difference(ours, theirs), stats.ttest_rel(ours, theirs)
    interval = reference.confidence_interval(0.95)
    assert found.half is not None
    assert found.p == pytest.approx(reference.pvalue, rel=1e-6, abs=1e-12)
    assert found.mean - found.half == pytest.approx(interval.low, abs=1e-9)
    assert found.mean + found.half == pytest.approx(interval.high, abs=1e-9)


def test_one_seed_has_neither_an_interval_nor_a_test() -> None:
    assert estimate([0.5]) == (0.5, None, 1)
    assert difference([0.5], [0.25]) == (0.25, None, None, 1)


def test_a_figure_that_is_not_finite_has_neither() -> None:
    assert estimate([1.0, float("inf")]) == (float("inf"), None, 2)
    assert difference([1.0, float("inf")], [0.0, 0.0])[1:] == (None, None, 2)


def test_equal_figures_have_no_p_value_and_equal_differences_have_one_of_zero() -> None:
    assert difference([1.0, 2.0], [1.0, 2.0]) == (0.0, 0.0, None, 2)
    assert difference([2.0, 3.0], [1.0, 2.0]) == (1.0, 0.0, 0.0, 2)
