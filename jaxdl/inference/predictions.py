"""Predictions as a table with a row for each example."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np


def predictions_csv(names: Sequence[str], predictions: np.ndarray, class_names: Sequence[str]) -> str:
    """Returns predictions as CSV with a row for each example.

    Args:
        names: (examples,) the values of the column ``file``.
        predictions: (examples, classes) probabilities if `class_names` has as many, otherwise (examples, ...) values.
        class_names: names of the classes, empty if there are none.

    Returns:
        With classes, the columns ``file``, ``prediction`` (the most probable class), ``probability`` (its probability),
        and the probability of each class under its name; otherwise ``file`` and ``prediction``, or ``prediction_0`` and
        so on.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if class_names and predictions.ndim == 2 and predictions.shape[1] == len(class_names):
        writer.writerow(["file", "prediction", "probability", *class_names])
        best = predictions.argmax(axis=1)
        for name, row, index in zip(names, predictions, best, strict=True):
            writer.writerow([name, class_names[index], _number(row[index]), *map(_number, row)])
    else:
        rows = predictions.reshape(len(predictions), -1)
        columns = ["prediction"] if rows.shape[1] == 1 else [f"prediction_{i}" for i in range(rows.shape[1])]
        writer.writerow(["file", *columns])
        for name, row in zip(names, rows, strict=True):
            writer.writerow([name, *map(_number, row)])
    return text.getvalue()


def _number(value: Any) -> str:
    return f"{float(value):.6g}"
