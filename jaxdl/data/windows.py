"""Cuts a series into windows, each with the values that follow it, and these by time into splits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxdl.data.columns import as_float32, numbers
from jaxdl.data.frames import Frame, Numbers
from jaxdl.data.spec import Gaps
from jaxdl.data.times import Times
from jaxdl.errors import UserError


def values_of(frame: Frame, names: Sequence[str], gaps: Gaps) -> np.ndarray:
    """Returns columns of numbers, (rows, columns) float32, NaN where one is missing.

    Raises:
        UserError: a column is not there, holds texts, or a value is infinite, or missing where gaps are not skipped.
    """
    frame = frame.of_model()  # so that messages name no field that a series does not have
    values = np.empty((frame.rows, len(names)), np.float32)
    for place, name in enumerate(names):
        column = frame.column(name)
        missing = column.missing
        if missing.any() and gaps != "skip":
            row, count = int(missing.argmax()), int(missing.sum())
            raise UserError(
                f"{frame.where(row, name)}: the value is missing, as {count:,} of {frame.rows:,} are: fill the gaps, "
                "or --data.gaps=skip leaves out the windows in which a value is missing."
            )
        if missing.all() and not isinstance(column, Numbers):
            values[:, place] = np.nan
        else:
            as_float32(frame, name, numbers(frame, name, column), values[:, place])
    return values


def breaks_of(times: Times | None, rows: int, step: int, gaps: Gaps) -> np.ndarray:
    """Returns before which rows a series is broken, (rows,) bool: where something else than one step has passed.

    Raises:
        UserError: the times do not rise, or there is a gap and gaps are refused.
    """
    if times is None:
        return np.zeros(rows, bool)
    times.check_order()
    breaks = times.breaks(step)
    if gaps == "refuse" and breaks.any():
        count = int(breaks.sum())
        more = f"; there {'is' if count == 2 else 'are'} {count - 1:,} more" if count > 1 else ""
        raise UserError(
            f"{times.gap(int(breaks.argmax()), step)}{more}: fill the gaps, --data.gaps=skip leaves out the windows "
            "across one, or --data.gaps=ignore takes the rows as if they were equally far apart."
        )
    return breaks if gaps == "skip" else np.zeros(rows, bool)


def known(values: np.ndarray, size: int) -> np.ndarray:
    """Returns at which rows a stretch of `size` rows without a missing value begins, (rows - size + 1,) bool."""
    missing = np.isnan(values.reshape(len(values), -1)).any(1)
    whole: np.ndarray = _within(missing, size) == 0
    return whole


def unbroken(breaks: np.ndarray, size: int) -> np.ndarray:
    """Returns at which rows a stretch of `size` rows begins in which the series is not broken, (rows - size + 1,) bool.

    Args:
        breaks: (rows,) bool, before which rows the series is broken.
        size: number of rows, at least 1.
    """
    whole: np.ndarray = _within(breaks[1:], size - 1) == 0
    return whole


def _within(marked: np.ndarray, size: int) -> np.ndarray:
    """Returns how many of each `size` entries that follow each other are marked."""
    if len(marked) < size:
        return np.zeros(0, np.int64)
    sums = np.concatenate([[0], np.cumsum(marked, dtype=np.int64)])
    within: np.ndarray = sums[size:] - sums[: len(sums) - size]
    return within


def windows_at(values: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """Returns the stretches of `size` rows that begin at the given rows, (starts, size, columns)."""
    return values[starts[:, None] + np.arange(size)]


def bounds(rows: int, validation: float, test: float, horizon: int) -> tuple[int, int]:
    """Returns at which rows the targets of validation and of test begin.

    Test has the last share of the rows, validation the last share of those before; a share above 0 has at least the
    rows of one target.
    """
    of_test = min(rows, max(horizon, round(rows * test))) if test else 0
    before = rows - of_test
    of_validation = min(before, max(horizon, round(before * validation))) if validation else 0
    return before - of_validation, before


def split_of(
    starts: np.ndarray, window: int, horizon: int, rows: int, cuts: tuple[int, int], test: int | None = None
) -> dict[str, np.ndarray]:
    """Returns the starts of the windows of each split, by where their targets lie.

    No target lies in two splits: a window is left out if its target begins in one and ends in the next. So nothing that
    train reads or predicts is a target of validation or test; the inputs of these may reach back into what is before.

    Args:
        starts: (windows,) first rows, rising.
        window: rows of inputs.
        horizon: rows of a target, which follow them.
        rows: number of rows of the series.
        cuts: the result of `bounds`, or of `jaxdl.data.folds.stretch_of`.
        test: at which row the targets of test begin; None: where those of validation end.
    """
    edges = {"train": (0, cuts[0]), "validation": cuts, "test": (cuts[1] if test is None else test, rows)}
    return {
        name: starts[(starts + window >= first) & (starts + window + horizon <= last)]
        for name, (first, last) in edges.items()
    }


def naive_errors(series: np.ndarray, rows: np.ndarray, horizon: int, season: int = 0) -> dict[str, float]:
    """Returns the errors of a forecast that repeats known values.

    Args:
        series: (rows,) the column to predict, NaN where a value is missing.
        rows: (windows,) first rows of the targets.
        horizon: steps ahead.
        season: forecast the value a season before, or as many seasons as needed for it to be known; 0: the last value.

    Returns:
        Mean absolute error, mean squared error and its root, by the names of the metrics, over all targets whose
        forecast is known; empty if there is none.
    """
    ahead = np.arange(horizon)
    back = season * -(-(ahead + 1) // season) if season else ahead + 1
    sources = (rows[:, None] + ahead) - back
    series = series.astype(np.float64)
    forecast = np.where(sources >= 0, series[np.maximum(sources, 0)], np.nan)
    errors = series[rows[:, None] + ahead] - forecast
    errors = errors[~np.isnan(errors)]
    if not errors.size:
        return {}
    squared = float(np.mean(errors**2))
    return {
        "mean_absolute_error": float(np.mean(np.abs(errors))),
        "mean_squared_error": squared,
        "root_mean_squared_error": squared**0.5,
    }
