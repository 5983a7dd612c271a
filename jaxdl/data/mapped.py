"""Arrays in ``.npy`` files that are read where the system's cache holds them, through a map of memory.

Memory that a process uses for the first time is dear, on virtual machines above all: it can take as long as decoding a
small JPEG into it. What is read from the pages of its own file takes none beside those that the system's cache of this
file takes anyway, and the system may have them back where memory is short.

An error of the disk ends a process that reads through a map without a word, and so does a file that becomes shorter.
So only jaxdl's own files are mapped, which are replaced as a whole and never written to again, and only those on a file
system of this machine: a server may fail, or take away what another machine removes.
"""

from __future__ import annotations

import io
import math
import mmap
import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from jaxdl.data.npy import Header, header_of

_LOCAL = frozenset({"ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs"})


def can_be_mapped(folder: Path) -> bool:
    """Returns whether files in a folder may be mapped: where it is known to lie on a file system of this machine."""
    try:
        device = os.stat(folder).st_dev
        lines = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:  # the folder is missing; or it is another system than Linux
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        of_mount, _, of_system = line.partition(" - ")
        if of_mount.split()[2:3] == [number]:
            return of_system.partition(" ")[0] in _LOCAL
    return False


def mapped(path: Path) -> np.ndarray:
    """Returns the array of an ``.npy`` file of jaxdl's own, read-only; a copy of it where it cannot be mapped.

    Raises:
        OSError, ValueError: the file cannot be read, or is damaged.
    """
    if can_be_mapped(path.parent):
        with open(path, "rb") as file:
            try:
                return _map(file, header_of(file), read_ahead=True)
            except ValueError:  # of a form that is not mapped; NumPy reads it, or says what is wrong
                pass
    array: np.ndarray = np.load(path, allow_pickle=False)
    array.flags.writeable = False
    return array


class Rows:
    """An ``.npy`` file whose examples are written in any order and on any thread, by ``rows[number] = example``.

    Room for all of them is taken at once, so that a full disk is an error then. An example that is written is copied
    from the processor's cache to pages of the system's, where `array` shows it.

    Args:
        path: the file, which is made.
        shape: (examples, ...).
        dtype: of the examples.

    Attributes:
        array: `shape`, read-only; a map of the file.

    Raises:
        OSError: the file cannot be written, or there is no room for it; ``rows[number] = example`` raises it, too.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]):
        self._shape, self._dtype = shape, dtype
        self._each = math.prod(shape[1:]) * dtype.itemsize
        header = io.BytesIO()
        fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, fields)
        self._start = header.tell()
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115  (closed by `close`)
        try:
            os.posix_fallocate(self._file.fileno(), 0, self._start + shape[0] * self._each)
            self._write(header.getbuffer(), 0)
            self.array = _map(self._file, Header(shape, dtype, self._start))
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return self._shape[0]

    def __setitem__(self, row: int, example: np.ndarray) -> None:
        example = np.ascontiguousarray(example)
        assert example.shape == self._shape[1:] and example.dtype == self._dtype
        self._write(example.reshape(-1).view(np.uint8).data, self._start + row * self._each)

    def close(self) -> None:
        """Says that all is written; `array` stays."""
        self._file.close()

    def _write(self, content: memoryview, place: int) -> None:
        while content:
            count = os.pwrite(self._file.fileno(), content, place)
            content, place = content[count:], place + count


def _map(file: IO[bytes], header: Header, *, read_ahead: bool = False) -> np.ndarray:
    """Returns the array of an open file; it needs no open file any more.

    Raises:
        ValueError: the file is shorter than its header says, or empty.
    """
    size = header.offset + math.prod(header.shape) * header.dtype.itemsize
    if os.fstat(file.fileno()).st_size < size:
        raise ValueError("it is cut short")
    pages = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    if read_ahead:  # what lies on the disk alone is read in large pieces, as `read` would
        pages.madvise(mmap.MADV_WILLNEED)
    return np.ndarray(header.shape, header.dtype, pages, header.offset)
