"""Several inputs of a prediction from a table: columns of numbers, and columns with the files of pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.columns import numbers
from jaxdl.data.frames import Frame, Texts, listed
from jaxdl.data.images import load_images
from jaxdl.data.tables import read_table
from jaxdl.data.targets import present
from jaxdl.errors import UserError


def read_named_rows(path: Path, spec: Spec, notify: Callable[[str], None]) -> dict[str, np.ndarray]:
    """Reads several inputs from a table with a row for each example.

    An input of pictures is the column of its name, with the file of each, from the table's folder. One of n numbers is
    the columns ``NAME_0`` to ``NAME_<n - 1>``, or ``NAME`` where n is 1. An input of another kind is in no table.

    Args:
        path: the table, see `jaxdl.data.tables.read_table`.
        spec: describes the data of the training.
        notify: called with a line that says which columns are ignored.

    Returns:
        (rows, *input_shape) by the name of the input; numbers are float64, or int64 where the training's are whole.

    Raises:
        UserError: an input has no form in a table, a column is missing, or a value is missing or of another kind.
    """
    columns = {name: _columns(name, of_input, path) for name, of_input in spec.inputs}
    pictures = [name for name, of_input in spec.inputs if len(of_input.input_shape) == 3]
    frame = read_table(path, pictures).of_model()
    wanted = [each for names in columns.values() for each in names]
    frame.check_names(tuple(wanted), f"the inputs {listed(columns)}")
    others = [name for name in frame.arrays if name not in wanted]
    if others:
        notify(f"{path}: the model does not read {listed(others)}; ignored.")
    return {
        name: _files(frame, name, of_input, path) if name in pictures else _numbers(frame, columns[name], of_input)
        for name, of_input in spec.inputs
    }


def _columns(name: str, spec: Spec, path: Path) -> list[str]:
    shape = spec.input_shape
    if len(shape) == 3 and not spec.lengths:
        return [name]
    if len(shape) > 1 or spec.lengths or spec.coding is not None:
        kind = "sequences" if len(shape) < 3 else "arrays"
        raise UserError(
            f"--input={path}: the input {name} is {kind} of shape {shape}, which a table does not hold: give an .npz "
            "file with an array for each input."
        )
    return [name] if shape in ((), (1,)) else [f"{name}_{number}" for number in range(shape[0])]


def _files(frame: Frame, name: str, spec: Spec, path: Path) -> np.ndarray:
    column = present(frame, name, "the picture")
    if not isinstance(column, Texts):
        raise UserError(f"{frame.name}: column {name!r} holds numbers, and must hold the files of pictures.")
    return load_images([path.parent / column.texts[code] for code in column.codes], spec)


def _numbers(frame: Frame, names: list[str], spec: Spec) -> np.ndarray:
    found = [numbers(frame, name, present(frame, name, "the number")) for name in names]
    values = np.stack(found, -1) if spec.input_shape else found[0]
    whole = np.dtype(spec.input_dtype).kind in "iu" and bool((np.floor(values) == values).all())
    return values.astype(np.int64) if whole else values
