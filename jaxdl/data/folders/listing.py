"""Lists the files of a folder with their splits and classes, as its sub-folders say."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jaxdl.data.images import EXTENSIONS, is_foreign
from jaxdl.errors import UserError, did_you_mean
from jaxdl.files.atomic import named_cause

SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""What folders and entries of a column ``split`` may be called, and the split that each is."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """What the files of a folder are.

    Attributes:
        word: one of them, in messages.
        source: name of the source that reads them, as in ``--data=SOURCE:PATH``.
        extensions: how their names end, in lower case, with the dot.
    """

    word: str
    source: str
    extensions: frozenset[str]


PICTURES = Kind("picture", "folder", EXTENSIONS)


@dataclasses.dataclass(frozen=True)
class Picture:
    """One example.

    Attributes:
        path: its file.
        split: ``train``, ``validation`` or ``test``.
        target: the name of its class, or the number to be predicted.
        group: what it belongs to, such as a patient, so that no group is cut in two; empty without groups.
    """

    path: Path
    split: str
    target: str | float
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Listing:
    """What lies in a folder.

    Attributes:
        pictures: the examples, train first, then validation and test, each in a fixed order.
        classes: their names, in the order of their numbers; empty for numbers to be predicted.
        problems: what cannot be used, each as a message that begins with the file or folder.
        remarks: what is worth a line, but no problem.
        kind: what they are.
    """

    pictures: tuple[Picture, ...]
    classes: tuple[str, ...]
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    kind: Kind = PICTURES


def existing(root: Path, kind: Kind = PICTURES) -> Path:
    """Returns a folder that exists.

    Raises:
        UserError: it does not, or it is a file; the message has the nearest name beside it.
    """
    if root.is_dir():
        return root
    if root.exists():
        table = ", and a table as --data.labels=FILE" if kind is PICTURES else ""
        raise UserError(f"{root}: this is a file; give the folder of the {kind.word}s{table}.")
    beside = root.absolute().parent
    hint = f" There is no {beside} either."
    if beside.is_dir():
        with named_cause(beside, "list"):
            hint = did_you_mean(root.name, (entry.name for entry in os.scandir(beside) if entry.is_dir()))
    way_out = f" It was looked for in {beside}; give the folder of the {kind.word}s as --data={kind.source}:PATH."
    raise UserError(f"{root}: there is no such folder.{hint or way_out}")


def list_folder(root: Path, kind: Kind = PICTURES) -> Listing:
    """Lists a folder with one sub-folder for each class, or with folders of splits above them.

    Class names are sorted as text, as Keras and torchvision sort them. Folders below those of classes are read, too;
    links are followed, and each folder is read once for a class, so that a loop ends. Hidden files and those of a
    system, such as ``Thumbs.db``, are passed over, and so are files beside the folders that are of no known kind.

    Raises:
        UserError: there are no classes, no train split, or two folders for one split.
    """
    folders, problems = _inside(root, kind)
    splits, remarks = _splits(root, folders, kind)
    pictures: list[Picture] = []
    for split, folder in splits.items():
        classes = folders
        if folder != root:
            classes, loose = _inside(folder, kind)
            problems += loose
        if not classes:
            others = {"folder": "labels=FILE names a table of files and labels"}
            other = others.get(kind.source, "label_pattern=PATTERN finds labels in the names of files")
            raise UserError(
                f"{folder}: there is no folder of a class in it. The {kind.word}s of each class lie in a sub-folder of "
                f"its name, or --data.{other}."
            )
        for each in classes:
            found = [Picture(file, split, each.name) for file in files_below(each, problems)]
            if not found and split == "train":
                problems.append(f"{each}: the folder of the class {each.name!r} has no {kind.word}")
            pictures += found
    return checked(pictures, root, problems, remarks, tuple(sorted(classes_of(pictures))), kind)


def checked(
    pictures: Iterable[Picture],
    source: Path,
    problems: Sequence[str],
    remarks: Sequence[str],
    classes: tuple[str, ...],
    kind: Kind = PICTURES,
) -> Listing:
    """Returns a listing of files of classes, without those whose class has no example in train.

    Args:
        pictures: the examples.
        source: the folder or table that says the classes, for messages.
        problems: what cannot be used.
        remarks: what is worth a line.
        classes: the classes of train, in the order of their numbers.
        kind: what the files are.

    Raises:
        UserError: train has fewer than two classes.
    """
    problems = list(problems)
    if len(classes) < 2:
        given = f"only one class, {classes[0]!r}," if classes else f"no {kind.word}"
        first = f" {len(problems):,} cannot be used, such as {problems[0]}." if problems else ""
        raise UserError(f"{source}: there is {given} to train on; a classifier needs at least two classes.{first}")
    known, counts, kept = set(classes), dict[tuple[str, str], int](), list[Picture]()
    for picture in pictures:
        if picture.target in known:
            kept.append(picture)
        else:
            key = str(picture.target), picture.split
            counts[key] = counts.get(key, 0) + 1
    problems += [
        f"{source}: the class {name!r} has no {kind.word} in train, but {count:,} in {split}"
        for (name, split), count in counts.items()
    ]
    return Listing(tuple(kept), classes, tuple(problems), tuple(remarks), kind)


def classes_of(pictures: Iterable[Picture]) -> set[str]:
    """Returns the classes of train."""
    return {str(picture.target) for picture in pictures if picture.split == "train"}


def _splits(root: Path, folders: Sequence[Path], kind: Kind) -> tuple[dict[str, Path], list[str]]:
    """Returns the folder of each split, and remarks; ``{"train": root}`` where the folders are those of classes."""
    named = [
        (SPLIT_NAMES[folder.name.casefold()], folder) for folder in folders if folder.name.casefold() in SPLIT_NAMES
    ]
    found: dict[str, Path] = {}
    others = [folder.name for folder in folders if folder.name.casefold() not in SPLIT_NAMES]
    # A class may be called train, in a set of vehicles: such names mean splits where there are several of them.
    several = len(named) > 1 and any(split == "train" for split, _ in named)
    if not named or (others and not several):
        return {"train": root}, []
    for split, folder in named:
        if split in found:
            raise UserError(f"{root}: both {found[split].name} and {folder.name} are folders of the {split} split.")
        found[split] = folder
    if "train" not in found:
        names = " and ".join(folder.name for _, folder in named)
        raise UserError(f"{root}: there is {names}, but no folder train with the {kind.word}s to train on.")
    remarks = [f"{root}: {', '.join(others)} beside the folders of splits are not read."] if others else []
    return {split: found[split] for split in ("train", "validation", "test") if split in found}, remarks


def _inside(folder: Path, kind: Kind) -> tuple[list[Path], list[str]]:
    """Returns the folders in one of splits or classes, and a problem for each file that lies beside them."""
    folders, loose = [], []
    for entry in _entries(folder):
        if _is_folder(entry):
            folders.append(Path(entry.path))
        elif Path(entry.name).suffix.lower() in kind.extensions:
            loose.append(f"{entry.path}: the {kind.word} lies in no folder of a class")
    return folders, loose


def files_below(folder: Path, problems: list[str]) -> Iterator[Path]:
    """Yields the files of a class in a fixed order; adds what is no file to the problems."""
    seen, waiting = set[tuple[int, int]](), [folder]
    while waiting:
        current = waiting.pop()
        with named_cause(current, "read"):
            place = os.stat(current)
        if (place.st_dev, place.st_ino) in seen:
            continue
        seen.add((place.st_dev, place.st_ino))
        below = []
        for entry in _entries(current):
            if _is_folder(entry):
                below.append(Path(entry.path))
                continue
            path = Path(entry.path)
            # The folder says of most that they are files; others, such as links, are looked at.
            problem = None if entry.is_file(follow_symlinks=False) else file_problem(path)
            if problem:
                problems.append(problem)
            else:
                yield path
        waiting += reversed(below)


def file_problem(path: Path) -> str | None:
    """Returns why something is no file to read, such as a broken link, a socket or a pipe; None if it is one."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        broken = "the link leads nowhere" if path.is_symlink() else error.strerror
        return f"{path}: {broken}"
    return None if stat.S_ISREG(mode) else f"{path}: this is not a file"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Returns whether an entry is a folder or a link to one; a link to itself is none, and raises nothing."""
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry.path))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Returns what lies in a folder and is its user's own, sorted by name."""
    with named_cause(folder, "read"), os.scandir(folder) as entries:
        found = sorted((entry for entry in entries if not is_foreign(entry.name)), key=lambda entry: entry.name)
    for entry in found:
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            raise UserError(f"{folder}: the name {entry.name!a} in it is not UTF-8; rename it.") from None
    return found
