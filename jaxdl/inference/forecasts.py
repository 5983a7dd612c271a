"""The rows of a series as a model's inputs: a window that ends at each row, the last of them at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.frames import Frame
from jaxdl.data.spec import Windows
from jaxdl.data.tables import read_table
from jaxdl.data.times import Times, times_of
from jaxdl.data.windows import breaks_of, known, unbroken, values_of, windows_at
from jaxdl.errors import UserError

Notify = Callable[[str], None]


def read_windows(path: Path, spec: Spec, windows: Windows, notify: Notify) -> tuple[list[str], np.ndarray]:
    """Reads the windows of a series from a table of its rows.

    Args:
        path: the table, see `jaxdl.data.tables.read_table`.
        spec: describes the data of the training.
        windows: how these were cut.
        notify: called with lines that say what is left out or not known.

    Returns:
        For each window a name, which says after what row its forecast is, and (windows, *spec.input_shape) float32.

    Raises:
        UserError: the table cannot be read, a column is not there, the times do not rise, there is a gap or a missing
            value where gaps were refused in training, or there is no whole window.
    """
    return windows_of(read_table(path), spec, windows, notify, path.name)


def windows_of(
    frame: Frame, spec: Spec, windows: Windows, notify: Notify, name: str = "inputs"
) -> tuple[list[str], np.ndarray]:
    """Returns the windows of the rows of a frame; arguments, results and errors as in `read_windows`."""
    names = tuple(column.name for column in spec.columns)
    frame.check_names(names, "the inputs of the model")
    times: Times | None = None
    if windows.time in frame.arrays:
        times = times_of(frame, windows.time, windows.unit)
    elif windows.time:
        notify(f"{frame.name} has no column {windows.time!r}, by which gaps are found: its rows are taken as regular.")
    values = values_of(frame, names, windows.gaps)
    size, rows = spec.input_shape[0], len(values)
    if rows < size:
        raise UserError(f"{frame.name} has {rows:,} rows, and a forecast of this model needs the last {size}.")
    breaks = breaks_of(times, rows, windows.step, windows.gaps)
    starts = np.flatnonzero(known(values, size) & unbroken(breaks, size))
    if len(starts) < rows - size + 1:
        notify(f"{frame.name}: {rows - size + 1 - len(starts):,} of {rows - size + 1:,} windows hold a gap; left out.")
    if not len(starts):
        raise UserError(f"{frame.name}: every window of {size} rows holds a gap; fill the gaps.")
    last = starts + size - 1
    after = [f"{name} after {times.text(row) if times is not None else f'row {row + 1}'}" for row in last.tolist()]
    return after, windows_at(values, starts, size)
