"""The column of times of a series: read as whole numbers, and checked for order, repeats and gaps."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxdl.data.frames import Frame
from jaxdl.errors import UserError

Unit = Literal["months", "microseconds", "numbers"]
_IN_MICROSECONDS = (("day", 86_400_000_000), ("hour", 3_600_000_000), ("minute", 60_000_000), ("second", 1_000_000))
# Dates with days between are those of a calendar month only if no two are nearer than the shortest month.
_SHORTEST_MONTH = 28


@dataclass(frozen=True)
class Times:
    """When the rows of a series were measured.

    Attributes:
        frame: the table.
        name: its column of times.
        values: (rows,) int64, in `unit`.
        unit: of the values: months where all times are the same day of different months, or the last days of months.
    """

    frame: Frame
    name: str
    values: np.ndarray
    unit: Unit

    def text(self, row: int) -> str:
        """Returns the time of a row as it is written."""
        return str(self.frame.arrays[self.name][row])

    @property
    def step(self) -> int:
        """The commonest difference between the times of two rows that follow each other; 0 for a single row."""
        found, counts = np.unique(np.diff(self.values), return_counts=True)
        return int(found[counts.argmax()]) if len(found) else 0

    def check_order(self) -> None:
        """Raises `UserError`, which names the row, unless the times rise from row to row."""
        wrong = np.flatnonzero(np.diff(self.values) <= 0)
        if not len(wrong):
            return
        row = int(wrong[0]) + 1
        place = self.frame.where(row, self.name)
        if self.values[row] == self.values[row - 1]:
            raise UserError(
                f"{place}: the time {self.text(row)} is that of the row before, as {self._repeats():,} are: a series "
                "has one row for each time; leave the others out."
            )
        raise UserError(
            f"{place}: the time {self.text(row)} comes after {self.text(row - 1)}: sort the rows by time, the oldest "
            "first."
        )

    def _repeats(self) -> int:
        return int((np.diff(self.values) == 0).sum())

    def breaks(self, step: int) -> np.ndarray:
        """Returns before which rows something else than one step has passed, (rows,) bool; False for the first."""
        return np.concatenate([[False], np.diff(self.values) != step])[: len(self.values)]

    def gap(self, row: int, step: int) -> str:
        """Returns in words what is wrong before a row."""
        passed = in_words(int(self.values[row] - self.values[row - 1]), self.unit)
        return (
            f"{self.frame.where(row, self.name)}: {self.text(row)} is {passed} after {self.text(row - 1)}, and the "
            f"step of the series is {in_words(step, self.unit)}"
        )


def in_words(count: int, unit: Unit) -> str:
    """Returns a difference of times, such as ``2 days``."""
    name, size = "month", 1
    if unit == "numbers":
        return str(count)
    if unit == "microseconds":
        name, size = next(((name, size) for name, size in _IN_MICROSECONDS if count % size == 0), ("microsecond", 1))
    return f"{count // size:,} {name}{'s' * (count // size != 1)}"


def times_of(frame: Frame, name: str, unit: Unit | None = None) -> Times:
    """Reads a column of times: dates, times, texts of these in ISO 8601 (1981-01, 1981-01-31T12:00) or whole numbers.

    Args:
        frame: the table.
        name: the column.
        unit: that of the training's series, for a trained model; None: it follows from the times.

    Raises:
        UserError: there is no such column, or it holds something else.
    """
    frame.check_names((name,), "data.time")
    values, dates = _read(frame, name)
    if not dates:
        return Times(frame, name, values, "numbers")
    moments = values.astype("datetime64[us]")
    if unit == "months" or (unit is None and _are_months(moments)):
        return Times(frame, name, moments.astype("datetime64[M]").astype(np.int64), "months")
    return Times(frame, name, values, "microseconds")


def find_times(frame: Frame) -> str:
    """Returns the name of the first column that holds dates or times; empty if none does."""
    return next((name for name in frame.arrays if _holds_times(frame, name)), "")


def _holds_times(frame: Frame, name: str) -> bool:
    import pyarrow as pa

    array = frame.arrays[name]
    if pa.types.is_temporal(array.type):
        return True
    if not _is_text(array.type):
        return False
    return len(array) > 0 and _moment(str(array[0])) is not None


def _read(frame: Frame, name: str) -> tuple[np.ndarray, bool]:
    """Returns a column as (rows,) int64, and whether these are moments, in microseconds since 1970."""
    import pyarrow as pa

    array = frame.arrays[name]
    if array.null_count:
        row = next(row for row, value in enumerate(array) if not value.is_valid)
        raise UserError(f"{frame.where(row, name)}: the time is missing; give one, or leave the row out.")
    if pa.types.is_temporal(array.type) and not pa.types.is_time(array.type) and not pa.types.is_duration(array.type):
        return array.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy(), True
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64()).to_numpy(), False
    if _is_text(array.type):
        return _of_texts(frame, name, array), True
    values = array.to_numpy() if pa.types.is_floating(array.type) else np.zeros(0)
    if len(values) and np.isfinite(values).all() and (values == np.rint(values)).all() and abs(values).max() < 2**53:
        return values.astype(np.int64), False
    raise UserError(
        f"{frame.name}: column {name!r} holds {array.type}, such as {array[0]}, no times: give dates and times, as in "
        "1981-01-31 or 1981-01-31T12:00, or whole numbers."
    )


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _of_texts(frame: Frame, name: str, array: Any) -> np.ndarray:
    values = np.zeros(len(array), np.int64)
    for row, text in enumerate(array.to_pylist()):
        moment = _moment(text)
        if moment is None:
            raise UserError(
                f"{frame.where(row, name)}: {text!r} is no time; write times as in 1981-01-31, 1981-01 or "
                "1981-01-31T12:00, or count them in whole numbers."
            )
        values[row] = moment
    return values


def _moment(text: str) -> int | None:
    """Returns a time in ISO 8601 in microseconds since 1970, without a zone in UTC; None if it is none."""
    text = text.strip()
    if len(text) == 7 and text[4] == "-":  # a month
        text += "-01"
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(microseconds=1)


def _are_months(moments: np.ndarray) -> bool:
    """Returns whether all are the same day, or all the last day, of different months."""
    days = moments.astype("datetime64[D]")
    months = moments.astype("datetime64[M]")
    if len(days) < 2 or (days != moments).any() or (np.diff(days).astype(np.int64) < _SHORTEST_MONTH).any():
        return False
    of_month = (days - months.astype("datetime64[D]")).astype(np.int64)
    last = ((months + np.timedelta64(1, "M")).astype("datetime64[D]") - days).astype(np.int64)
    return bool((of_month == of_month[0]).all() or (last == 1).all())
