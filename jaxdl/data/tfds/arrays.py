"""A prepared TFDS set as arrays: decoded once, stored next to the set as ``.npy`` files, loaded from there."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.data.spec import Dataset, Spec, fingerprint
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.decode import dataset_of, unlabelled

# Part of the key of the stored arrays: increased when decoding changes.
_FORMAT = 3
_INDEX = "index.json"
_SPLITS, _ARRAYS = ("train", "validation", "test"), ("inputs", "targets")
_ALL = Choice()


def kept_folder(prepared: Path, choice: Choice = _ALL) -> Path:
    """Returns the folder for the arrays of a prepared set: ``3.0.1-jaxdl`` next to ``3.0.1``, or one inside it."""
    return prepared.with_name(prepared.name + "-jaxdl") / choice.key


def kept(prepared: Path, name: str, choice: Choice = _ALL) -> Dataset | None:
    """Loads the stored arrays of a prepared set; None if there are none, or if the prepared set has changed since.

    The fingerprint is computed from the loaded arrays and compared, so that it always matches them. Only NumPy is
    needed; TFDS and Pillow are not imported.
    """
    noted = _read_index(prepared, choice)
    if noted is None:
        return None
    spec, digest, names = noted
    try:
        files = _files(prepared, choice, names)
        splits = {s: {a: np.load(files[s, a], allow_pickle=False) for a in _ARRAYS} for s in names}
        if fingerprint(splits["train"], splits.get("test"), splits.get("validation")) != digest:
            return None
        if "test" in splits and not choice.test_split and unlabelled(splits["test"]):
            return None
    except Exception:  # missing or damaged: NumPy raises errors of any kind, even those of Python's tokenizer
        return None
    return dataset_of(name, spec, splits, digest)


def kept_spec(prepared: Path, choice: Choice = _ALL) -> Spec | None:
    """Returns the spec of a prepared set without loading any example; None if its arrays are not stored."""
    noted = _read_index(prepared, choice)
    return noted[0] if noted else None


def keep(dataset: Dataset, prepared: Path, drafts: Path, choice: Choice = _ALL) -> None:
    """Stores the arrays of a prepared set for `kept`.

    Args:
        dataset: the result of `decode`.
        prepared: the folder of the prepared set.
        drafts: an existing folder on the same file system, for files that are not complete yet.
        choice: what of the set was decoded.

    Raises:
        OSError: they cannot be written.
    """
    folder, key = kept_folder(prepared, choice), _key(prepared)
    folder.mkdir(exist_ok=True, parents=True)
    files = _files(prepared, choice, tuple(dataset.splits))
    for (split, array), file in files.items():
        np.save(drafts / file.name, dataset.splits[split][array], allow_pickle=False)
        os.replace(drafts / file.name, file)
    # As lists, as they will be read: the seal is of their JSON.
    index = {"key": key, "spec": dataclasses.asdict(dataset.spec), "fingerprint": dataset.fingerprint}
    index["splits"] = list(dataset.splits)
    (drafts / _INDEX).write_text(json.dumps({**index, "seal": _seal(index)}, indent=1))
    os.replace(drafts / _INDEX, folder / _INDEX)
    for old in folder.glob("*.npy"):
        if old not in files.values():
            old.unlink(missing_ok=True)


def _files(prepared: Path, choice: Choice, splits: Sequence[str]) -> dict[tuple[str, str], Path]:
    """Returns the file of each array of each split; the index names no files, so it cannot point anywhere else."""
    # The names contain the key: a process that reads the old index meanwhile finds the old arrays or none, never a mix.
    folder, key = kept_folder(prepared, choice), _key(prepared)
    return {(split, array): folder / f"{split}-{array}-{key[:12]}.npy" for split in splits for array in _ARRAYS}


def _read_index(prepared: Path, choice: Choice) -> tuple[Spec, str, tuple[str, ...]] | None:
    """Returns spec, fingerprint and splits of the stored arrays; None without any, or if the prepared set changed."""
    try:
        index = json.loads((kept_folder(prepared, choice) / _INDEX).read_text())
        if index.pop("seal") != _seal(index) or index["key"] != _key(prepared):
            return None
        names = tuple(split for split in _SPLITS if split in index["splits"])
        return Spec.from_json(index["spec"]), index["fingerprint"], names
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):  # missing or damaged
        return None


def _seal(index: Mapping[str, Any]) -> str:
    """Returns a digest that detects changes of an index: the fingerprint does not cover the spec in it."""
    return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()


def _key(prepared: Path) -> str:
    """Returns a digest of the names, sizes and modification times of a prepared set's files, to detect changes."""
    stats = sorted((path.name, path.stat()) for path in prepared.iterdir() if path.is_file())
    seen = [_FORMAT, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()
