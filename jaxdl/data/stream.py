"""Arrays whose examples stay where they lie, on disk, until they are asked for by their numbers.

A split of a set that does not fit into memory has a `Streamed` in the place of its array of inputs. Whatever reads a
split takes a range of it first, and then has an array; what needs every example goes through it in parts, once, and
what it found is remembered.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np

from jaxdl.errors import UserError
from jaxdl.files.atomic import replace_file

T = TypeVar("T")
PART_BYTES = 2**24
"""How many bytes of examples are read at a time by what goes through all of them."""

# On its way to the device a set is in memory twice: as it was decoded, and cut into its splits.
_HOST_SHARE, _DEVICE_SHARE = 0.4, 0.6
_SURELY_SMALL = 2**26


class Reader(Protocol):
    """Reads examples by their numbers, in any order, on any thread.

    Attributes:
        shape: of all examples, (examples, ...).
        dtype: of what it reads.
        identity: changes when what it reads may have changed, such as the size and time of its file.
        path: the file that it reads.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def identity(self) -> str: ...
    @property
    def path(self) -> Path: ...

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the examples with some numbers, (len(numbers), ...).

        Raises:
            UserError: one cannot be read; the message names its file.
        """


class Streamed:
    """Some examples of a reader: like an array, of which only what is converted with `np.asarray` is read.

    ``streamed[3:7]``, ``streamed[mask]`` and ``streamed[numbers]`` are streamed too; ``streamed[3]`` is an array.

    Args:
        reader: reads the examples.
        numbers: which of them; None: all.

    Attributes:
        shape: (examples, ...).
        dtype: of the examples.
    """

    def __init__(self, reader: Reader, numbers: range | np.ndarray | None = None):
        self._reader = reader
        self._numbers = range(reader.shape[0]) if numbers is None else numbers
        self.shape = (len(self._numbers), *reader.shape[1:])
        self.dtype = reader.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def path(self) -> Path:
        """The file that its examples are read from."""
        return self._reader.path

    @functools.cached_property
    def identity(self) -> str:
        """Changes when the examples may have changed, or are others."""
        numbers = self._numbers
        which = str(numbers) if isinstance(numbers, range) else hashlib.sha256(numbers.tobytes()).hexdigest()
        return f"{self._reader.identity} {which}"

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int | np.integer):
            return self.read(np.array([range(len(self))[key]]))[0]
        if isinstance(key, slice):
            return Streamed(self._reader, self._numbers[key])
        if isinstance(key, np.ndarray) and key.ndim == 1 and key.dtype.kind in "biu":
            chosen = np.flatnonzero(key) if key.dtype == bool else key
            return Streamed(self._reader, self._of_reader(chosen))
        raise TypeError(f"a streamed array is indexed by its examples alone, not by {key!r}")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        read = self.read(np.arange(len(self)))
        return read if dtype is None else read.astype(dtype, copy=False)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the examples with the given numbers, (len(numbers), ...)."""
        return self._reader.read(self._of_reader(numbers))

    def as_array(self) -> np.ndarray:
        """Returns itself, for type checkers, which know only arrays in a split."""
        return cast(np.ndarray, self)

    def _of_reader(self, numbers: np.ndarray) -> np.ndarray:
        numbers = np.asarray(numbers, np.int64)
        if isinstance(self._numbers, range):
            return self._numbers.start + self._numbers.step * numbers
        found: np.ndarray = self._numbers[numbers]
        return found


def is_large(size: float) -> bool:
    """Returns whether examples of `size` bytes on disk would take too much of the machine's or the device's memory."""
    return is_large_for_host(size) or is_large_for_device(size)


def is_large_for_device(size: float) -> bool:
    """Returns whether examples of `size` bytes in the machine's memory would take too much of the device's."""
    if size < _SURELY_SMALL:
        return False  # without asking the device, which would start JAX's backend
    from jaxdl.backend.memory import free_memory  # here, since it imports JAX

    return size > _DEVICE_SHARE * free_memory()


def is_large_for_host(size: float) -> bool:
    """Returns whether examples of `size` bytes would take too much of the machine's memory."""
    if size < _SURELY_SMALL:
        return False
    from jaxdl.backend.memory import free_host_memory  # here, since it imports JAX

    return size > _HOST_SHARE * free_host_memory()


def is_streamed(array: Any) -> bool:
    """Returns whether an array is one that is read from disk when it is asked for."""
    return isinstance(array, Streamed)


class Joined:
    """Streamed arrays one after another; a `Reader`.

    Args:
        parts: the arrays, with examples of one shape and dtype.
    """

    def __init__(self, parts: Sequence[Streamed]):
        self._parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])
        self.shape = (int(self._starts[-1]), *parts[0].shape[1:])
        self.dtype, self.path = parts[0].dtype, parts[0].path
        self.identity = " and ".join(part.identity for part in parts)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        found = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        of_part = np.searchsorted(self._starts, numbers, side="right") - 1
        for place, part in enumerate(self._parts):
            chosen = np.flatnonzero(of_part == place)
            if len(chosen):
                found[chosen] = part.read(numbers[chosen] - self._starts[place])
        return found


def concatenated(arrays: Sequence[Any]) -> np.ndarray:
    """Returns arrays one after another; streamed ones stay where they lie."""
    return Streamed(Joined(arrays)).as_array() if all(map(is_streamed, arrays)) else np.concatenate(arrays)


def blocks(split: Mapping[str, np.ndarray], step: int | None = None) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Goes through a split: yields the number of the first example, and the arrays of some, all of them in memory.

    Args:
        split: a split that is in memory is one block, where `step` does not say how many examples make one.
        step: examples in a block; None: as many as take `PART_BYTES`.
    """
    count = max(map(len, split.values()), default=0)
    streamed = [array for array in split.values() if is_streamed(array)]
    if step is None and not streamed:
        yield 0, dict(split)
        return
    bytes_each = sum(math.prod(array.shape[1:]) * array.dtype.itemsize for array in streamed)
    step = step or max(1, PART_BYTES // max(1, bytes_each))
    for start in range(0, count, step):
        yield start, {name: np.asarray(array[start : start + step]) for name, array in split.items()}


def parts(array: np.ndarray, step: int | None = None) -> Iterator[np.ndarray]:
    """Goes through an array, as `blocks` goes through a split."""
    for _, block in blocks({"": array}, step):
        yield block[""]


def remembered(what: str, split: Mapping[str, np.ndarray], find: Callable[[], T]) -> T:
    """Returns what `find` finds out about a split, from the user's cache folder where it was found out before.

    Of a split in memory nothing is kept.

    Args:
        what: names the question, with all that the answer depends on beside the examples.
        split: the arrays that the answer depends on.
        find: goes through them; its answer must be the same after it was written as JSON.
    """
    if not any(map(is_streamed, split.values())):
        return find()
    digest = hashlib.sha256()
    for name in sorted(split):
        array: Any = split[name]
        content = array.identity if is_streamed(array) else hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
        digest.update(f"{name} {array.shape} {array.dtype.str} {content}\n".encode())
    return remembered_by(f"{what} {digest.hexdigest()}", find)


def remembered_by(key: str, find: Callable[[], T]) -> T:
    """Returns what `find` returns, from the user's cache folder where it was found before for the same key.

    Args:
        key: all that the answer depends on.
        find: its answer must be the same after it was written as JSON.
    """
    folder = answers_folder()
    if folder is None:
        return find()
    file = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    try:
        found: T = json.loads(file.read_text())["found"]
        return found
    except (OSError, ValueError, KeyError, TypeError):  # missing or damaged
        pass
    found = find()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, json.dumps({"key": key, "found": found}))
    except (OSError, UserError):  # it is found out again the next time
        pass
    return found


def answers_folder() -> Path | None:
    """Returns the folder, perhaps still to be made, of what was found out; None where the user has no home folder."""
    from jaxdl.files.paths import cache_folder

    try:
        return cache_folder() / "data" / "streams"
    except RuntimeError:
        return None
