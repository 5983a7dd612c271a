"""Fills an array with what is read from many files, on as many threads as there are cores."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jaxdl.backend.cores import usable_cores
from jaxdl.errors import UserError

# Progress is told after so many seconds, and then every so many.
_QUIET, _TELL_EVERY = 2.0, 10.0
# A thread reads so many files at a time where there are many, since handing them out takes time, too; each thread still
# gets so many times work, so that all end together.
_ROWS, _TASKS = 4, 64


def fill(
    inputs: Any,
    paths: Sequence[Path],
    read: Callable[[Path], Any],
    notify: Callable[[str], None] | None = None,
    *,
    skip: bool = False,
    what: str = "images",
    reached: Callable[[int], None] = lambda count: None,
) -> dict[int, str]:
    """Fills the rows of an array with what `read` returns for each path.

    Args:
        inputs: an array (paths, ...) or a list of as many entries, written to.
        paths: the files.
        read: called with `bombs_refused` in force, on several threads: Pillow decodes without Python's lock.
        notify: called with progress lines if it takes long.
        skip: whether a `UserError` of `read` leaves its row as it is.
        what: what the files are, in progress lines.
        reached: called on this thread with how many rows, from the first, are filled, until one is skipped.

    Returns:
        The messages of the rows that were skipped, in order.

    Raises:
        UserError: the first one of `read`, in the order of the paths.
    """
    skipped: dict[int, str] = {}
    threads = min(len(usable_cores()), max(1, len(paths)))
    step = max(1, min(_ROWS, len(paths) // (threads * _TASKS)))

    def work(first: int) -> int:
        for row in range(first, min(first + step, len(paths))):
            try:
                inputs[row] = read(paths[row])
            except UserError as problem:
                if not skip:
                    raise
                skipped[row] = str(problem)
        return first

    pool = ThreadPoolExecutor(threads)
    due = time.monotonic() + _QUIET
    try:
        with bombs_refused():
            for first in pool.map(work, range(0, len(paths), step)):
                if not skipped:
                    reached(min(first + step, len(paths)))
                if notify is not None and time.monotonic() > due:
                    due = time.monotonic() + _TELL_EVERY
                    notify(f"Decoding {len(paths):,} {what}: {100 * first // len(paths)} %")
    finally:
        pool.shutdown(cancel_futures=True)
    return dict(sorted(skipped.items()))


@contextlib.contextmanager
def bombs_refused() -> Iterator[None]:
    """Makes Pillow's warning about an image that is large enough to fill the memory an error, as at twice that size.

    It is not made in each thread, because the filters of warnings belong to all threads.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield
