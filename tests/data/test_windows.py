"""Windows of a series against plain loops over its rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.frames import Frame
from jaxdl.data.times import times_of
from jaxdl.data.windows import (
    bounds,
    breaks_of,
    known,
    naive_errors,
    split_of,
    unbroken,
    values_of,
    windows_at,
)
from jaxdl.errors import UserError

MARKS = st.lists(st.booleans(), min_size=1, max_size=15)


def frame(**columns) -> Frame:
    return Frame("rows.csv", {name: pa.chunked_array([pa.array(values)]) for name, values in columns.items()}, False)


@given(marks=MARKS, size=st.integers(1, 17))
def test_known_and_unbroken_stretches(marks, size) -> None:
    values, breaks = np.where(marks, np.nan, 1.0)[:, None], np.array(marks)
    starts = range(len(marks) - size + 1)
    assert known(values, size).tolist() == [not any(marks[start : start + size]) for start in starts]
    assert unbroken(breaks, size).tolist()[: len(starts)] == [not any(marks[s + 1 : s + size]) for s in starts]


def test_windows_are_stretches_of_rows() -> None:
    values = np.arange(12).reshape(6, 2)
    np.testing.assert_array_equal(windows_at(values, np.array([0, 3]), 3), [values[:3], values[3:]])


@given(
    rows=st.integers(4, 60),
    window=st.integers(1, 6),
    horizon=st.integers(1, 4),
    validation=st.sampled_from([0, 0.1, 0.3]),
    test=st.sampled_from([0, 0.2, 0.4]),
)
def test_no_target_of_a_split_is_read_or_predicted_by_an_earlier_one(rows, window, horizon, validation, test) -> None:
    cuts = bounds(rows, validation, test, horizon)
    starts = np.arange(max(0, rows - window - horizon + 1))
    splits = split_of(starts, window, horizon, rows, cuts)
    used = {
        name: {row for start in first for row in range(start, start + window + horizon)}
        for name, first in splits.items()
    }
    targets = {
        name: {row for start in first for row in range(start + window, start + window + horizon)}
        for name, first in splits.items()
    }
    assert not used["train"] & (targets["validation"] | targets["test"])
    assert not used["validation"] & targets["test"]
    if not test:
        assert not len(splits["test"])
    for start in starts:  # a window is in a split, unless its target lies on both sides of a cut
        on_cut = any(start + window < cut < start + window + horizon for cut in cuts)
        assert sum(start in first for first in splits.values()) == (not on_cut)


def test_shares_are_those_of_rows() -> None:
    assert bounds(1000, 0.1, 0.2, 1) == (720, 800)
    assert bounds(10, 0.1, 0.05, 3) == (4, 7)  # at least the rows of one target
    assert bounds(10, 0, 0, 3) == (10, 10)


@given(
    values=st.lists(st.one_of(st.none(), st.floats(-100, 100)), min_size=8, max_size=20),
    horizon=st.integers(1, 3),
    season=st.integers(0, 5),
)
def test_naive_errors_are_those_of_a_loop(values, horizon, season) -> None:
    series = np.array([np.nan if value is None else value for value in values], np.float32)
    rows = np.arange(1, len(values) - horizon + 1)
    errors = []
    for row in rows:
        for step in range(horizon):
            source = row - 1
            if season:
                source = row + step - season
                while source >= row:
                    source -= season
            if source >= 0 and not np.isnan(series[source]) and not np.isnan(series[row + step]):
                errors.append(float(series[row + step]) - float(series[source]))
    found = naive_errors(series, rows, horizon, season)
    if not errors:
        assert found == {}
        return
    assert found["mean_absolute_error"] == pytest.approx(np.mean(np.abs(errors)))
    assert found["mean_squared_error"] == pytest.approx(np.mean(np.square(errors)))
    assert found["root_mean_squared_error"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))


def test_missing_values_are_refused_or_nan() -> None:
    rows = frame(a=[1.0, None, 3.0], b=["1", "?", "2"])
    np.testing.assert_array_equal(values_of(rows, ("b", "a"), "skip"), [[1, 1], [np.nan, np.nan], [2, 3]])
    for gaps in ("refuse", "ignore"):
        with pytest.raises(UserError, match=r"rows\.csv, row 2, column 'a': the value is missing, as 1 of 3 are"):
            values_of(rows, ("a",), gaps)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["1", "2", "x"], r"rows\.csv, row 3, column 'a': 'x' is no number"),
        (["red", "1", "blue"], r"rows\.csv, row 1, column 'a': 'red' is a text"),
        ([1.0, float("inf")], r"rows\.csv, row 2, column 'a': inf is infinite"),
    ],
)
def test_text_and_infinity_in_a_column_of_numbers_are_refused(column, message) -> None:
    with pytest.raises(UserError, match=message):
        values_of(frame(a=column), ("a",), "refuse")


def test_gaps_are_refused_with_their_row_skipped_or_ignored() -> None:
    rows = frame(when=["2000-01-01", "2000-01-02", "2000-01-04", "2000-01-05"])
    times = times_of(rows, "when")
    with pytest.raises(UserError, match=r"row 3, column 'when': 2000-01-04 is 2 days after 2000-01-02.*--data\.gaps="):
        breaks_of(times, 4, times.step, "refuse")
    assert breaks_of(times, 4, times.step, "skip").tolist() == [False, False, True, False]
    assert not breaks_of(times, 4, times.step, "ignore").any()
    assert not breaks_of(None, 4, 0, "refuse").any()
