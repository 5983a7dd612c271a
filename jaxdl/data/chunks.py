"""Brings a set to the device in chunks: while one is used, the next one is read on another thread."""

from __future__ import annotations

import copy
import math
import threading
import time
import types
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from jaxdl.backend.mesh import placed
from jaxdl.data.resident import Resident, by_length, put_on_device
from jaxdl.data.spec import Dataset, examples

Chunk = dict[str, jax.Array]
CHUNK_BYTES = 2**24
"""About how many bytes of examples make a chunk: few, so that the first one is there soon."""
# A chunk has a few batches, however large these are: each call of a program has its cost.
_FEW_BATCHES, _MOST_BYTES = 4, 2**27
_AHEAD = 3  # chunks that are read ahead, or one if they are larger than others


class InParts:
    """The splits of a data set that is brought to the device in parts; the counterpart of `jaxdl.data.resident`.

    Args:
        dataset: the set, with arrays in memory or on disk.

    Attributes:
        ranges: index of the first example of each split and one past its last, by name, as if all lay in one array.
        sharding: the devices that each chunk is brought to; None: the default device.
        selected, visits, statistics: as of `jaxdl.data.resident.Resident`; each fold has its own train.
    """

    sharding: Any = None
    selected: np.ndarray | None = None
    visits = 0
    statistics: Mapping[str, np.ndarray] = types.MappingProxyType({})

    def __init__(self, dataset: Dataset):
        self._splits = {name: by_length(name, split) for name, split in dataset.splits.items()}
        names = ("train", *(name for name in dataset.splits if name != "train"))
        bounds: list[int] = np.cumsum([0, *(examples(dataset.splits[name]) for name in names)]).tolist()
        self.ranges = {name: (bounds[i], bounds[i + 1]) for i, name in enumerate(names)}

    def on(self, sharding: Any) -> InParts:
        """Returns the data as what is brought to the devices of a sharding."""
        other = copy.copy(self)
        other.sharding = sharding
        return other

    def as_fold(self, visits: int, statistics: Mapping[str, np.ndarray]) -> InParts:
        """Returns the data as one of several folds.

        Args:
            visits: how many examples an epoch of each fold visits.
            statistics: means and deviations that enter the programs as data.
        """
        other = copy.copy(self)
        other.selected = np.arange(self.size("train"), dtype=np.int32)
        other.visits, other.statistics = visits, statistics
        return other

    def size(self, split: str) -> int:
        """Returns the number of examples in a split, 0 if there is no such split."""
        start, stop = self.ranges.get(split, (0, 0))
        return stop - start

    def read(self, split: str, numbers: np.ndarray, room: int) -> dict[str, np.ndarray]:
        """Returns the examples with the given numbers; (room, ...), of which the last ones are zeros."""
        found = {name: np.asarray(array[numbers]) for name, array in self._splits[split].items()}
        return found if len(numbers) == room else {name: _with_room(array, room) for name, array in found.items()}

    def shapes(self, count: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns the shapes of `count` examples by name, as they are on the device."""
        arrays = self._splits["train"].items()
        return {
            name: jax.ShapeDtypeStruct(
                (count, *array.shape[1:]), jax.dtypes.canonicalize_dtype(array.dtype), sharding=self.sharding
            )
            for name, array in arrays
        }

    def batches(self, batch_size: int, most: int) -> int:
        """Returns how many batches make a chunk, 1 to `most`."""
        arrays = self._splits["train"].values()
        bytes_each = sum(math.prod(array.shape[1:]) * array.dtype.itemsize for array in arrays)
        bytes_of_batch = max(1, bytes_each * batch_size)
        few = min(_FEW_BATCHES, _MOST_BYTES // bytes_of_batch)
        return max(1, min(most, max(few, CHUNK_BYTES // bytes_of_batch)))

    def ahead(self, count: int) -> int:
        """Returns how many chunks of `count` examples are read ahead."""
        size = sum(shape.size * shape.dtype.itemsize for shape in self.shapes(count).values())
        return _AHEAD if size <= CHUNK_BYTES else 1


def _with_room(examples: np.ndarray, room: int) -> np.ndarray:
    filled = np.zeros((room, *examples.shape[1:]), examples.dtype)
    filled[: len(examples)] = examples
    return filled


def on_device_or_in_parts(dataset: Dataset) -> Resident | InParts:
    """Returns a data set on the default device, or, where that was chosen, as what is brought there in parts."""
    return InParts(dataset) if dataset.streamed else put_on_device(dataset)


class Prefetcher:
    """Reads chunks ahead, on a thread of its own.

    Args:
        read: reads the chunk of a key.
        following: returns the key of the chunk that is used after another one, None where there is none.
        ahead: how many chunks it reads ahead.
        sharding: the devices that it brings them to; None: the default device.

    Attributes:
        waited: how long the device had nothing to do because a chunk was not there yet, in seconds.
    """

    def __init__(
        self,
        read: Callable[[Any], Mapping[str, np.ndarray]],
        following: Callable[[Any], Any],
        ahead: int = 1,
        sharding: Any = None,
    ):
        self._sharding = sharding
        self._read, self._following, self._ahead = read, following, ahead
        self._chunks: dict[Hashable, Future[Chunk]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self.waited = 0.0

    def get(self, key: Any, running: Any = None) -> Chunk:
        """Returns a chunk, and begins to read the following ones.

        Args:
            key: of the chunk.
            running: arrays that the device is still working on; what it does meanwhile is no waiting.

        Raises:
            UserError: an example cannot be read.
        """
        with self._lock:
            wanted = [key]
            while len(wanted) <= self._ahead and (following := self._following(wanted[-1])) is not None:
                wanted.append(following)
            self._pool = self._pool or ThreadPoolExecutor(1, "jaxdl-stream")
            # The earlier chunks are let go before another is begun.
            self._chunks = {each: self._chunks[each] for each in wanted if each in self._chunks}
            for each in wanted:
                if each not in self._chunks:
                    self._chunks[each] = self._pool.submit(self._load, each)
            chunk = self._chunks[key]
        if not chunk.done():
            jax.block_until_ready(running)
            begin = time.perf_counter()
            chunk.result()
            self.waited += time.perf_counter() - begin
        return chunk.result()

    def close(self) -> None:
        """Lets go of all chunks, and ends the thread when it has read the one that it is at."""
        with self._lock:
            pool, self._pool, self._chunks = self._pool, None, {}
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _load(self, key: Any) -> Chunk:
        arrays = self._read(key)
        chunk: Chunk = {name: placed(array, self._sharding) for name, array in arrays.items()}
        jax.block_until_ready(chunk)
        return chunk
