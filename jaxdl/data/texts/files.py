"""Finds the texts at a path: in folders of classes, files of classes, tables, or as one running text."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxdl.data.folders.listing import SPLIT_NAMES
from jaxdl.data.images import is_foreign
from jaxdl.data.tables import find_tables
from jaxdl.data.texts.corpus import Corpus, Passages
from jaxdl.data.texts.reading import lines_of, read_text
from jaxdl.data.texts.tables import is_table, of_tables
from jaxdl.errors import UserError, did_you_mean
from jaxdl.files.atomic import named_cause

_ABOUT = ("readme", "license", "licence", "changelog", "copying", "sha256sums", "sources")
# Folders of texts that nobody has labelled, as that of the film reviews of Maas et al. 2011.
_UNLABELLED = ("unsup", "unsupervised", "unlabeled", "unlabelled")
_PART = re.compile(r"[^._\-\s]+")


@dataclass(frozen=True)
class Reading:
    """How files are read; see the fields of `jaxdl.Text`."""

    text: str = "text"
    target: str = "target"
    encoding: str = "utf-8"
    lines: bool = False
    header: bool | None = None


def find_texts(path: Path, how: Reading) -> Corpus:
    """Returns the texts at a path.

    - A folder with a sub-folder for each class, in which each file is an example; above the folders of classes there
      may be folders of splits.
    - A folder with a file for each class, in which each line is an example. The class is the name of the file without
      the parts that all names begin or end with; parts are what stands between points, dashes, underscores and spaces:
      ``rt-polarity.pos`` and ``rt-polarity.neg`` are of the classes pos and neg.
    - A table, or a folder with tables named by their splits.
    - Any other file: one running text; with `lines` an example in each line. In a folder, files whose names differ only
      in the names of splits (``wiki.train.txt``, ``wiki.test.txt``) are such texts.

    Raises:
        UserError: there is no such path, or nothing of this kind at it.
    """
    if path.is_file():
        if is_table(path):
            return of_tables({"train": path}, how.text, how.target, how.header, how.encoding)
        return _of_unlabelled({"train": path}, how)
    if not path.is_dir():
        beside = [entry.name for entry in path.absolute().parent.iterdir()] if path.absolute().parent.is_dir() else []
        raise UserError(
            f"{path}: there is no such file or folder.{did_you_mean(path.name, beside)} Give texts as --data=text:PATH."
        )
    folders, files = _inside(path)
    labelled = [folder for folder in folders if folder.name.casefold() not in _UNLABELLED]
    if labelled:
        return _of_folders(path, labelled, how)
    tables = [file for file in files if is_table(file)]
    if tables:
        found = {"train": tables[0]} if len(tables) == 1 else find_tables(path)
        return of_tables(found, how.text, how.target, how.header, how.encoding)
    texts = [file for file in files if file.stem.casefold() not in _ABOUT]
    if not texts:
        raise UserError(f"{path}: there is no text in it; give a folder of texts, a table or a file of text.")
    if len(texts) == 1:
        return _of_unlabelled({"train": texts[0]}, how)
    names = class_names([file.name for file in texts])
    roles = [SPLIT_NAMES.get(name.casefold()) for name in names]
    if "train" in roles and None not in roles:
        return _of_unlabelled(_each_once(path, roles, texts), how)
    return _of_files({"train": path}, how)


def class_names(names: Sequence[str]) -> list[str]:
    """Returns what tells names of files apart: the parts that are not the same at the beginning or end of all.

    Parts are what stands between points, dashes, underscores and spaces.
    """
    spans = [[match.span() for match in _PART.finditer(name)] for name in names]
    parts = [[name[begin:end] for begin, end in places] for name, places in zip(names, spans, strict=True)]
    fewest = min(map(len, parts)) - 1  # one part is left of each name
    first = _same(parts, fewest)
    last = _same([each[::-1] for each in parts], fewest - first)
    return [
        name[places[first][0] : places[len(places) - last - 1][1]] for name, places in zip(names, spans, strict=True)
    ]


def _same(parts: Sequence[Sequence[str]], most: int) -> int:
    """Returns how many of the first parts are the same everywhere, at most `most`."""
    count = 0
    while count < most and len({each[count] for each in parts}) == 1:
        count += 1
    return count


def _of_folders(root: Path, folders: Sequence[Path], how: Reading) -> Corpus:
    named = [folder for folder in folders if folder.name.casefold() in SPLIT_NAMES]
    if any(SPLIT_NAMES[folder.name.casefold()] == "train" for folder in named):
        roles = [SPLIT_NAMES[folder.name.casefold()] for folder in named]
        places = _each_once(root, roles, named)
        others = [folder.name for folder in folders if folder not in named]
        remarks = [f"{root}: {', '.join(others)} beside the folders of splits are not read."] if others else []
        if not any(_inside(folder)[0] for folder in named):
            return _of_files(places, how, remarks)
        return _of_class_folders(places, how, remarks)
    if named:
        raise UserError(f"{root}: there is {named[0].name}, but no folder train with the texts to train on.")
    return _of_class_folders({"train": root}, how, [])


def _of_class_folders(roots: Mapping[str, Path], how: Reading, remarks: list[str]) -> Corpus:
    problems: list[str] = []
    found: dict[str, list[tuple[str, str, str]]] = {}
    for role, root in roots.items():
        folders, loose = _inside(root)
        if loose:
            remarks.append(f"{root}: {len(loose):,} files beside the folders of classes are not read.")
        for folder in folders:
            if folder.name.casefold() in _UNLABELLED:
                remarks.append(f"{folder}: texts without a label, which are not read.")
                continue
            files = files_below(folder)
            if not files and role == "train":
                problems.append(f"{folder}: the folder of the class {folder.name!r} has no file")
            for file in files:
                text, problem = read_text(file, how.encoding)
                if problem:
                    problems.append(problem)
                else:
                    found.setdefault(role, []).append((text, str(file), folder.name))
    return _corpus(found, next(iter(roots.values())), problems, remarks)


def _of_files(roots: Mapping[str, Path], how: Reading, remarks: Sequence[str] = ()) -> Corpus:
    problems: list[str] = []
    found: dict[str, list[tuple[str, str, str]]] = {}
    for role, root in roots.items():
        files = [file for file in _inside(root)[1] if file.stem.casefold() not in _ABOUT]
        if len(files) < 2:
            raise UserError(f"{root}: a file for each class is needed, and there is {len(files)}.")
        for file, name in zip(files, class_names([file.name for file in files]), strict=True):
            lines, wrong = lines_of(file, how.encoding)
            problems += wrong
            found.setdefault(role, []).extend((text, place, name) for text, place in lines)
    return _corpus(found, next(iter(roots.values())), problems, remarks)


def _corpus(
    found: Mapping[str, Sequence[tuple[str, str, str]]], root: Path, problems: list[str], remarks: Sequence[str]
) -> Corpus:
    """Returns texts, each with its place and class; classes are those of train, sorted as text."""
    names = tuple(sorted({name for _, _, name in found.get("train", ())}))
    if len(names) < 2:
        given = f"only one class, {names[0]!r}," if names else "no text"
        first = f" {len(problems):,} cannot be used, such as {problems[0]}." if problems else ""
        raise UserError(f"{root}: there is {given} to train on; a classifier needs at least two classes.{first}")
    numbers = {name: number for number, name in enumerate(names)}
    splits = {}
    for role, rows in found.items():
        problems += [
            f"{place}: the class {name!r} has no text in train" for _, place, name in rows if name not in numbers
        ]
        known = [row for row in rows if row[2] in numbers]
        targets = np.array([numbers[name] for _, _, name in known], np.int32)
        splits[role] = Passages([text for text, _, _ in known], [place for _, place, _ in known], targets)
    return Corpus(splits, "labelled", names, tuple(problems), tuple(remarks))


def _of_unlabelled(files: Mapping[str, Path], how: Reading) -> Corpus:
    splits, problems = {}, []
    for role, file in files.items():
        if how.lines:
            rows, wrong = lines_of(file, how.encoding)
            problems += wrong
            splits[role] = Passages([text for text, _ in rows], [place for _, place in rows])
            continue
        text, problem = read_text(file, how.encoding)
        if problem:
            raise UserError(f"{problem}.")
        splits[role] = Passages([text], [str(file)])
    return Corpus(splits, "lines" if how.lines else "running", (), tuple(problems))


def _each_once(root: Path, roles: Sequence[str | None], paths: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for role, path in zip(roles, paths, strict=True):
        if role in found:
            raise UserError(f"{root}: both {found[role].name} and {path.name} are of the {role} split.")
        found[str(role)] = path
    return {role: found[role] for role in ("train", "validation", "test") if role in found}


def _inside(folder: Path) -> tuple[list[Path], list[Path]]:
    """Returns the folders and the files in a folder that are its user's own, sorted by name."""
    with named_cause(folder, "read"), os.scandir(folder) as entries:
        found = sorted((Path(entry.path) for entry in entries if not is_foreign(entry.name)), key=lambda p: p.name)
    return [path for path in found if path.is_dir()], [path for path in found if not path.is_dir()]


def files_below(folder: Path) -> list[Path]:
    """Returns all files in a folder and in those below it, in a fixed order; each folder once, so that a loop ends."""
    files: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_foreign(name))
        files += [Path(place) / name for name in sorted(names) if not is_foreign(name)]
    return files
