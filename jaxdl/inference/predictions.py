"""Predictions as a table with a row for each example."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np


def predictions_csv(
    names: Sequence[str],
    predictions: np.ndarray,
    class_names: Sequence[str],
    exclusive: bool = True,
    files: Sequence[str] = (),
) -> str:
    """Returns predictions as CSV with a row for each example.

    Args:
        names: (examples,) the values of the column ``file``.
        predictions: (examples, classes) probabilities if `class_names` has as many, otherwise (examples, ...) values.
        class_names: names of the classes, empty if there are none.
        exclusive: whether an example has one class; otherwise each class is a question of its own.
        files: (examples,) names of the pictures that hold the predictions, if these are pictures.

    Returns:
        With pictures, the columns ``file`` and ``prediction``, the picture's name, and where its pixels have classes
        their shares, under the names of the classes. Otherwise with classes, the columns ``file``, ``prediction`` (the
        most probable class; ``nan`` if a probability is NaN), ``probability`` (its probability), and the probability of
        each class under its name; with several questions, ``file`` and the probability of yes under the name of each;
        otherwise ``file`` and ``prediction``, or ``prediction_0`` and so on.
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
    columns = ["prediction"] if rows.shape[1] == 1 else [f"prediction_{i}" for i in range(rows.shape[1])]
    writer.writerow(["file", *(class_names if named else columns)])
    for name, row in zip(names, rows, strict=True):
        writer.writerow([name, *map(_number, row)])
    return text.getvalue()


def _shares(predictions: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """Returns the share of the pixels of which each class is the most probable, (examples, classes)."""
    chosen = predictions.argmax(-1)[..., None] == np.arange(len(class_names))
    return np.asarray(chosen.mean((1, 2)))


def _number(value: Any) -> str:
    return f"{float(value):.6g}"
