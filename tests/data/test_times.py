"""Times of a series: read as the standard library reads them, and every fault named with its row."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.frames import Frame
from jaxdl.data.times import find_times, in_words, times_of
from jaxdl.errors import UserError

EPOCH = datetime.datetime(1970, 1, 1)
MOMENTS = st.datetimes(datetime.datetime(1600, 1, 1), datetime.datetime(2400, 1, 1))


def frame(values, kind: pa.DataType | None = None) -> Frame:
    return Frame("rows.csv", {"when": pa.chunked_array([pa.array(values, kind)])})


def microseconds(moments: list[datetime.datetime]) -> list[int]:
    return [(moment - EPOCH) // datetime.timedelta(microseconds=1) for moment in moments]


@given(moments=st.lists(MOMENTS, min_size=1, max_size=5))
def test_texts_and_timestamps_are_read_as_the_standard_library_does(moments) -> None:
    texts = [moment.isoformat() for moment in moments]
    for column in (frame(texts), frame(moments, pa.timestamp("us")), frame(texts, pa.large_string())):
        times = times_of(column, "when", "microseconds")
        assert times.values.tolist() == microseconds(moments)
        assert times.unit == "microseconds"


@given(days=st.lists(st.dates(datetime.date(1600, 1, 1), datetime.date(2400, 1, 1)), min_size=1, max_size=5))
def test_dates_are_the_same_as_texts_and_as_dates(days) -> None:
    expected = microseconds([datetime.datetime(day.year, day.month, day.day) for day in days])
    for column in (frame(days), frame(list(map(str, days)))):
        assert times_of(column, "when", "microseconds").values.tolist() == expected


def test_a_zone_is_taken_into_account() -> None:
    times = times_of(frame(["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00"]), "when")
    assert times.step == 3_600_000_000


@pytest.mark.parametrize(
    "texts",
    [
        ["1999-11", "1999-12", "2000-01", "2000-02", "2000-03"],
        ["1999-11-15", "1999-12-15", "2000-01-15", "2000-02-15", "2000-03-15"],
        ["1999-11-30", "1999-12-31", "2000-01-31", "2000-02-29", "2000-03-31"],
    ],
)
def test_months_are_equally_far_apart(texts) -> None:
    times = times_of(frame(texts), "when")
    assert (times.unit, times.step) == ("months", 1)
    assert not times.breaks(1).any()


def test_quarters_and_years_are_steps_of_months() -> None:
    assert times_of(frame(["2000-01-01", "2000-04-01", "2000-07-01"]), "when").step == 3
    assert times_of(frame(["2000-01-01", "2001-01-01", "2002-01-01"]), "when").step == 12


@given(values=st.lists(st.integers(-(2**40), 2**40), min_size=2, max_size=9, unique=True))
def test_whole_numbers_are_times_too(values) -> None:
    values.sort()
    for kind in (pa.int64(), pa.float64()):
        times = times_of(frame(values, kind), "when")
        assert times.unit == "numbers"
        assert times.values.tolist() == values
        assert times.step in np.diff(values)


def test_the_step_is_the_commonest_difference_and_all_others_are_breaks() -> None:
    times = times_of(frame(["2000-01-01", "2000-01-02", "2000-01-03", "2000-01-06", "2000-01-07"]), "when")
    assert times.breaks(times.step).tolist() == [False, False, False, True, False]
    assert times.gap(3, times.step) == (
        "rows.csv, row 4, column 'when': 2000-01-06 is 3 days after 2000-01-03, and the step of the series is 1 day"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2000-01-01", "2000-01-02", "2000-01-02"], r"rows\.csv, row 3, column 'when': the time 2000-01-02 is that"),
        (["2000-01-01", "2000-01-03", "2000-01-02"], r"row 3, column 'when': the time 2000-01-02 comes after .*sort"),
    ],
)
def test_times_that_do_not_rise_are_refused(values, message) -> None:
    with pytest.raises(UserError, match=message):
        times_of(frame(values), "when").check_order()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2000-01-01", "01/02/2000"], r"rows\.csv, row 2, column 'when': '01/02/2000' is no time"),
        (["2000-01-01", None], r"rows\.csv, row 2, column 'when': the time is missing"),
        ([0.5, 1.0], r"column 'when' holds double, such as 0\.5, no times"),
        ([1.0, float("inf")], r"no times"),
        ([True, False], r"column 'when' holds bool"),
        ([datetime.time(1), datetime.time(2)], r"no times"),
    ],
)
def test_what_is_no_time_is_refused(values, message) -> None:
    with pytest.raises(UserError, match=message):
        times_of(frame(values), "when")


def test_the_column_of_times_is_found_by_what_it_holds() -> None:
    columns = {"id": pa.array([1, 2]), "name": pa.array(["a", "b"]), "month": pa.array(["2000-01", "2000-02"])}
    assert find_times(Frame("rows.csv", columns)) == "month"
    assert find_times(Frame("rows.csv", {"id": columns["id"]})) == ""


@pytest.mark.parametrize(
    ("count", "unit", "words"),
    [
        (1, "months", "1 month"),
        (7_200_000_000, "microseconds", "2 hours"),
        (5, "numbers", "5"),
        (3, "microseconds", "3 microseconds"),
    ],
)
def test_differences_in_words(count, unit, words) -> None:
    assert in_words(count, unit) == words
