"""A folder that one process locks, until it releases the lock or ends.

The lock is flock(2) on a file in the folder, which the kernel releases when the process ends, however it ends. On file
systems that several machines share it holds for all of them only where the file system says so: NFS takes it to the
server (unless mounted with ``nolock`` or ``local_lock``), Lustre with the mount option ``flock``, and so do CephFS and
GPFS; BeeGFS only where it is set up for it. Where locks are those of one machine only, two machines may both take one.
So the file also says who holds it, and `FolderLock.check`, which comes before each writing, reads it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import socket
from pathlib import Path

from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

LOCK = ".jaxdl.lock"
# What a file system without locks answers: NFS whose server has no lock service, Lustre without its option, FUSE.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)
_MOST = 200  # bytes of what the file says
_HOLDER = re.compile(r"(\d{1,10})(?: on (\S+) [0-9a-f]+)?", re.ASCII)


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
            self._holder = _lock(descriptor, f"the {noun} {folder}", flag)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor: int | None = descriptor
        self._file, self._folder, self._noun, self._flag = folder / LOCK, folder, noun, flag
        self.check()  # the folder may have been removed between opening and locking

    def check(self) -> None:
        """Checks that the folder is still the one that was locked.

        Raises:
            UserError: it was removed, and perhaps created again by another process; a process of another machine has
                taken it, since the locks of its file system are not shared; or the disk does not answer.
        """
        assert self._descriptor is not None
        with named_cause(self._file, "look at"):
            held, present = os.fstat(self._descriptor), _present(self._file)
        if present is None or not os.path.samestat(held, present[0]):
            raise UserError(
                f"the {self._noun} {self._folder} was removed while it was in use: run the same command again, or give "
                f"another {self._flag}."
            )
        holder = present[1].decode("ascii", "replace")
        if holder != self._holder:
            raise UserError(
                f"the {self._noun} {self._folder} was taken by {_named(holder)} while it was in use: its file system "
                f"does not share locks between machines; give each run its own {self._flag}, and run the same command "
                "again."
            )

    def release(self) -> None:
        """Releases the folder; a second call does nothing."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            # Unlock as well as close: a child process forked meanwhile has a copy of the descriptor and would keep the
            # lock.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _present(file: Path) -> tuple[os.stat_result, bytes] | None:
    """Returns what a lock's file is now, and what it says; None where there is none."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.fstat(descriptor), os.read(descriptor, _MOST)
    finally:
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


def _lock(descriptor: int, folder: str, flag: str) -> str:
    """Takes the lock; writes into it, and returns, who holds it: process, machine, and a number of its own."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, _MOST, 0).decode("ascii", "replace")
        raise InUse(f"{folder} is in use by {_named(holder)}: wait for it, or give another {flag}.") from error
    except OSError as error:
        why = f"its file system has no locks ({error.strerror})" if error.errno in _NO_LOCKS else error.strerror
        raise UserError(
            f"cannot lock {folder}: {why}; give a {flag} on a local disk, or mount it with locks (see docs/cluster.md)."
        ) from error
    holder = f"{os.getpid()} on {this_machine()} {secrets.token_hex(8)}"
    with named_cause(Path(folder), "write the lock of"):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
    return holder


def holder_of(folder: Path) -> tuple[int, str] | None:
    """Returns the process that locked a folder last, and its machine; empty for an earlier jaxdl's, which wrote none.

    It may have ended since. None: no one has.
    """
    try:
        found = _HOLDER.fullmatch((folder / LOCK).read_bytes()[:_MOST].decode("ascii", "replace").strip())
    except OSError:
        return None
    return (int(found[1]), found[2] or "") if found else None


def _named(holder: str) -> str:
    """Returns who holds a lock, as far as its file says it."""
    found = _HOLDER.fullmatch(holder.strip())
    if found is None:
        return "another process"
    return f"process {found[1]} on {found[2]}" if found[2] not in (None, this_machine()) else f"process {found[1]}"


def this_machine() -> str:
    """Returns the name of this machine as it stands in locks: a word."""
    return re.sub(r"[^\x21-\x7e]", "-", socket.gethostname())[:100] or "-"
