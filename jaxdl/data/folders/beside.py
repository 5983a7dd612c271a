"""What is done with pictures while later ones are still decoded: their fingerprint and the file that is kept."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from jaxdl.data.npy import Writer
from jaxdl.data.spec import Split, fingerprint

# Rows are handed on when there are so many bytes of them, so that threads do not wake for each.
_STEP_BYTES = 2**20


class _GivenUp(Exception):
    """The rows that a thread waits for will not be filled."""


class _Rows:
    """Lets threads go through rows of an array as soon as they are filled.

    Args:
        array: (rows, ...), which is filled in order.
    """

    def __init__(self, array: np.ndarray):
        self._array = array
        self._step = max(1, _STEP_BYTES // max(1, array[:1].nbytes))
        self._filled, self._ended = 0, False
        self._changed = threading.Condition()

    def reach(self, count: int) -> None:
        if self._ended or (count - self._filled < self._step and count < len(self._array)):
            return
        with self._changed:
            self._filled = count
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def parts(self, array: np.ndarray) -> Iterator[np.ndarray]:
        """Yields the rows of an array; where it is a part of the one that is filled, as soon as they are.

        Raises:
            _GivenUp: filling ended before.
        """
        if not np.may_share_memory(array, self._array):
            yield array
            return
        first = (array.ctypes.data - self._array.ctypes.data) // max(1, self._array.strides[0])
        done = 0
        while done < len(array):
            with self._changed:
                self._changed.wait_for(lambda known=first + done: self._filled > known or self._ended)  # type: ignore[misc]
                filled = self._filled
            if filled <= first + done:
                raise _GivenUp
            end = min(filled - first, len(array))
            yield array[done:end]
            done = end


class Beside:
    """Takes the fingerprint of splits, and writes all inputs to a file, while inputs are filled; a context manager.

    At its end no thread works on the inputs any more.

    Args:
        inputs: (examples, ...), filled in order.
        splits: parts of it, with the other arrays, which are complete.
        file: is made; None: none is written.
    """

    def __init__(self, inputs: np.ndarray, splits: Mapping[str, Split], file: Path | None):
        self._rows = _Rows(inputs)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="beside decoding")
        self._digest = self._pool.submit(
            fingerprint, splits["train"], splits.get("test"), splits.get("validation"), self._rows.parts
        )
        self._file = self._pool.submit(self._write, inputs, file) if file is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.end()
        self._pool.shutdown()

    def reach(self, count: int) -> None:
        """Says how many examples, from the first, are filled and will stay as they are."""
        self._rows.reach(count)

    def give_up(self) -> None:
        """Says that what was filled will not stay as it is: neither fingerprint nor file is wanted."""
        self._rows.end()

    def results(self) -> tuple[str, Path | None] | None:
        """Returns the fingerprint, and the file, if one was asked for and could be written; when the context has ended.

        None where not all inputs were filled, or by `give_up`.
        """
        try:
            digest = self._digest.result()
            return digest, None if self._file is None else self._file.result()
        except OSError:
            return digest, None
        except _GivenUp:
            return None

    def _write(self, inputs: np.ndarray, file: Path) -> Path:
        try:
            with contextlib.closing(Writer(file, inputs.shape[1:], inputs.dtype)) as writer:
                for part in self._rows.parts(inputs):
                    writer.write(part)
        except (OSError, _GivenUp):
            file.unlink(missing_ok=True)  # room for what is written instead, also where the disk is nearly full
            raise
        return file
