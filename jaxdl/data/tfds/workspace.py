"""A temporary folder inside the data folder, so that only complete results ever get their final names."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from jaxdl.data.source import Notify

_PREFIX = ".jaxdl-"


@contextlib.contextmanager
def workspace(data_dir: Path, notify: Notify) -> Iterator[Path]:
    """Creates an empty folder in `data_dir`, and `data_dir` itself if it is missing; removes the folder at the end.

    One process at a time works in a data folder; others wait. The next process removes what a killed one left.

    Raises:
        OSError: the folder cannot be made or written.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with _alone(data_dir, notify) as certain:
        if certain:
            for stale in data_dir.glob(_PREFIX + "*"):
                shutil.rmtree(stale, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=data_dir))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _alone(data_dir: Path, notify: Notify) -> Iterator[bool]:
    """Locks a folder against other processes; yields whether the lock succeeded.

    The lock is on the folder itself: it needs no file, and the system releases it when the process ends.
    """
    import fcntl

    folder = os.open(data_dir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            certain = True
        except BlockingIOError:
            notify(f"Waiting for another process that is preparing data in {data_dir}.")
            fcntl.flock(folder, fcntl.LOCK_EX)
            certain = True
        except OSError:  # some network file systems cannot lock a folder; the random name is then the only protection
            certain = False
        yield certain
    finally:
        os.close(folder)


def writing_problem(data_dir: Path) -> str | None:
    """Returns why a folder, which may not exist yet, is not writable, or None."""
    existing = next(path for path in (data_dir, *data_dir.absolute().parents) if path.exists())
    if not existing.is_dir():
        return f"{existing} is not a folder"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"{existing} is not writable"
    return None
