"""Files that are written whole or not at all, and clear messages for disk errors."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jaxdl.errors import UserError

_SYNCS = 16
_WAYS_OUT = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f)",
    errno.EROFS: "give a folder that can be written",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "check the path",
    errno.EACCES: "check the permissions",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}


def replace_file(path: Path, content: str | bytes) -> None:
    """Writes a whole file, text in UTF-8, so that a reader sees either the old file or the new one.

    The new content is on the disk before it gets the name; the mode follows the user's umask.

    Raises:
        UserError: it cannot be written; the old file is unchanged.
    """
    draft = path.with_name(f".{path.name}.tmp")
    with named_cause(path, "write"):
        try:
            with open(draft, "wb") as file:
                file.write(_encoded(content) if isinstance(content, str) else content)
                file.flush()
                flush_to_disk(file.fileno())
            os.replace(draft, path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise
        sync_folder(path.parent)


def _encoded(text: str) -> bytes:
    """Returns a text in UTF-8; file names that are not UTF-8 become their original bytes again."""
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return text.encode(errors="replace")  # an unpaired surrogate, which does not occur in file names


def append_line(path: Path, line: bytes) -> None:
    """Appends a line as a whole.

    Raises:
        UserError: it cannot be written; the file has its old length.
    """
    with named_cause(path, "write"):
        # Opened each time, so that a folder that was removed is noticed.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            before = os.fstat(descriptor).st_size
            try:
                while line:
                    line = line[os.write(descriptor, line) :]
            except OSError:
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable, so that they survive a power failure: what was created, renamed, removed."""
    _sync(path)


def create_folder(path: Path) -> list[Path]:
    """Creates a folder and its parents, with durable names; returns those that did not exist, innermost first."""
    created = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in created:
        sync_folder(folder.parent)
    return created


def sync_tree(path: Path) -> None:
    """Makes a folder with all that is below it durable: the content of each file, and the names in each folder."""
    walk = os.walk(path, onerror=_raise)  # it would leave out what it cannot list
    below = [os.path.join(folder, name) for folder, _, files in walk for name in ("", *files)]
    # At the same time, since a file system writes all that it is asked for meanwhile in one go.
    list(_threads().map(_sync, below))


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Returns the threads that sync; kept, since starting them took more of the processor than the syncs."""
    os.register_at_fork(after_in_child=_threads.cache_clear)  # a fork has none of the threads
    return ThreadPoolExecutor(_SYNCS, thread_name_prefix="sync")


def _raise(error: OSError) -> None:
    raise error


def _sync(path: Path | str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flush_to_disk(descriptor)
    finally:
        os.close(descriptor)


def flush_to_disk(descriptor: int) -> None:
    """Writes an open file or folder to the disk, so that it survives a power failure.

    On macOS, fsync(2) leaves it in the drive's own memory, and F_FULLFSYNC of fcntl(2) does not; file systems that do
    not know it, such as those of a server, are asked for the former.
    """
    if sys.platform == "darwin":
        import fcntl  # here, since Windows has none

        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


@contextlib.contextmanager
def named_cause(path: Path, action: str) -> Iterator[None]:
    """Turns an error of the operating system into one line: what failed, where, why, and what to do.

    Args:
        path: the file or folder concerned.
        action: what is being done to it, such as ``"write"``.
    """
    try:
        yield
    except OSError as error:
        way = way_out(error)
        if error.errno == errno.ENOENT and action.startswith("write"):
            way = "the folder was removed while it was in use"
        raise UserError(f"cannot {action} {path}: {error.strerror or error}; {way}.") from error


def way_out(error: OSError) -> str:
    """Returns what to do about an error of the operating system."""
    return _WAYS_OUT.get(error.errno or 0, "check the path and the disk")


def writing_failed(error: OSError) -> bool:
    """Returns whether an error is one that only writing can give."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
