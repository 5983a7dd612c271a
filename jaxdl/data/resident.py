"""A data set in the device's memory, as it is stored, so that one compiled program works for all of its splits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxdl.backend.mesh import placed
from jaxdl.data.lengths import share_of_longest
from jaxdl.data.memory import joined
from jaxdl.data.spec import Dataset, Split, examples


@dataclasses.dataclass(frozen=True)
class Resident:
    """Every split of a data set in one set of arrays on the device.

    Attributes:
        arrays: ``inputs`` (examples, ...), ``targets`` (examples, ...) and the like, as stored.
        ranges: index of the first example of each split and one past its last, by name.
        sharding: the devices that each have all of it; None: the default device.
        selected: positions of the examples to train on, (examples,) int32, of one of several folds; None: all of train.
        visits: how many examples an epoch visits; 0: as many as there are to train on. Folds all take the same number,
            so that they are equally many steps: those of the largest, while smaller ones begin again.
        statistics: means and deviations of a fold, which enter the programs as data; see `jaxdl.data.folded`.
    """

    arrays: dict[str, jax.Array]
    ranges: Mapping[str, tuple[int, int]]
    sharding: Any = None
    selected: np.ndarray | None = None
    visits: int = 0
    statistics: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    _copies: dict[Any, dict[str, jax.Array]] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def on(self, sharding: Any) -> Resident:
        """Returns the data on the devices of a sharding; they are copied once, to where they do not lie already."""
        if sharding not in self._copies:
            self._copies[sharding] = jax.tree.map(lambda array: placed(array, sharding), self.arrays)
        return dataclasses.replace(self, arrays=self._copies[sharding], sharding=sharding)

    def size(self, split: str) -> int:
        """Returns the number of examples in a split, 0 if there is no such split."""
        start, stop = self.ranges.get(split, (0, 0))
        return stop - start

    def shapes(self, count: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns the shapes of `count` examples by name."""
        arrays = self.arrays.items()
        return {name: jax.ShapeDtypeStruct((count, *array.shape[1:]), array.dtype) for name, array in arrays}


def put_on_device(dataset: Dataset) -> Resident:
    """Copies all splits to the default device, train first, each `by_length`."""
    names = ("train", *(name for name in dataset.splits if name != "train"))
    bounds = np.cumsum([0, *(examples(dataset.splits[name]) for name in names)]).tolist()
    keys = dataset.splits["train"].keys()
    arrays = {key: joined([by_length(name, dataset.splits[name])[key] for name in names]) for key in keys}
    ranges = {name: (bounds[i], bounds[i + 1]) for i, name in enumerate(names)}
    return Resident(jax.device_put(arrays), ranges)


def by_length(name: str, split: Split) -> Split:
    """Returns a split in the order of its lengths, so that a batch has similar ones; see `share_of_longest`.

    Train has an order of its own, and stays as it is.
    """
    shares = None if name == "train" else share_of_longest(split)
    if shares is None:
        return split
    order = np.argsort(shares, kind="stable")
    return {key: array[order] for key, array in split.items()}
