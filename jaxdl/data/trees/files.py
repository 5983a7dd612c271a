"""Finds and reads files of trees, one tree a line."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from jaxdl.data.folders.listing import SPLIT_NAMES
from jaxdl.data.frames import listed
from jaxdl.data.trees.encoding import TreeFormat
from jaxdl.data.trees.parsing import Tree, TreeError
from jaxdl.errors import UserError, did_you_mean
from jaxdl.files.atomic import named_cause

_SPLITS: Mapping[str, str] = {**SPLIT_NAMES, "dev": "validation"}
_MOST_LISTED = 10


class Line(NamedTuple):
    """A tree, and where it stands."""

    file: Path
    number: int
    tree: Tree

    def problem(self, node: int, text: str) -> Problem:
        """Returns what is wrong with one of its nodes."""
        return Problem(self.file, self.number, self.tree.columns[node], text)


class Problem(NamedTuple):
    """What is wrong with a line of a file, from 1, at a column of it, from 1."""

    file: Path
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, column {self.column}: {self.text}"


def find_files(path: Path) -> dict[str, Path]:
    """Returns the files of trees by split: one file is all of train.

    Args:
        path: a file, or a folder of files named ``train``, ``dev`` (or ``val``, ``valid``, ``validation``) and
            ``test``, with any ending.

    Raises:
        UserError: there is no such file, or the folder has no train file or several for a split.
    """
    if path.is_file():
        return {"train": path}
    if not path.is_dir():
        beside = path.absolute().parent
        with named_cause(beside, "list"):
            names = [entry.name for entry in os.scandir(beside)] if beside.is_dir() else []
        raise UserError(
            f"{path}: there is no such file or folder.{did_you_mean(path.name, names)} Give a file of trees, one a "
            "line, or a folder of the files train, dev and test, as --data=trees:PATH."
        )
    found: dict[str, Path] = {}
    with named_cause(path, "list"):
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    for file in files:
        split = _SPLITS.get(file.name.partition(".")[0].lower())
        if split in found:
            raise UserError(f"{path} has two files for {split}: {found[split].name} and {file.name}; remove one.")
        if split is not None:
            found[split] = file
    if "train" not in found:
        raise UserError(
            f"{path} has no file train.txt (or with another ending); its splits are files named train, dev and test, "
            f"and it holds {listed(file.name for file in files) or 'no file'}. One file is given by its path."
        )
    return {split: found[split] for split in ("train", "validation", "test") if split in found}


def read_lines(
    path: Path, form: TreeFormat, labelled: Callable[[str], bool] = lambda line: True
) -> Iterator[Line | Problem]:
    """Yields the tree of each line that is not empty, or what is wrong with it.

    Args:
        path: the file.
        form: how trees are read.
        labelled: says of a line whether its nodes have labels.

    Raises:
        UserError: the file cannot be read.
    """
    with named_cause(path, "read"):
        content = path.read_bytes()
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            text = line.decode()
            if text.strip():
                yield Line(path, number, form.read(text, labelled(text)))
        except UnicodeDecodeError as error:
            column = len(line[: error.start].decode()) + 1
            yield Problem(
                path, number, column, f"the byte 0x{line[error.start]:02x} is no UTF-8; save the file as UTF-8"
            )
        except TreeError as error:
            yield Problem(path, number, error.column, str(error))


def refuse(problem: Problem) -> UserError:
    """Returns the error for a line that cannot be used."""
    return UserError(f"{problem}. Correct or remove the line, or leave such trees out with --data.on_bad=skip.")


def left_out(problems: list[Problem], trees: int) -> str:
    """Returns the text that counts and lists what is left out.

    Args:
        problems: one for each line that is left out.
        trees: the number of lines with a tree, also those.
    """
    first = [f"  {problem}" for problem in itertools.islice(problems, _MOST_LISTED)]
    more = len(problems) - len(first)
    return "\n".join(
        [
            f"{len(problems):,} of {trees:,} trees cannot be used and are left out (--data.on_bad=skip):",
            *first,
            *([f"  and {more:,} more"] if more > 0 else []),
        ]
    )
