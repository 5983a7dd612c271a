"""Predictions as a table with a row for each example."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterator, Sequence

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.spec import END
from jaxdl.errors import UserError


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions as a table.

    Attributes:
        head: names of the columns.
        rows: texts, numbers, and None for what is left out.
    """

    head: list[str]
    rows: list[list[str | float | None]]

    def csv(self) -> str:
        """Returns the table as CSV, numbers with six digits."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.head)
        writer.writerows([_number(cell) if isinstance(cell, float) else cell for cell in row] for row in self.rows)
        return text.getvalue()

    def json_lines(self) -> str:
        """Returns the table as lines of JSON, an object a row, with null for NaN."""
        self._check_names()
        lines = (dict(zip(self.head, map(_json_value, row), strict=True)) for row in self.rows)
        return "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines)

    def parquet(self) -> bytes:
        """Returns the table as Parquet: columns of texts, or of float32."""
        import pyarrow
        import pyarrow.parquet

        self._check_names()
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.head)
        types = [
            pyarrow.float32() if any(isinstance(cell, float) for cell in column) else pyarrow.string()
            for column in columns
        ]
        arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, types, strict=True)]
        file = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, self.head), file)
        return file.getvalue()

    def content(self, name: str) -> str | bytes:
        """Returns what a file of that name holds: ``.jsonl`` JSON lines, ``.parquet`` Parquet, any other CSV."""
        ending = name.lower().rpartition(".")[2]
        return self.json_lines() if ending == "jsonl" else self.parquet() if ending == "parquet" else self.csv()

    def _check_names(self) -> None:
        twice = [name for number, name in enumerate(self.head) if name in self.head[:number]]
        if twice:
            raise UserError(f"two columns have the name {twice[0]!r}, since a class has it: take a .csv file.")


def predictions_csv(
    names: Sequence[str],
    predictions: np.ndarray,
    class_names: Sequence[str],
    exclusive: bool = True,
    files: Sequence[str] = (),
    lengths: np.ndarray | None = None,
) -> str:
    """Returns predictions as CSV with a row for each example; see `predictions_table`."""
    return predictions_table(names, predictions, class_names, exclusive, files, lengths).csv()


def predictions_table(
    names: Sequence[str],
    predictions: np.ndarray,
    class_names: Sequence[str],
    exclusive: bool = True,
    files: Sequence[str] = (),
    lengths: np.ndarray | None = None,
    top_k: int = 0,
) -> Predictions:
    """Returns predictions as a table with a row for each example.

    Args:
        names: (examples,) the values of the column ``file``.
        predictions: (examples, classes) probabilities if `class_names` has as many, otherwise (examples, ...) values.
        class_names: names of the classes, empty if there are none.
        exclusive: whether an example has one class; otherwise each class is a question of its own.
        files: (examples,) names of the pictures that hold the predictions, if these are pictures.
        lengths: (examples,) how many steps of each prediction count, where it has steps; see `counted_steps`.
        top_k: with one class for an example, how many of the most probable classes to give, with their probabilities,
            as ``prediction_2``, ``probability_2`` and so on, in the place of all; 0: all.

    Returns:
        With pictures, the columns ``file`` and ``prediction``, the picture's name, and where its pixels have classes
        their shares, under the names of the classes. Otherwise with classes, the columns ``file``, ``prediction`` (the
        most probable class; ``nan`` if a probability is NaN), ``probability`` (its probability), and the probability of
        each class under its name; with a class for each step, ``file`` and ``prediction``, the most probable class of
        each step that counts, with spaces between; with several questions, ``file`` and the probability of yes under
        the name of each; otherwise ``file`` and ``prediction``, or ``prediction_0`` and so on, empty for steps that do
        not count.

    Raises:
        UserError: `top_k` is not 0, and an example has not one class.
    """
    named = bool(class_names) and predictions.ndim == 2 and predictions.shape[1] == len(class_names)
    if top_k and not (named and exclusive and not files):
        raise UserError(f"--top_k={top_k} needs a model that predicts one class for each example; leave it out.")
    if files:
        return _of_pictures(names, predictions, class_names, files)
    if named and exclusive:
        return _of_classes(names, predictions, class_names, top_k)
    if class_names and exclusive and predictions.ndim == 3 and predictions.shape[2] == len(class_names):
        labels = _labels(predictions, class_names, lengths)
        return Predictions(
            ["file", "prediction"], [[name, " ".join(steps)] for name, steps in zip(names, labels, strict=True)]
        )
    rows = predictions.reshape(len(predictions), -1)
    columns = ["prediction"] if rows.shape[1] == 1 else [f"prediction_{i}" for i in range(rows.shape[1])]
    each = rows.shape[1] // predictions.shape[1] if lengths is not None and rows.size else 1  # numbers of a step
    cells: list[list[str | float | None]] = []
    for number, (name, row) in enumerate(zip(names, rows, strict=True)):
        counted = len(row) if lengths is None else int(lengths[number]) * each
        cells.append([name, *map(float, row[:counted]), *[None] * (len(row) - counted)])
    return Predictions(["file", *(class_names if named else columns)], cells)


def _of_pictures(
    names: Sequence[str], predictions: np.ndarray, class_names: Sequence[str], files: Sequence[str]
) -> Predictions:
    shares = _shares(predictions, class_names) if class_names and predictions.ndim == 4 else None
    rows: list[list[str | float | None]] = [
        [name, file, *(map(float, shares[number]) if shares is not None else ())]
        for number, (name, file) in enumerate(zip(names, files, strict=True))
    ]
    return Predictions(["file", "prediction", *(class_names if shares is not None else ())], rows)


def _of_classes(names: Sequence[str], predictions: np.ndarray, class_names: Sequence[str], top_k: int) -> Predictions:
    """Returns the most probable class of each example, and all probabilities or those of the next ones."""
    count = min(top_k, len(class_names))
    more = [f"{what}_{rank}" for rank in range(2, count + 1) for what in ("prediction", "probability")]
    rows: list[list[str | float | None]] = []
    for name, row in zip(names, predictions, strict=True):
        best = int(row.argmax())  # the first NaN, if there is one
        # The first of equals comes first, as argmax has it; NaN is above all.
        order = [best, *(place for place in np.argsort(-row, kind="stable") if place != best)][: max(1, count)]
        ranked = [("nan" if np.isnan(row[place]) else class_names[place], float(row[place])) for place in order]
        cells = [cell for pair in ranked for cell in pair]
        rows.append([name, *cells, *(() if top_k else map(float, row))])
    return Predictions(["file", "prediction", "probability", *(more if top_k else class_names)], rows)


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


def _number(value: float) -> str:
    return f"{value:.6g}"


def _json_value(cell: str | float | None) -> str | float | None:
    """Returns a cell for JSON: a number with as few digits as float32 needs."""
    if not isinstance(cell, float):
        return cell
    return float(str(np.float32(cell))) if math.isfinite(cell) else None
