"""Lists the files of a folder with the classes that their names say."""

from __future__ import annotations

import re
from pathlib import Path

from jaxdl.data.folders.labels import in_order
from jaxdl.data.folders.listing import Kind, Listing, Picture, checked, classes_of, files_below
from jaxdl.errors import UserError

_LABEL, _GROUP = "label", "group"


def check_pattern(pattern: str) -> str | None:
    """Returns what is wrong with a pattern, None if nothing is: a regular expression of Python, or empty."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"must be a regular expression ({error})"
    return None


def check_label_pattern(pattern: str) -> str | None:
    """Returns what is wrong with a pattern of labels: as `check_pattern`, and it has a group ``label``."""
    problem = check_pattern(pattern)
    if problem or not pattern:
        return problem
    groups = re.compile(pattern).groupindex
    if _LABEL not in groups:
        return "must have a group for the label, (?P<label>...), such as (?P<label>[a-z]+)_"
    other = sorted(groups.keys() - {_LABEL, _GROUP})
    return f"has a group {other[0]!r}; the names of groups are label and group" if other else None


def list_names(root: Path, label_pattern: str, test_pattern: str, kind: Kind) -> Listing:
    """Lists the files of a kind below a folder, with the labels in their names.

    A name is the path below the folder, with slashes. Whole numbers are in the order of their value as classes,
    otherwise these are in that of their texts.

    Args:
        root: the folder.
        label_pattern: finds the label in a name, as its group ``label``, and, where it has one, the ``group`` whose
            files stay together when a share of the examples is split off.
        test_pattern: is found in the names of files that are the test split; empty: there is none.
        kind: what the files are; others are passed over.

    Raises:
        UserError: there is no such file, a pattern finds nothing, or train has fewer than two classes.
    """
    problems: list[str] = []
    files = sorted(path for path in files_below(root, problems) if path.suffix.lower() in kind.extensions)
    if not files:
        endings = ", ".join(sorted(kind.extensions))
        raise UserError(f"{root}: there is no {kind.word} in it ({endings}).")
    label, test = re.compile(label_pattern), re.compile(test_pattern)
    pictures: list[Picture] = []
    for path in files:
        name = path.relative_to(root).as_posix()
        found = label.search(name)
        if found is None or not found[_LABEL]:
            problems.append(f"{path}: --data.label_pattern finds no label in this name")
            continue
        split = "test" if test_pattern and test.search(name) else "train"
        group = found.groupdict().get(_GROUP) or ""
        if not group and _GROUP in label.groupindex:
            problems.append(f"{path}: --data.label_pattern finds no group in this name")
            continue
        pictures.append(Picture(path, split, found[_LABEL], group))
    if not pictures:
        raise UserError(
            f"{root}: --data.label_pattern={label_pattern} finds no label in any of the {len(files):,} names, such as "
            f"{files[0].relative_to(root).as_posix()}."
        )
    if test_pattern:
        for split, which in (("test", "none"), ("train", "all")):
            if not any(picture.split == split for picture in pictures):
                raise UserError(f"{root}: --data.test_pattern={test_pattern} is found in {which} of the names.")
    pictures.sort(key=lambda picture: picture.split == "test")
    return checked(pictures, root, problems, (), in_order(classes_of(pictures)), kind)
