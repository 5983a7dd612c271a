"""Turns the columns of a table into inputs: numbers as they are, categories as one input each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jaxdl.data.frames import Frame, Numbers, Texts, listed
from jaxdl.data.spec import Column
from jaxdl.errors import UserError

Missing = Literal["refuse", "mean", "category"]
# A column of texts with more different ones than this is refused, and from `_FEW` on also one in which more than half
# of the rows have a text of their own: names, ids and free text are no categories.
_MOST_CATEGORIES, _FEW = 1000, 20
# A rounding to 32 bits that is larger than this part of the deviation is refused.
_PRECISION = 1e-3
_PART = 2**15


@dataclass(frozen=True)
class Encoded:
    """The inputs of the rows of a table.

    Attributes:
        inputs: (rows, inputs) float32; NaN for a missing number.
        unknown: the number of rows with a category that train does not have, by column, and an example.
    """

    inputs: np.ndarray
    unknown: Mapping[str, tuple[int, str]]


def input_names(frame: Frame, chosen: Sequence[str], others: Sequence[str]) -> list[str]:
    """Returns the names of the columns that become inputs, in order.

    Args:
        frame: the table.
        chosen: their names; or, each after a minus sign, names of columns that do not; empty: all.
        others: columns that have another part, such as the target.

    Raises:
        UserError: a name is unknown, has another part, or none is left.
    """
    minus = [name for name in chosen if name.startswith("-") and name not in frame.arrays]
    if minus and len(minus) < len(chosen):
        raise UserError("data.columns: name the columns to take, or, each with a minus sign, those to leave out.")
    names = tuple(name.removeprefix("-") for name in chosen) if minus else tuple(chosen)
    frame.check_names(names, "data.columns")
    if minus or not chosen:
        left = [name for name in frame.arrays if name not in names and name not in others]
    else:
        left = list(names)
        for name in left:
            if name in others:
                raise UserError(f"data.columns: {name!r} is the target, the group or the weight of a row, no input.")
            if left.count(name) > 1:
                raise UserError(f"data.columns: {name!r} is named twice.")
    if not left:
        raise UserError(f"{frame.name}: no column is left for inputs; its columns are {listed(frame.arrays)}.")
    return left


def counts_rows(column: Numbers | Texts) -> bool:
    """Returns whether a column only counts the rows, as one of their numbers does: 0, 1, 2 or 1, 2, 3 and so on."""
    if not isinstance(column, Numbers) or column.kind == "bool" or len(column.values) <= _FEW:
        return False
    return column.values[0] in (0, 1) and bool((np.diff(column.values) == 1).all())


def column_of(frame: Frame, name: str, column: Numbers | Texts, missing: Missing, named: bool) -> Column:
    """Returns what a column of train becomes.

    Args:
        frame: the table.
        name: the column's name.
        column: its values.
        missing: what is done with missing values.
        named: whether the user named it as one of categories, however many.

    Raises:
        UserError: it has too many categories.
    """
    own = missing == "category" and bool(column.missing.any())
    if isinstance(column, Numbers):
        return Column(name, None, own)
    many, rows = len(column.texts), int((column.codes >= 0).sum())
    if not named and many > _FEW and (many > rows / 2 or many > _MOST_CATEGORIES):
        raise UserError(
            f"{frame.name}: column {name!r} has {many:,} different texts in {rows:,} rows, such as "
            f"{column.texts[0]!r}: an id or free text, no categories.{frame.leave_out(name)} --data.categories={name} "
            "takes it all the same."
        )
    return Column(name, column.texts, own)


def encode(frame: Frame, columns: Sequence[Column], fill: bool) -> Encoded:
    """Returns the inputs of all rows.

    Args:
        frame: the table; it may have other columns, too, in any order.
        columns: what becomes inputs, as train has it.
        fill: whether values may be missing.

    Raises:
        UserError: a column is not there or holds something else, or a value is missing or infinite.
    """
    inputs = np.zeros((frame.rows, sum(column.inputs for column in columns)), np.float32)
    unknown: dict[str, tuple[int, str]] = {}
    first = 0
    for column in columns:
        found = frame.column(column.name, texts=column.categories is not None)
        missing = found.missing
        if missing.any() and not fill:
            count, row = int(missing.sum()), int(missing.argmax())
            raise UserError(
                f"{frame.where(row, column.name)}: the value is missing, as {count:,} of the column's {frame.rows:,} "
                "are: fill the gaps, or "
                + ("train" if frame.fixed else "load")
                + " with --data.missing=mean, which takes the mean of train for numbers, or --data.missing=category, "
                "which makes a missing value an input of its own." + frame.leave_out(column.name)
            )
        if column.categories is None:
            as_float32(frame, column.name, numbers(frame, column.name, found), inputs[:, first])
        else:
            assert isinstance(found, Texts)  # asked for
            places = _places(found, column.categories)
            known = places >= 0
            inputs[np.flatnonzero(known), first + places[known]] = 1
            strange = ~known & ~missing
            if strange.any():
                example = found.texts[found.codes[int(strange.argmax())]]
                unknown[column.name] = (int(strange.sum()), example)
        first += column.inputs
        if column.missing:
            inputs[:, first - 1] = missing
    return Encoded(inputs, unknown)


def _places(column: Texts, categories: Sequence[str]) -> np.ndarray:
    """Returns the number of each row's category, -1 for none of them."""
    numbers = {text: number for number, text in enumerate(categories)}
    places = np.array([numbers.get(text, -1) for text in column.texts] + [-1])
    return np.asarray(places[column.codes])


def numbers(frame: Frame, name: str, column: Numbers | Texts) -> np.ndarray:
    """Returns the values of a column of numbers, (rows,) float64.

    Raises:
        UserError: it holds texts.
    """
    if isinstance(column, Numbers):
        return column.values
    row = int((column.codes >= 0).argmax())
    example = column.texts[column.codes[row]] if column.texts else ""
    raise UserError(f"{frame.where(row, name)}: {example!r} is a text, and the column must hold numbers.")


def as_float32(frame: Frame, name: str, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Returns (rows,) float64 values in 32 bits.

    Args:
        frame: their table.
        name: their column.
        values: the values.
        out: (rows,) float32, where they are written; None: a new array.

    Raises:
        UserError: one is infinite or does not fit, or 32 bits cannot tell them apart.
    """
    out = np.empty(values.shape, np.float32) if out is None else out
    error, origin = 0.0, _first_known(values)
    count, total, squares = 0, 0.0, 0.0  # of differences from a value of the column, which cost no precision
    # In parts: arrays for all rows at once would be new memory each time, which costs more than the arithmetic.
    for start in range(0, len(values), _PART):
        part, small = values[start : start + _PART], out[start : start + _PART]
        with np.errstate(over="ignore", invalid="ignore"):
            small[:] = part
            infinite = np.isinf(small)
            if infinite.any():
                raise _infinite(frame, name, values, start + int(infinite.argmax()))
        if np.isnan(part.sum()):
            known = ~np.isnan(part)
            part, small = part[known], small[known]
        error = max(error, float(np.abs(small - part).max(initial=0)))
        differences = part - origin
        count += len(part)
        total += float(differences.sum())
        squares += float(np.square(differences).sum())  # a product of BLAS would wake its threads
    deviation = math.sqrt(max(0.0, squares - total * total / count) / count) if count else 0.0
    if deviation and error > _PRECISION * deviation:
        raise UserError(
            f"{frame.name}: the values of column {name!r} are about {origin + total / count:.6g} and differ by only "
            f"about {deviation:.3g}, which 32 bits cannot tell apart: subtract a constant from them."
            f"{frame.leave_out(name)}"
        )
    return out


def _first_known(values: np.ndarray) -> float:
    """Returns the first value that is not missing; 0 if all are."""
    known = ~np.isnan(values[:_PART])
    return float(values[known.argmax()]) if known.any() else 0.0


def _infinite(frame: Frame, name: str, values: np.ndarray, row: int) -> UserError:
    with np.errstate(over="ignore"):
        count = int(np.isinf(values.astype(np.float32)).sum())
    what = "infinite" if np.isinf(values[row]) else "too large"
    return UserError(
        f"{frame.where(row, name)}: {values[row]:g} is {what}, as {count:,} of the column's {len(values):,} values "
        "are; correct them, or leave the rows out."
    )
