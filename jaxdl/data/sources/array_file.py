"""Arrays of their user in an ``.npz`` file, or in a folder of ``.npy`` files."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np

from jaxdl.data.npy import ArrayOnDisk, Header, header_of, headers_in_zip
from jaxdl.data.source import Notify, OwnFiles
from jaxdl.data.sources.arrays import OfArrays, small, split_of
from jaxdl.data.spec import Dataset, Spec
from jaxdl.data.stream import Streamed
from jaxdl.errors import UserError
from jaxdl.fields import described, static
from jaxdl.files.paths import expanded

_SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}
# What people call the arrays; x and y are those of Keras, images and labels those of MedMNIST.
_ARRAYS = {
    **dict.fromkeys(("inputs", "x", "images"), "inputs"),
    **dict.fromkeys(("targets", "y", "labels"), "targets"),
    "lengths": "lengths",
    "weights": "weights",
}
_NAMES = (
    "inputs, targets and, where there are any, lengths and weights, for one set, which is cut; or these for each "
    "split, such as train_inputs, train_targets, test_inputs and test_targets, or x_train, y_train, x_test and y_test"
)


@final
@described
@dataclasses.dataclass(frozen=True)
class ArrayFile(OfArrays, OwnFiles):
    """An ``.npz`` file of arrays, as ``np.savez("file.npz", inputs=inputs, targets=targets)`` writes it.

    It holds one set, with the names ``inputs``, ``targets`` and, where there are any, ``lengths`` and ``weights``, or
    these for each split: ``train_inputs``, ``train_targets``, ``test_inputs`` and so on, or ``x_train``, ``y_train``,
    ``x_test`` and ``y_test``. ``x`` and ``images`` are inputs too, ``y`` and ``labels`` targets. What the arrays may be
    says `Arrays`. Pickled objects are never loaded. In the place of the file there may be a folder of ``.npy`` files
    with these names, ``inputs.npy`` and so on, which NumPy can write a part at a time.
    """

    path: str = static("", "the .npz file, or a folder of .npy files", path=True)

    @property
    def requested(self) -> str:
        return f"arrays:{self.path}"

    def spec(self, data_dir: Path) -> Spec:
        return self.read(data_dir, lambda line: None).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        if not self.path:
            raise UserError("no file is given: --data=arrays:FILE.npz; from Python, Arrays(train=..., test=...).")
        arrays = self._arrays(expanded(self.path))
        splits: dict[str, dict[str, np.ndarray]] = {}
        for key, (split, name) in _parts(arrays, self.path).items():
            if name in splits.setdefault(split, {}):
                raise UserError(f"{self.path} holds two arrays for the {name} of {split}; {key!r} is one of them.")
            splits[split][name] = arrays[key]
        if "train" not in splits:
            raise UserError(f"{self.path} has no arrays of train. Names are {_NAMES}.")
        checked = {name: split_of(f"{self.path} ({name})", name, split) for name, split in splits.items()}
        return self.joined(checked)

    def _arrays(self, path: Path) -> Mapping[str, np.ndarray]:
        """Returns the arrays in the file or folder by name; inputs stay on disk, where they are read from there."""
        files = sorted(path.glob("*.npy")) if path.is_dir() else [path]
        if not files:
            raise UserError(f"{path} holds no .npy files, such as inputs.npy and targets.npy.")
        with _unreadable(path):
            if self.streams(sum(file.stat().st_size for file in files)):
                return {name: _opened(name, *place) for name, place in _places(path, files).items()}
            if path.is_dir():
                return {file.stem: np.load(file, allow_pickle=False) for file in files}
        return _read(path)


def _places(path: Path, files: Sequence[Path]) -> dict[str, tuple[Path, Header | None]]:
    """Returns in which file each array lies, and where in it; None where it is compressed."""
    if not path.is_dir():
        return {name: (path, header) for name, header in headers_in_zip(path)}
    places: dict[str, tuple[Path, Header | None]] = {}
    for each in files:
        with each.open("rb") as file:
            places[each.stem] = each, header_of(file)
    return places


def _opened(name: str, path: Path, header: Header | None) -> np.ndarray:
    """Returns an array: inputs stay on disk, others are read."""
    if header is None:
        raise UserError(
            f"{path} holds {name!r} compressed, so that single examples cannot be read from it: save it with np.savez, "
            "or as files inputs.npy, targets.npy and so on in a folder; or give --data.stream=off."
        )
    what = f"{name} in {path}"
    if _parts([name], str(path))[name][1] == "inputs":
        if header.dtype.kind not in "biuf":
            raise UserError(f"{what}: inputs of {header.dtype} cannot be used; give numbers.")
        return Streamed(ArrayOnDisk(path, header, functools.partial(small, what))).as_array()
    return ArrayOnDisk(path, header).read(np.arange(header.shape[0]))


def _read(path: Path) -> dict[str, np.ndarray]:
    with _unreadable(path), open(path, "rb") as file:  # pickled objects, which could run code, are not loaded
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise UserError(f"{path} holds one array without a name; np.savez writes inputs and targets together.")
        return dict(loaded)


@contextlib.contextmanager
def _unreadable(path: Path) -> Iterator[None]:
    """Turns errors of reading into one with the file's name."""
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except Exception as error:  # any exception: for a damaged header NumPy raises errors of Python's tokenizer
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"{path} cannot be read as an .npz file: {reason}.") from None


def _parts(names: Iterable[str], path: str) -> dict[str, tuple[str, str]]:
    """Returns for each array in a file its split, and what it is there.

    Raises:
        UserError: a name says neither, or some name a split and others do not.
    """
    parts: dict[str, tuple[str, str]] = {}
    for key in names:
        words = [word for word in re.split(r"[^a-z0-9]+", key.lower()) if word]
        splits = [_SPLITS[word] for word in words if word in _SPLITS]
        arrays = [_ARRAYS[word] for word in words if word in _ARRAYS]
        if len(arrays) != 1 or len(splits) > 1 or len(arrays) + len(splits) != len(words):
            raise UserError(f"{path} holds an array {key!r}, which is none that training reads. Names are {_NAMES}.")
        parts[key] = (splits[0] if splits else "", arrays[0])
    whole = [key for key, (split, _) in parts.items() if not split]
    if whole and len(whole) < len(parts):
        other = next(key for key in parts if key not in whole)
        raise UserError(f"{path} holds {whole[0]!r} for one set and {other!r} for a split; name all in one way.")
    return {key: (split or "train", name) for key, (split, name) in parts.items()}
