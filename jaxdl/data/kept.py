"""Decoded arrays, kept as ``.npy`` files with an index: found again only for the same key, and only undamaged."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.mapped import mapped
from jaxdl.data.npy import opened, write_array
from jaxdl.data.spec import ARRAYS, GROUPS, Spec, Split, fingerprint
from jaxdl.data.stream import is_streamed

INDEX = "index.json"
_SPLITS, _NAMES = ("train", "validation", "test"), (*ARRAYS, GROUPS)


@dataclasses.dataclass(frozen=True)
class Draft:
    """A file that holds the inputs of all splits already, one after another.

    Attributes:
        path: the ``.npy`` file, which `save` moves.
        rows: the first example of each split in it, and one past its last, by the split's name.
    """

    path: Path
    rows: Mapping[str, tuple[int, int]]


@dataclasses.dataclass(frozen=True)
class Kept:
    """The arrays of a data set, and what was found out when they were decoded.

    Attributes:
        spec: describes one example.
        splits: the source's own splits.
        fingerprint: that of the splits, see `jaxdl.data.spec.fingerprint`.
        lines: what was said about the files, to be said again at each load.
        draft: a file that holds the inputs already; None: there is none.
    """

    spec: Spec
    splits: Mapping[str, Split]
    fingerprint: str
    lines: tuple[str, ...] = ()
    draft: Draft | None = None


def load(folder: Path, key: str, *, on_disk: bool = False) -> Kept | None:
    """Loads what is kept in a folder; None if there is nothing, nothing for this key, or if it is damaged.

    Inputs are read where the system's cache holds their file, if that can be mapped, and cannot be written to. The
    fingerprint is computed from the loaded arrays and compared, so that it always matches them. Only NumPy is needed.
    With `on_disk` inputs are not loaded, but read from their files; their fingerprint is computed again only where a
    file's size or time has changed.
    """
    index = read_index(folder, key)
    if index is None:
        return None
    try:
        splits = _splits(folder, index, on_disk=on_disk)
        if _fingerprint(splits) != index["fingerprint"]:
            return None
        return Kept(Spec.from_json(index["spec"]), splits, index["fingerprint"], tuple(index["lines"]))
    except Exception:  # missing or damaged: NumPy raises errors of any kind, even those of Python's tokenizer
        return None


def read_index(folder: Path, key: str) -> dict[str, Any] | None:
    """Returns the index of what is kept, with a ``"spec"`` as JSON; None as for `load`."""
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text())
        if index.pop("seal") != _seal(index) or index["key"] != key:
            return None
        Spec.from_json(index["spec"])
        return index
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):  # missing or damaged
        return None


def save(folder: Path, key: str, kept: Kept, drafts: Path) -> int:
    """Keeps arrays in a folder, in the place of what was kept there; returns their size in bytes.

    Args:
        folder: made if it is missing.
        key: a digest of all that the arrays depend on.
        kept: what `load` returns; an array that lies in a file in `drafts` has the file moved.
        drafts: an existing folder on the same file system, for files that are not complete yet.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(exist_ok=True)
    arrays = {split: sorted(kept.splits[split]) for split in kept.splits}
    rows = {split: list(span) for split, span in kept.draft.rows.items()} if kept.draft else {}
    sources: dict[Path, Path] = {}
    for split, name, file in _files(folder, key, arrays, rows):
        array: Any = kept.splits[split][name]
        if is_streamed(array):
            sources[file] = array.path
        elif kept.draft is not None and name == "inputs":
            sources[file] = kept.draft.path
        else:
            sources[file] = drafts / file.name
            write_array(sources[file], array)
    for file, source in sources.items():
        os.replace(source, file)
    index = {
        "key": key,
        "spec": dataclasses.asdict(kept.spec),
        "fingerprint": kept.fingerprint,
        "arrays": arrays,
        "rows": rows,
        "lines": list(kept.lines),
    }
    (drafts / INDEX).write_text(json.dumps({**index, "seal": _seal(index)}, indent=1))
    os.replace(drafts / INDEX, folder / INDEX)
    for old in folder.glob("*.npy"):
        if old not in sources:
            old.unlink(missing_ok=True)
    return sum(file.stat().st_size for file in sources)


def _splits(folder: Path, index: Mapping[str, Any], *, on_disk: bool) -> dict[str, dict[str, np.ndarray]]:
    """Returns the arrays of each split.

    Raises:
        OSError, ValueError: a file is missing or damaged.
    """
    rows = index.get("rows", {})  # earlier versions kept none
    splits: dict[str, dict[str, np.ndarray]] = {}
    of_file = functools.cache(opened if on_disk else mapped)
    for split, name, file in _files(folder, index["key"], index["arrays"], rows):
        if name != "inputs":
            array = np.load(file, allow_pickle=False)
        else:
            array = of_file(file)
            array = array[slice(*rows[split])] if split in rows else array
        splits.setdefault(split, {})[name] = array
    return splits


def _files(
    folder: Path, key: str, arrays: Mapping[str, Any], rows: Mapping[str, Any]
) -> Iterator[tuple[str, str, Path]]:
    """Yields split, name and file of each array; names that no data set has are passed over, so none leads elsewhere.

    The files' names contain the key: a process that reads the old index meanwhile finds the old arrays or none.

    Args:
        rows: splits whose inputs lie in one file with those of others.
    """
    for split in _SPLITS:
        for name in _NAMES:
            if name in arrays.get(split, ()):
                of = name if name == "inputs" and split in rows else f"{split}-{name}"
                yield split, name, folder / f"{of}-{key[:12]}.npy"


def _fingerprint(splits: Mapping[str, Split]) -> str:
    return fingerprint(splits["train"], splits.get("test"), splits.get("validation"))


def _seal(index: Mapping[str, Any]) -> str:
    """Returns a digest that detects changes of an index: the fingerprint does not cover the spec in it."""
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
