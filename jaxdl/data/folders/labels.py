"""Lists the pictures that a table names: files with labels, and where it has them splits and groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxdl.data.folders.listing import SPLIT_NAMES, Listing, Picture, checked, classes_of, file_problem
from jaxdl.data.tables import read_table, suffix
from jaxdl.errors import UserError, did_you_mean
from jaxdl.files.paths import expanded

_FILE = ("file", "filename", "path", "image")
_LABEL = ("label", "class", "target")
_SPLIT = "split"


def list_labels(root: Path, labels: str, group: str) -> Listing:
    """Lists the pictures of a CSV, TSV or Parquet table.

    Its columns ``file`` (or ``filename``, ``path``, ``image``; as the folder has it) and ``label`` (or ``class``,
    ``target``) are read, and, where there is one, ``split`` (``train``, ``val``, ``valid``, ``validation``, ``test``).
    Whole numbers and texts are classes; numbers of which one has a fraction are to be predicted.

    Args:
        root: the folder in which the files are.
        labels: the table, as it is given or in `root`.
        group: name of the column of groups; empty for none.

    Raises:
        UserError: the table or a column of it is not there, or it is not a table.
    """
    table = _table_file(root, labels)
    columns = _columns(table)
    file, label = _column(columns, _FILE, table), _column(columns, _LABEL, table)
    split = next((columns[name] for name in columns if name.casefold() == _SPLIT), None)
    if group and group not in columns:
        raise UserError(f"{table}: there is no column {group!r} to cut by.{did_you_mean(group, columns)}")
    groups = columns[group] if group else [""] * len(file)
    numbers = _numbers(label)
    problems: list[str] = []
    pictures: list[Picture] = []
    first: dict[Path, int] = {}
    for row, name in enumerate(file):
        where = f"{table}, row {row + 1}"
        if name is None or name == "":
            problems.append(f"{where}: no file is named")
            continue
        path = root / str(name)
        problem = file_problem(path) or _label_problem(label[row], numbers)
        if path in first:
            problem = f"{path}: the file stands in row {first[path] + 1}, too"
        if group and groups[row] in (None, ""):
            problem = problem or f"there is no {group}"
        part = "train" if split is None else SPLIT_NAMES.get(str(split[row]).strip().casefold(), "")
        if not part:
            problem = problem or f"the split is {split[row] if split else ''!r}; it must be train, validation or test"
        first.setdefault(path, row)
        if problem:
            problems.append(f"{where}: {problem}")
            continue
        target = float(label[row]) if numbers else _text(label[row])
        pictures.append(Picture(path, part, target, str(groups[row])))
    pictures.sort(key=lambda picture: ("train", "validation", "test").index(picture.split))
    if numbers:
        if not any(picture.split == "train" for picture in pictures):
            raise UserError(f"{table}: there is no picture to train on.{_first(problems)}")
        return Listing(tuple(pictures), (), tuple(problems))
    return checked(pictures, table, problems, (), in_order(classes_of(pictures)))


def _first(problems: Sequence[str]) -> str:
    return f" {len(problems):,} cannot be used, such as {problems[0]}." if problems else ""


def _table_file(root: Path, labels: str) -> Path:
    given = expanded(labels)
    for path in (given, root / given):
        if path.is_file():
            return path
    beside = [entry.name for entry in (root / given).parent.iterdir()] if (root / given).parent.is_dir() else []
    raise UserError(
        f"--data.labels={labels}: there is no such file, here or in {root}.{did_you_mean(given.name, beside)}"
    )


def _columns(path: Path) -> dict[str, list[Any]]:
    """Returns the columns of a table; those of a file of text are texts, so that no class ``007`` becomes 7.

    Raises:
        UserError: it is damaged, no table, or has a column twice.
    """
    if not suffix(path):
        raise UserError(f"{path}: a table of labels is a .csv, .tsv or .parquet file.")
    frame = read_table(path)
    if not frame.typed:
        frame = read_table(path, texts=frame.arrays)
    return {name: column.to_pylist() for name, column in frame.arrays.items()}


def _column(columns: dict[str, list[Any]], names: Sequence[str], path: Path) -> list[Any]:
    found = [name for name in columns if name.casefold() in names]
    if len(found) == 1:
        return columns[found[0]]
    wanted = f"a column {' or '.join(names)}"
    if found:
        raise UserError(f"{path}: {' and '.join(found)} are columns of it, and {wanted} is needed; leave one.")
    raise UserError(f"{path}: {wanted} is needed; its columns are {', '.join(columns)}.")


def _numbers(labels: Sequence[Any]) -> bool:
    """Returns whether labels are numbers to be predicted: all are numbers, and one is written with a fraction."""
    given = [label for label in labels if label is not None and label != ""]
    if any(isinstance(label, float) for label in given):
        return all(isinstance(label, float | int) for label in given)
    try:
        for label in given:
            float(label)
    except (TypeError, ValueError):
        return False
    return any(isinstance(label, str) and not _is_whole(label) for label in given)


def _is_whole(text: str) -> bool:
    return text.strip().lstrip("+-").isdecimal()


def _label_problem(label: Any, numbers: bool) -> str | None:
    if label is None or label == "":
        return "there is no label"
    if numbers and not math.isfinite(float(label)):
        return f"the label is {label}"
    return None


def _text(label: Any) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label).strip()


def in_order(names: set[str]) -> tuple[str, ...]:
    """Returns the names of classes as they are numbered: by value if all are whole numbers, otherwise as text."""
    by_value = all(map(_is_whole, names))
    return tuple(sorted(names, key=lambda name: (int(name) if by_value else 0, name)))
