"""Texts in the column of a table."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from pathlib import Path

from jaxdl.data.frames import Frame, listed
from jaxdl.data.tables import read_table
from jaxdl.data.targets import classes_of, targets_of
from jaxdl.data.texts.corpus import Corpus, Passages
from jaxdl.errors import UserError, did_you_mean

_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")


def is_table(path: Path) -> bool:
    """Returns whether a file is a table by its name; others are texts."""
    return path.name.lower().endswith(_ENDINGS)


def of_tables(files: Mapping[str, Path], text: str, target: str, header: bool | None, encoding: str) -> Corpus:
    """Returns the texts of tables, one for each split; classes are those of train.

    Args:
        files: by split; ``"train"`` is there.
        text: the column of texts.
        target: the column to predict.
        header: whether the first line of a file of text holds the names of the columns; None: unless it is a number.
        encoding: of the other files of text.

    Raises:
        UserError: a table cannot be read, a column is not there, or a target is missing or unknown.
    """
    if codecs.lookup(encoding).name != "utf-8":
        raise UserError(f"data.encoding={encoding}: tables are read as UTF-8; save {files['train']} as UTF-8.")
    frames = {role: _frame(path, (text, target), header) for role, path in files.items()}
    names = classes_of(frames["train"], target, "auto")
    splits = {}
    for role, frame in frames.items():
        places = [f"{frame.name}, row {row}" for row in range(1, frame.rows + 1)]
        splits[role] = Passages(texts_of(frame, text), places, targets_of(frame, target, names))
    return Corpus(splits, "labelled", names)


def texts_of(frame: Frame, column: str) -> list[str]:
    """Returns the texts of a column, empty where there is none.

    Raises:
        UserError: the column holds numbers or other values.
    """
    found = []
    for row, value in enumerate(frame.arrays[column].to_pylist()):
        if not isinstance(value, str | None):
            raise UserError(f"{frame.where(row, column)}: {value!r} is no text.")
        found.append(value or "")
    return found


def _frame(path: Path, columns: tuple[str, str], header: bool | None) -> Frame:
    frame = read_table(path, columns, header)
    check_columns(frame, columns)
    return frame


def check_columns(frame: Frame, columns: tuple[str, ...]) -> None:
    """Raises `UserError` unless there are columns of these names."""
    for name in columns:
        if name not in frame.arrays:
            others = [other for other in frame.arrays if other not in columns]
            raise UserError(
                f"{frame.name} has no column {name!r}.{did_you_mean(name, others)} Its columns are "
                f"{listed(frame.arrays)}: --data.text_column=NAME and --data.target_column=NAME name those of the "
                "texts and of what is to be predicted."
            )
