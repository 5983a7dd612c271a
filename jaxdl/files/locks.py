"""A folder that one process locks, until it releases the lock or ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

LOCK = ".jaxdl.lock"


class InUse(UserError):
    """Another process has locked the folder."""


class FolderLock:
    """The lock of a folder, held from its creation until `release` or the end of the process.

    Args:
        folder: an existing folder; a file `LOCK` is made in it.
        noun: what the folder is called in messages, such as ``"run directory"``.
        flag: the option that names another one, such as ``"--run_dir"``.

    Raises:
        InUse: another process has locked it.
        UserError: the folder cannot be locked.
    """

    def __init__(self, folder: Path, noun: str, flag: str):
        with named_cause(folder, f"create the {noun}"):
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, f"the {noun} {folder}", flag)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor: int | None = descriptor
        self._folder, self._noun, self._flag = folder, noun, flag
        self.check()  # the folder may have been removed between opening and locking

    def check(self) -> None:
        """Checks that the folder is still the one that was locked.

        Raises:
            UserError: it was removed, and perhaps created again by another process; or the disk does not answer.
        """
        assert self._descriptor is not None
        with named_cause(self._folder / LOCK, "look at"):
            held = os.fstat(self._descriptor)
            try:
                same = os.path.samestat(held, os.stat(self._folder / LOCK))
            except (FileNotFoundError, NotADirectoryError):
                same = False
        if not same:
            raise UserError(
                f"the {self._noun} {self._folder} was removed while it was in use: run the same command again, or give "
                f"another {self._flag}."
            )

    def release(self) -> None:
        """Releases the folder; a second call does nothing."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            # Unlock as well as close: a child process forked meanwhile has a copy of the descriptor and would keep the
            # lock.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Returns whether a process has locked a folder; nothing is written."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int, folder: str, flag: str) -> None:
    """Takes the lock and writes this process's id into it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        who = f"process {holder}" if holder.isdigit() else "another process"
        raise InUse(f"{folder} is in use by {who}: wait for it, or give another {flag}.") from error
    except OSError as error:
        raise UserError(f"cannot lock {folder}: {error.strerror}; give one on a local disk.") from error
    with named_cause(Path(folder), "write the lock of"):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
