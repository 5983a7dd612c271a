"""What every data source has in common: how it is loaded, and how validation is cut from train."""

from __future__ import annotations

import abc
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxdl.data.spec import Dataset, Spec, Split, examples
from jaxdl.fields import described, fraction, static

Notify = Callable[[str], None]

# Any fixed number would do; it is never an experiment's seed, so that all seeds are validated on the same examples.
_VALIDATION_SEED = 20_200_229


def default_data_dir() -> Path:
    """Returns TFDS's own default folder, ``$TFDS_DATA_DIR`` or ``~/tensorflow_datasets``, without importing TFDS."""
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(abc.ABC):
    """A data source: frozen fields that say what to load, and `load`, which loads it."""

    validation: float = static(
        0.1, "share of train that is cut for validation, the same examples for every seed; 0 cuts none", check=fraction
    )

    def load(self, data_dir: Path, notify: Notify = print) -> Dataset:
        """Loads the set with its splits train, validation (unless its share is 0) and test.

        Args:
            data_dir: folder of prepared data sets and original archives; embedded sources do not look at it.
            notify: is given progress lines and warnings, each ready to be printed.

        Raises:
            UserError: the set cannot be had; the message says what was tried and what to do.
        """
        dataset = self.read(data_dir, notify)
        train, validation = cut_validation(dataset.splits["train"], self.validation)
        splits = {"train": train, "validation": validation, "test": dataset.splits["test"]}
        return dataclasses.replace(dataset, splits={name: split for name, split in splits.items() if examples(split)})

    @property
    @abc.abstractmethod
    def requested(self) -> str:
        """The name under which this set is asked for."""

    @abc.abstractmethod
    def spec(self, data_dir: Path) -> Spec:
        """Returns what one example is, without loading any.

        Raises:
            UserError: nothing is known of the set.
        """

    @abc.abstractmethod
    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        """Returns the set with the splits train and test, as its source divides it."""


def cut_validation(train: Split, share: float) -> tuple[Split, Split]:
    """Cuts a share of the train split for validation; both parts keep the order of `train`.

    The examples are the first of one fixed permutation, so they depend on nothing but the size of `train` and the
    share. A share above 0 cuts at least one example and leaves at least one in train.

    Returns:
        What is left of train, and validation.
    """
    count = examples(train)
    size = min(max(1, round(count * share)), count - 1) if share else 0
    chosen = np.zeros(count, bool)
    # RandomState, because NumPy froze its stream for good; that of Generator.permutation may change between versions.
    chosen[np.random.RandomState(_VALIDATION_SEED).permutation(count)[:size]] = True
    if not size:
        return train, {key: array[:0] for key, array in train.items()}
    return {key: a[~chosen] for key, a in train.items()}, {key: a[chosen] for key, a in train.items()}
