"""Pairs: a list of combinations of several fields, from Python or a CSV file, that a sweep tries as they stand."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError
from jaxdl.fields import show
from jaxdl.files.atomic import named_cause
from jaxdl.sweeps.space.axis import Axis, Choices

Row = tuple[tuple[str, Any], ...]
# Where the list stands among the fields that are drawn; no field has such a name.
PAIRS = "(pairs)"
_MOST_ROWS = 10_000


def read_pairs(path: Path) -> list[dict[str, str]]:
    """Reads a CSV file: a line with the fields' names, then a line for each combination; an empty cell gives no value.

    Raises:
        UserError: it cannot be read, or a line does not fit the first one.
    """
    with named_cause(path, "read"):
        content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
        lines = [line for line in csv.reader(io.StringIO(text), strict=True, skipinitialspace=True) if any(line)]
    except (ValueError, csv.Error) as error:
        raise UserError(f"--sweep_pairs={path} is no CSV file: {error}.") from error
    if len(lines) < 2:
        raise UserError(f"--sweep_pairs={path}: write the fields' names in the first line, and combinations below.")
    head = [cell.strip() for cell in lines[0]]
    if not all(head) or len(set(head)) < len(head):
        raise UserError(f"--sweep_pairs={path}: the first line names each field once, here {','.join(head)}.")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(head):
            raise UserError(f"--sweep_pairs={path}: line {number} has {len(line)} cells, not {len(head)}.")
    return [{name: cell.strip() for name, cell in zip(head, line, strict=True) if cell.strip()} for line in lines[1:]]


def checked_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the combinations of a list from Python.

    Raises:
        UserError: it is no list of dictionaries of fields, has none, or has more than a sweep can.
    """
    if isinstance(rows, Mapping | str) or not all(isinstance(row, Mapping) and row for row in rows):
        raise UserError("pairs: give a list of dictionaries, such as [{'learning_rate': 1e-3, 'batch_size': 32}].")
    if not 0 < len(rows) <= _MOST_ROWS:
        raise UserError(f"pairs: give 1 to {_MOST_ROWS:,} combinations, not {len(rows):,}.")
    for row in rows:
        for name in row:
            if not isinstance(name, str):
                raise UserError(f"pairs: a sweep varies fields by their names, not {name!r}.")
    return [dict(row) for row in rows]


def joint_axis(rows: Sequence[Row]) -> Axis:
    """Returns all fields of the pairs as one axis, whose values are the rows."""
    return Axis(PAIRS, "", Choices(tuple(rows)))


def row_text(row: Row) -> str:
    """Returns a row as text, such as ``batch_size=32 learning_rate=0.001``."""
    return " ".join(f"{path}={show(value)}" for path, value in row)
