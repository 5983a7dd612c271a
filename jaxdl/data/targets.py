"""The column of a table that is to be predicted: its classes, or its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from jaxdl.data.columns import as_float32, numbers
from jaxdl.data.frames import Frame, Numbers, Texts, number_text
from jaxdl.errors import UserError, brief

Task = Literal["auto", "classification", "regression"]
# Whole numbers are classes if there are at most so many different ones.
_MOST_CLASSES = 20


def classes_of(frame: Frame, name: str, task: Task) -> tuple[str, ...]:
    """Returns the names of the classes in a column of train, in their order; empty where numbers are to be predicted.

    Args:
        frame: the table.
        name: the column.
        task: ``"auto"``: texts, booleans and whole numbers of at most 20 different values, of which there are more than
            twice as many rows, are classes; other numbers are to be predicted as such.

    Raises:
        UserError: a value is missing, the task does not fit the column, or there is only one class.
    """
    column = present(frame, name, "the target", task == "classification")
    if isinstance(column, Numbers):
        values = np.unique(column.values)
        few = len(values) <= min(_MOST_CLASSES, len(column.values) / 2) and (np.floor(values) == values).all()
        if task == "regression" or (task == "auto" and column.kind != "bool" and not few):
            return ()
        if len(values) > len(column.values) / 2 and len(values) > _MOST_CLASSES:
            raise UserError(
                f"{frame.name}: the target {name!r} has {len(values):,} different numbers in {len(column.values):,} "
                "rows, too many for classes: --data.task=regression predicts them as numbers."
            )
        names = tuple(_class_name(column, value) for value in values)
    else:
        if task == "regression":
            numbers(frame, name, column)
        names = column.texts
        if len(names) > _MOST_CLASSES and len(names) > len(column.codes) / 2:
            raise UserError(
                f"{frame.name}: the target {name!r} has {len(names):,} different texts in {len(column.codes):,} rows, "
                f"such as {names[0]!r}: too many for classes. --data.target=NAME takes another column."
            )
    if len(names) < 2:
        raise UserError(
            f"{frame.name}: the target {name!r} is {names[0]!r} in every row, so that there is nothing to learn. "
            "--data.target=NAME takes another column."
        )
    return names


def targets_of(frame: Frame, name: str, classes: Sequence[str]) -> np.ndarray:
    """Returns the targets of all rows: (rows,) int32 numbers of classes, or (rows,) float32 where there are none.

    Raises:
        UserError: a value is missing, infinite, no number, or a class that train does not have.
    """
    column = present(frame, name, "the target", bool(classes))
    if not classes:
        return as_float32(frame, name, numbers(frame, name, column))
    if isinstance(column, Numbers):
        values, codes = np.unique(column.values, return_inverse=True)
        texts = tuple(_class_name(column, value) for value in values)
    else:
        codes, texts = column.codes, column.texts
    known = {text: number for number, text in enumerate(classes)}
    labels = np.array([known.get(text, -1) for text in texts], np.int32)[codes]
    if (labels < 0).any():
        row, count = int((labels < 0).argmax()), int((labels < 0).sum())
        raise UserError(
            f"{frame.where(row, name)}: the class {texts[codes[row]]!r} does not occur in train, nor do the classes of "
            f"{count:,} of the {len(labels):,} rows; add examples of it to train, or leave these rows out."
        )
    return labels


def present(frame: Frame, name: str, what: str, classes: bool = False) -> Numbers | Texts:
    """Returns a column in which no value may be missing.

    Raises:
        UserError: one is; or, for classes, a number is infinite.
    """
    column = frame.column(name)
    if column.missing.any():
        row, count = int(column.missing.argmax()), int(column.missing.sum())
        raise UserError(
            f"{frame.where(row, name)}: {what} is missing, as it is in {count:,} of {frame.rows:,} rows; leave these "
            "rows out."
        )
    if classes and isinstance(column, Numbers) and not np.isfinite(column.values).all():
        as_float32(frame, name, column.values)  # which says where
    return column


def _class_name(column: Numbers, value: float) -> str:
    return str(bool(value)).lower() if column.kind == "bool" else number_text(value)


def says(name: str, classes: Sequence[str], last: bool, auto: bool) -> str:
    """Returns the line that says what is predicted, and how to choose something else."""
    what = f"one of {len(classes)} classes ({brief(', '.join(classes[:10]))[1:-1]})" if classes else "a number"
    ways = ["--data.target=NAME takes another column"] if last else []
    other = "regression predicts it as a number" if classes else "classification takes its values as classes"
    ways += [f"--data.task={other}"] if auto else []
    return f"target: {name}{', the last column,' if last else ''} as {what}" + "".join(f"; {way}" for way in ways) + "."
