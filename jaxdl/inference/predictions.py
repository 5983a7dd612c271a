"""Predictions as a table with a row for each example."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.spec import END


def predictions_csv(
    names: Sequence[str],
    predictions: np.ndarray,
    class_names: Sequence[str],
    exclusive: bool = True,
    files: Sequence[str] = (),
    lengths: np.ndarray | None = None,
) -> str:
    """Returns predictions as CSV with a row for each example.

    Args:
        names: (examples,) the values of the column ``file``.
        predictions: (examples, classes) probabilities if `class_names` has as many, otherwise (examples, ...) values.
        class_names: names of the classes, empty if there are none.
        exclusive: whether an example has one class; otherwise each class is a question of its own.
        files: (examples,) names of the pictures that hold the predictions, if these are pictures.
        lengths: (examples,) how many steps of each prediction count, where it has steps; see `counted_steps`.

    Returns:
        With pictures, the columns ``file`` and ``prediction``, the picture's name, and where its pixels have classes
        their shares, under the names of the classes. Otherwise with classes, the columns ``file``, ``prediction`` (the
        most probable class; ``nan`` if a probability is NaN), ``probability`` (its probability), and the probability of
        each class under its name; with a class for each step, ``file`` and ``prediction``, the most probable class of
        each step that counts, with spaces between; with several questions, ``file`` and the probability of yes under
        the name of each; otherwise ``file`` and ``prediction``, or ``prediction_0`` and so on, empty for steps that do
        not count.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if files:
        shares = _shares(predictions, class_names) if class_names and predictions.ndim == 4 else None
        writer.writerow(["file", "prediction", *(class_names if shares is not None else ())])
        for number, (name, file) in enumerate(zip(names, files, strict=True)):
            writer.writerow([name, file, *(map(_number, shares[number]) if shares is not None else ())])
        return text.getvalue()
    rows = predictions.reshape(len(predictions), -1)
    named = bool(class_names) and predictions.ndim == 2 and predictions.shape[1] == len(class_names)
    if named and exclusive:
        writer.writerow(["file", "prediction", "probability", *class_names])
        for name, row in zip(names, rows, strict=True):
            best = int(row.argmax())  # the first NaN, if there is one
            chosen = "nan" if np.isnan(row[best]) else class_names[best]
            writer.writerow([name, chosen, _number(row[best]), *map(_number, row)])
        return text.getvalue()
    if class_names and exclusive and predictions.ndim == 3 and predictions.shape[2] == len(class_names):
        writer.writerow(["file", "prediction"])
        for name, steps in zip(names, _labels(predictions, class_names, lengths), strict=True):
            writer.writerow([name, " ".join(steps)])
        return text.getvalue()
    columns = ["prediction"] if rows.shape[1] == 1 else [f"prediction_{i}" for i in range(rows.shape[1])]
    writer.writerow(["file", *(class_names if named else columns)])
    each = rows.shape[1] // predictions.shape[1] if lengths is not None and rows.size else 1  # numbers of a step
    for number, (name, row) in enumerate(zip(names, rows, strict=True)):
        counted = len(row) if lengths is None else int(lengths[number]) * each
        writer.writerow([name, *map(_number, row[:counted]), *[""] * (len(row) - counted)])
    return text.getvalue()


def counted_steps(spec: Spec, predictions: np.ndarray, lengths: np.ndarray | None) -> np.ndarray | None:
    """Returns how many steps of each prediction count, (examples,) integers; None where all do, or there are no steps.

    Args:
        spec: describes the data of the training.
        predictions: (examples, time, ...), where they have steps.
        lengths: (examples,) valid steps of the inputs; None: all are valid.
    """
    if len(spec.target_shape) != 1 or predictions.ndim < 2:
        return None
    if spec.target_lengths:
        if END not in spec.class_names or predictions.ndim != 3:
            return None
        ends = predictions.argmax(-1) == spec.class_names.index(END)
        counted: np.ndarray = np.where(ends.any(1), ends.argmax(1), predictions.shape[1])
        return counted
    per_step = spec.lengths and spec.target_shape == spec.input_shape[:1] == predictions.shape[1:2]
    return lengths if per_step else None


def _labels(predictions: np.ndarray, class_names: Sequence[str], lengths: np.ndarray | None) -> Iterator[list[str]]:
    """Yields the most probable class of each step that counts; ``nan`` where a probability is NaN."""
    for number, rows in enumerate(predictions):
        counted = rows if lengths is None else rows[: lengths[number]]
        yield ["nan" if np.isnan(row).any() else class_names[int(row.argmax())] for row in counted]


def _shares(predictions: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """Returns the share of the pixels of which each class is the most probable, (examples, classes)."""
    chosen = predictions.argmax(-1)[..., None] == np.arange(len(class_names))
    return np.asarray(chosen.mean((1, 2)))


def _number(value: Any) -> str:
    return f"{float(value):.6g}"
