"""What every data source has in common: its fields and methods."""

from __future__ import annotations

import abc
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from jaxdl.data.check import checked
from jaxdl.data.folds import Rows, assigned, rows_of
from jaxdl.data.spec import Dataset, Spec, Split, check_names, examples
from jaxdl.data.splits import CUT_BY, By, cut_off, taken
from jaxdl.data.stream import concatenated, is_large, is_large_for_device, is_large_for_host
from jaxdl.errors import UserError
from jaxdl.fields import at_least, described, fraction, static
from jaxdl.files.paths import expanded
from jaxdl.report.terminal import say_nothing

Notify = Callable[[str], None]


def default_data_dir() -> Path:
    """Returns TFDS's own default folder, ``$TFDS_DATA_DIR`` or ``~/tensorflow_datasets``, without importing TFDS."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _check_folds(value: int) -> str | None:
    return None if value == 0 or value >= 2 else "must be 0, or at least 2"


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(abc.ABC):
    """A data source: frozen fields that say what to load, and `load`, which loads it."""

    validation: float = static(
        0.1,
        "fraction of train that is split off for validation where the data have no validation split of their own, the "
        "same examples for every seed; 0: no validation",
        check=fraction,
    )
    stream: Literal["auto", "on", "off"] = static(
        "auto",
        "whether examples are read from disk while a model is trained, and brought to the device in parts, instead of "
        "all before; the trained parameters are the same to the bit. auto: where they would take more than 0.4 of the "
        "machine's free memory, or 0.6 of the device's",
        affects=(),
        since="0.3.0",
    )
    folds: int = static(
        0,
        "cross-validation: into how many folds train is cut, each of which validates a training on the others: of the "
        "same share of each class, of whole groups, or of a series one after another in time; 0: none",
        check=_check_folds,
        since="0.3.0",
    )
    fold: int | None = static(
        None,
        "which fold validates, from 0; none: each in turn, which is a sweep",
        check=at_least(0),
        affects=("result",),
        since="0.3.0",
    )

    def load(self, data_dir: Path | str | None = None, notify: Notify | None = print) -> Dataset:
        """Loads the set with its splits train, validation (unless its fraction is 0) and test.

        Args:
            data_dir: folder of prepared data sets and original archives; None: TFDS's own. Embedded sources do not use
                it.
            notify: called with progress lines and warnings, each ready to print; None: nothing is said.

        Raises:
            UserError: the set is not available (the message says what was tried and what to do), or its numbers cannot
                be trained on: see `jaxdl.data.check`.
        """
        notify = notify or say_nothing
        dataset = self._read(default_data_dir() if data_dir is None else expanded(data_dir), notify)
        if self.folds and self.fold is None:
            raise UserError(
                f"data.folds={self.folds}: a single training needs --data.fold=N, from 0 to {self.folds - 1}; without "
                "it, --mode=train and jaxdl.sweep train one model for each fold."
            )
        return self._finished(dataset, self.fold, notify)

    def load_folds(self, data_dir: Path, notify: Notify = print) -> list[Dataset]:
        """Loads what `load` gives for each fold; the source is read once.

        Raises:
            UserError: as `load`.
        """
        said: set[str] = set()

        def once(text: str) -> None:
            if text not in said:
                said.add(text)
                notify(text)

        if problem := _check_folds(self.folds):
            raise UserError(f"data.folds={self.folds}: {problem}.")
        numbers = range(self.folds)
        if self.cuts_itself:
            found = [dataclasses.replace(self, fold=fold).load(data_dir, once) for fold in numbers]
        else:
            dataset = self._read(data_dir, once)
            found = [self._finished(dataset, fold, once) for fold in numbers]
        if any(each.in_parts for each in found):  # and so all, though memory may have room for one of them
            found = [dataclasses.replace(each, in_parts=True) for each in found]
        return found

    def _read(self, data_dir: Path, notify: Notify) -> Dataset:
        dataset = self.read(data_dir, notify)
        for name, split in dataset.splits.items():
            check_names(split, f"the {name} split of {dataset.used}")
        return checked(dataset, notify)

    def _finished(self, dataset: Dataset, fold: int | None, notify: Notify) -> Dataset:
        """Returns what was read with all its splits, and what follows from them."""
        dataset = self._cut(dataset) if fold is None or dataset.rows is not None else self._folded(dataset, fold)
        dataset = self.fitted(dataset, notify) if "train" in dataset.splits else dataset
        return self._in_parts(dataset, notify)

    def streams(self, size: float) -> bool:
        """Returns whether examples of `size` bytes, which lie on disk, are read from there while a model is trained."""
        return self.stream == "on" or (self.stream == "auto" and is_large(size))

    def _in_parts(self, dataset: Dataset, notify: Notify) -> Dataset:
        """Returns the set with the choice whether it is brought to the device in parts, and says where it is."""
        size = sum(array.nbytes for split in dataset.splits.values() for array in split.values())
        asked = self.stream == "on" or (self.stream == "auto" and is_large_for_device(size))
        if self.folds and asked and not dataset.streamed and is_large_for_host(self.folds * size):
            raise UserError(
                f"data.folds={self.folds}: {dataset.used} would be in memory {self.folds} times, once for each fold, "
                "since its examples are brought to the device in parts: store them as arrays:FOLDER of .npy files, "
                "from which folds are read, or give --data.validation=SHARE instead of folds."
            )
        if not dataset.streamed and not asked:
            return dataset
        where = "read from disk" if dataset.streamed else "brought to the device"
        notify(
            f"{dataset.used}: {size / 1e9:,.2f} GB of examples are {where} in parts, while the model is trained "
            f"(--data.stream={self.stream})."
        )
        return dataclasses.replace(dataset, in_parts=True)

    def _cut(self, dataset: Dataset) -> Dataset:
        """Returns the set with those splits cut from train that the source does not have.

        What is cut is copied once, and all splits with it: into one array, from which the device takes them.
        """
        train, by = dataset.splits["train"], self.cut_by(dataset.spec)
        given = {name: (split, None) for name, split in dataset.splits.items()}
        left, cut = np.arange(examples(train)), dict[str, tuple[Split, np.ndarray]]()
        for name, share in (("test", self.test_share), ("validation", self.validation)):
            if name not in given:
                chosen = cut_off(
                    {key: array[left] for key, array in train.items() if key.partition("/")[0] in CUT_BY}, share, by
                )
                cut[name], left = (train, left[chosen]), left[~chosen]
                if name == "test":
                    dataset = dataclasses.replace(dataset, train_examples=len(left))
        parts = {"train": (train, left if len(left) < examples(train) else None)}
        parts |= {name: cut.get(name) or given[name] for name in ("validation", "test")}
        return dataclasses.replace(dataset, splits=taken(parts))

    def _folded(self, dataset: Dataset, fold: int) -> Dataset:
        """Returns the set with one fold of train for validation, after test is cut from it where there is none.

        A validation split of the source's own is part of the examples that are dealt out.
        """
        if fold >= self.folds:
            raise UserError(f"data.fold={fold}: the folds are 0 to {self.folds - 1}.")
        train, by = dataset.splits["train"], self.cut_by(dataset.spec)
        if "validation" in dataset.splits:
            own = dataset.splits["validation"]
            train = {key: concatenated([array, own[key]]) for key, array in train.items() if key in own}
        left, given = np.arange(examples(train)), dataset.splits.get("test", {})
        test = (given, None) if given else (train, left[:0])
        decisive = {key: array for key, array in train.items() if key.partition("/")[0] in CUT_BY}
        if not given:
            chosen = cut_off(decisive, self.test_share, by)
            test, left = (train, left[chosen]), left[~chosen]
        targets = train.get("targets")
        if by == "example" and targets is not None and targets.ndim == 1 and targets.dtype.kind in "iub":
            by = "class"
        found = assigned({key: array[left] for key, array in decisive.items()}, self.folds, by)
        rows = Rows(*(left[part] for part in rows_of(found, fold, by)))
        parts = {"train": (train, rows.train), "validation": (train, rows.validation), "test": test}
        return dataclasses.replace(dataset, splits=taken(parts), train_examples=len(left), rows=rows)

    @property
    def cuts_itself(self) -> bool:
        """Whether `read` cuts train into folds itself, since what an example is depends on where it is cut."""
        return False

    @property
    def test_share(self) -> float:
        """The share of the examples that is split off for test where the source has no test split of its own."""
        return 0.0

    def cut_by(self, spec: Spec) -> By:
        """Returns how the examples of validation and test are chosen, where the source does not have these splits."""
        return "example"

    def fitted(self, dataset: Dataset, notify: Notify) -> Dataset:
        """Returns the set with what follows from its train split, such as means and deviations, in its spec."""
        return dataset

    def import_libraries(self) -> None:  # noqa: B027  (most sources need none)
        """Imports what loading takes, where that must not happen while other threads import; mostly nothing."""

    @property
    @abc.abstractmethod
    def requested(self) -> str:
        """The name of the requested set."""

    @abc.abstractmethod
    def spec(self, data_dir: Path) -> Spec:
        """Returns what one example is, without loading any.

        Raises:
            UserError: the set is unknown.
        """

    def known_examples(self, data_dir: Path) -> int | None:
        """Returns how many examples all splits have together; None where that is not known without loading them."""
        return None

    @abc.abstractmethod
    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        """Returns the set with the source's own splits: train, and where it has them validation and test."""


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnFiles(Data):
    """A source that reads its user's own files, which may lie in splits or not."""

    test: float = static(
        0.2,
        "share of the examples that is split off for test where the data have no test split of their own, the same "
        "examples for every seed",
        check=fraction,
    )

    @property
    def test_share(self) -> float:
        return self.test

    def cut_by(self, spec: Spec) -> By:
        return "class" if spec.class_names and not spec.target_shape else "example"
