"""A prepared TFDS set as arrays: decoded once, stored next to the set as ``.npy`` files, loaded from there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from jaxdl.data import kept as stored
from jaxdl.data.spec import Dataset, Spec
from jaxdl.data.tfds.choice import Choice
from jaxdl.data.tfds.decode import dataset_of, unlabelled

# Part of the key of the stored arrays: increased when decoding changes.
_FORMAT = 3
_ALL = Choice()


def kept_folder(prepared: Path, choice: Choice = _ALL) -> Path:
    """Returns the folder for the arrays of a prepared set: ``3.0.1-jaxdl`` next to ``3.0.1``, or one inside it."""
    return prepared.with_name(prepared.name + "-jaxdl") / choice.key


def kept(prepared: Path, name: str, choice: Choice = _ALL, *, on_disk: bool = False) -> Dataset | None:
    """Loads the stored arrays of a prepared set; None if there are none, or if the prepared set has changed since.

    Only NumPy is needed; TFDS and Pillow are not imported. With `on_disk` inputs are read when they are asked for.
    """
    found = stored.load(kept_folder(prepared, choice), _key(prepared), on_disk=on_disk)
    if found is None or ("test" in found.splits and not choice.test_split and unlabelled(found.splits["test"])):
        return None
    return dataset_of(name, found.spec, found.splits, found.fingerprint)


def kept_bytes(prepared: Path, choice: Choice = _ALL) -> int | None:
    """Returns how many bytes the stored arrays of a prepared set take; None if they are not stored."""
    folder = kept_folder(prepared, choice)
    if stored.read_index(folder, _key(prepared)) is None:
        return None
    return sum(file.stat().st_size for file in folder.glob("*.npy"))


def kept_spec(prepared: Path, choice: Choice = _ALL) -> Spec | None:
    """Returns the spec of a prepared set without loading any example; None if its arrays are not stored."""
    index = stored.read_index(kept_folder(prepared, choice), _key(prepared))
    return Spec.from_json(index["spec"]) if index else None


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
    folder = kept_folder(prepared, choice)
    folder.parent.mkdir(exist_ok=True)
    stored.save(folder, _key(prepared), stored.Kept(dataset.spec, dataset.splits, dataset.fingerprint), drafts)


def _key(prepared: Path) -> str:
    """Returns a digest of the names, sizes and modification times of a prepared set's files, to detect changes."""
    stats = sorted((path.name, path.stat()) for path in prepared.iterdir() if path.is_file())
    seen = [_FORMAT, *((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()
