"""Rows of named columns as a model's inputs: columns are found by their names, in any order, as those of train were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.columns import encode
from jaxdl.data.frames import Frame, frame_of, listed
from jaxdl.data.tables import read_table
from jaxdl.errors import UserError, did_you_mean
from jaxdl.inference.forecasts import windows_of

Notify = Callable[[str], None]


def is_table(values: Any) -> bool:
    """Returns whether values are columns by name: a mapping, or a table of pandas or Arrow."""
    return hasattr(values, "column_names") or (hasattr(values, "keys") and hasattr(values, "__getitem__"))


def read_rows(path: Path, spec: Spec, notify: Notify) -> np.ndarray:
    """Reads the inputs for a table's rows.

    Args:
        path: the table, see `jaxdl.data.tables.read_table`.
        spec: describes the data of the training.
        notify: called with lines that say which columns are ignored, and how many categories are unknown.

    Returns:
        (rows, *spec.input_shape) of dtype spec.input_dtype.

    Raises:
        UserError: the table cannot be read, a column is not there, or a value is missing or of another kind.
    """
    names = [column.name for column in spec.columns]
    texts = [column.name for column in spec.columns if column.categories is not None]
    frame = _without_names(path, names, texts) or read_table(path, texts)
    others = [name for name in frame.arrays if name not in names]
    if others:
        notify(f"{path}: the model does not read {listed(others)}; ignored.")
    return rows_of(frame, spec, notify)


def _without_names(path: Path, names: list[str], texts: list[str]) -> Frame | None:
    """Returns the table of a file whose columns have no names, for a model whose columns had none; otherwise None."""
    if not all(name.isdigit() for name in names):
        return None
    frame = read_table(path, texts, header=False)
    first = {str(array[0]) for array in frame.arrays.values()}
    return None if first >= set(names) else frame


def as_rows(values: Any, spec: Spec, notify: Notify) -> np.ndarray:
    """Returns the inputs for a mapping of columns, or a table of pandas or Arrow; arguments and errors as above."""
    if not spec.columns:
        raise UserError("inputs are columns by name, but the model was not trained on a table; give one array.")
    if spec.windows is not None:
        return windows_of(frame_of(values, "inputs"), spec, spec.windows, notify)[1]
    return rows_of(frame_of(values, "inputs"), spec, notify)


def rows_of(frame: Frame, spec: Spec, notify: Notify) -> np.ndarray:
    """Returns the inputs for the rows of a frame; arguments and errors as in `read_rows`."""
    missing = [column.name for column in spec.columns if column.name not in frame.arrays]
    if missing:
        raise UserError(
            f"{frame.name} has no column {listed(map(repr, missing))}, which the model reads."
            f"{did_you_mean(missing[0], frame.arrays)} Its columns are {listed(frame.arrays)}."
        )
    encoded = encode(frame.of_model(), spec.columns, spec.preprocess.fill)
    for name, (count, example) in encoded.unknown.items():
        notify(
            f"{frame.name}: {count:,} of {frame.rows:,} rows have a value of {name!r} that train does not have, such "
            f"as {example!r}; all inputs for its categories are 0 there."
        )
    return encoded.inputs
