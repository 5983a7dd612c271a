"""Arrays in files that are read by the numbers of their examples, and written a part at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxdl.data.memory import empty
from jaxdl.data.stream import PART_BYTES, Streamed
from jaxdl.errors import UserError


@dataclasses.dataclass(frozen=True)
class Header:
    """What lies where in a file.

    Attributes:
        shape: (examples, ...).
        dtype: as stored.
        offset: where the first number begins, in bytes.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int


class ArrayOnDisk:
    """Reads examples of an array in an open file by their numbers; a `jaxdl.data.stream.Reader`.

    It reads with `os.pread`, not through a memory map: the pages of a map count as the process's memory, and an error
    of the disk, or a file that became shorter, would end the process without a word.

    Args:
        path: the file, also an attribute.
        header: where the array lies in it.
        convert: converts what was read, example by example; it keeps the shape.
    """

    def __init__(self, path: Path, header: Header, convert: Callable[[np.ndarray], np.ndarray] | None = None):
        self.path, self._header, self._convert = path, header, convert
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115  (closed with the last array that reads from it)
        self._each = math.prod(header.shape[1:]) * header.dtype.itemsize
        size = os.fstat(self._file.fileno()).st_size
        if size < header.offset + header.shape[0] * self._each:
            raise UserError(f"{path} is cut short: it has {size:,} bytes; copy or make it again.")
        self.shape = header.shape
        empty = np.empty((0, *header.shape[1:]), header.dtype)
        self.dtype = (empty if convert is None else convert(empty)).dtype

    @property
    def identity(self) -> str:
        stat = os.fstat(self._file.fileno())
        header = self._header
        place = [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, header.offset]
        return f"{place} {header.shape} {header.dtype.str} {self.dtype.str}"

    def read(self, numbers: np.ndarray) -> np.ndarray:
        out = empty((len(numbers), *self.shape[1:]), self._header.dtype)
        if out.size:
            # What lies side by side is read at once.
            ends = [*(np.flatnonzero(np.diff(numbers) != 1) + 1).tolist(), len(numbers)]
            places = (self._header.offset + numbers * self._each).tolist()
            bytes_out = memoryview(out.reshape(-1).view(np.uint8).data)
            descriptor, start = self._file.fileno(), 0
            if len(ends) > 1 and hasattr(os, "posix_fadvise"):  # so that the disk works on many at once
                for begin, end in itertools.pairwise([0, *ends]):
                    os.posix_fadvise(descriptor, places[begin], (end - begin) * self._each, os.POSIX_FADV_WILLNEED)
            for end in ends:
                self._fill(descriptor, bytes_out[start * self._each : end * self._each], places[start])
                start = end
        return out if self._convert is None else self._convert(out)

    def _fill(self, descriptor: int, room: memoryview, place: int) -> None:
        while room:
            try:
                count = os.preadv(descriptor, [room], place)
            except OSError as error:
                raise UserError(f"{self.path} cannot be read: {error.strerror or error}.") from error
            if not count:
                raise UserError(f"{self.path} became shorter while it was read; it ends before byte {place + 1:,}.")
            room, place = room[count:], place + count


def opened(path: Path) -> np.ndarray:
    """Returns the array of an ``.npy`` file, whose examples are read when they are asked for.

    Raises:
        OSError, ValueError: the file cannot be read, or is damaged; see `header_of`.
        UserError: it is cut short.
    """
    with path.open("rb") as file:
        header = header_of(file)
    return Streamed(ArrayOnDisk(path, header)).as_array()


def header_of(file: IO[bytes]) -> Header:
    """Returns the header of the ``.npy`` data that begin where a file stands.

    Raises:
        ValueError: they are damaged, hold objects, or are in Fortran's order.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if not shape:
        raise ValueError("it holds one number, not an array of examples")
    if fortran and len(shape) > 1:
        raise ValueError("it is in Fortran's order, column by column: save np.ascontiguousarray(array)")
    return Header(tuple(shape), dtype, file.tell())


def headers_in_zip(path: Path) -> Iterator[tuple[str, Header | None]]:
    """Yields the name and header of each array in an ``.npz`` file, None for one that is compressed.

    Raises:
        ValueError: an array is none that can be read by its examples; see `header_of`.
        OSError, zipfile.BadZipFile: the file cannot be read.
    """
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if member.compress_type != zipfile.ZIP_STORED:
                yield name, None
                continue
            file.seek(member.header_offset + 26)  # the local header: its lengths differ from those in the directory
            lengths = struct.unpack("<HH", file.read(4))
            file.seek(sum(lengths), os.SEEK_CUR)
            yield name, header_of(file)


class _Plain:
    """A file of which NumPy knows only that it can be written to."""

    def __init__(self, file: IO[bytes]):
        self.write = file.write


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes an ``.npy`` file.

    `numpy.save` writes to a file of the system by C's ``fwrite``, and its error does not say what went wrong.

    Args:
        path: the file, which is made or replaced.
        array: of any shape, and any dtype but Python's objects.

    Raises:
        OSError: it cannot be written.
        ValueError: the array holds Python's objects.
    """
    with open(path, "wb") as file:
        np.save(_Plain(file), array, allow_pickle=False)


class Writer:
    """Writes an ``.npy`` file a part at a time; the number of examples need not be known before.

    Args:
        path: the file, which is made.
        shape: of one example.
        dtype: of the examples.

    Attributes:
        count: examples written so far.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]):
        self.count = 0
        self._shape, self._dtype = shape, dtype
        self._file = open(path, "wb")  # noqa: SIM115  (closed by `close`)
        self._write_header()

    def write(self, examples: np.ndarray) -> None:
        """Appends examples, (count, *shape)."""
        assert examples.shape[1:] == self._shape and examples.dtype == self._dtype
        self._file.write(np.ascontiguousarray(examples).data)
        self.count += len(examples)

    def close(self) -> None:
        """Writes how many examples there are."""
        with contextlib.closing(self._file):
            self._file.seek(0)
            self._write_header()

    def _write_header(self) -> None:
        # NumPy leaves room in it, so that the first axis can grow.
        fields = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self.count, *self._shape),
        }
        np.lib.format.write_array_header_1_0(self._file, fields)


class Filled:
    """An array that is filled example by example: in memory, or in an ``.npy`` file.

    Args:
        count: how many examples there will be.
        shape: of one example.
        dtype: of the examples.
        path: the file; None: in memory.
    """

    def __init__(self, count: int, shape: tuple[int, ...], dtype: np.dtype[Any], path: Path | None):
        self.shape = shape
        self._path = path
        self._writer = None if path is None else Writer(path, shape, dtype)
        each = max(1, math.prod(shape) * dtype.itemsize)
        self._room = np.empty((count if path is None else min(count, max(1, PART_BYTES // each)), *shape), dtype)
        self._count = 0

    def add(self, example: np.ndarray) -> None:
        """Takes the next example."""
        if self._writer is not None and self._count == len(self._room):
            self._writer.write(self._room)
            self._count = 0
        self._room[self._count] = example
        self._count += 1

    def array(self) -> np.ndarray:
        """Returns all examples, when the last one was added; those in a file are read when they are asked for."""
        if self._writer is None or self._path is None:
            return self._room
        self._writer.write(self._room[: self._count])
        self._writer.close()
        return opened(self._path)
