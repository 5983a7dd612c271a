"""A model of a disk that loses power: which states of a folder may be found afterwards.

The way of ALICE (Pillai et al. 2014, "All file systems are not created equal") and CrashMonkey (Mohan et al. 2018): the
operations of a program are recorded, and after each prefix of them the model lists what POSIX allows the disk to hold.
The content of a file is certain when it was synced since its last change; a name in a folder is certain when the folder
was. What is not certain may be there as a whole, in half or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

Content = bytes | None  # None for a folder
Tree = dict[str, tuple[int, Content]]  # inode and content by path below the folder


class Moment(NamedTuple):
    """The folder after one operation.

    Attributes:
        live: what a running program sees.
        synced: the last synced content of each file, by inode.
        names: the last synced names in each folder, with their inodes, by the folder's inode.
        note: what the caller of `Recorder` said was done.
    """

    live: Tree
    synced: dict[int, bytes]
    names: dict[int, dict[str, int]]
    note: Any


class Recorder:
    """Records the operations of this process below a folder, while it is entered.

    Attributes:
        moments: the folder after each operation.
        note: kept with each moment.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self._folder = folder
        self._patch = monkeypatch
        self._synced: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self.moments: list[Moment] = []
        self.note: Any = None
        for name in ("rename", "replace", "rmdir", "unlink", "mkdir"):
            self._patch.setattr(os, name, self._recorded(getattr(os, name)))
        self._patch.setattr(os, "fsync", self._recorded(os.fsync, self._note_sync))

    def _recorded(self, function: Callable[..., Any], then: Callable[..., None] | None = None) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._take()
            result = function(*arguments, **options)
            if then is not None:
                then(*arguments)
            self._take()
            return result

        return call

    def _note_sync(self, descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if os.path.isdir(path):
            self._names[inode] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self._synced[inode] = Path(path).read_bytes()

    def _take(self) -> None:
        live: Tree = {}
        for folder, folders, files in os.walk(self._folder):
            for name in (*folders, *files):
                path = Path(folder, name)
                try:
                    content = None if name in folders else path.read_bytes()
                    live[str(path.relative_to(self._folder))] = (path.stat().st_ino, content)
                except FileNotFoundError:
                    continue  # removed meanwhile by another thread
        self.moments.append(Moment(live, dict(self._synced), dict(self._names), self.note))


def states(moment: Moment, root: int) -> Iterator[tuple[str, dict[str, Content]]]:
    """Yields what may be found after a power failure at a moment, each with its name: contents by path.

    First everything that is not certain is whole, in half, empty or lost; then one thing after the other.

    Args:
        moment: the moment.
        root: inode of the folder.
    """
    files = {path: found for path, found in moment.live.items() if found[1] is not None}
    loose = [path for path, (inode, content) in files.items() if moment.synced.get(inode) != content]
    inodes = {".": root, **{path: inode for path, (inode, content) in moment.live.items() if content is None}}
    unnamed = []
    for path, (inode, _) in moment.live.items():
        known = moment.names.get(inodes[os.path.dirname(path) or "."], {})
        if known.get(os.path.basename(path)) != inode:
            unnamed.append(path)
    yield "whole", _with(moment, {}, ())
    for how in ("half", "empty"):
        yield f"all {how}", _with(moment, dict.fromkeys(loose, how), ())
    yield "all new names lost", _with(moment, {}, unnamed)
    for path in loose:
        for how in ("half", "empty"):
            yield f"{path} {how}", _with(moment, {path: how}, ())
    for path in unnamed:
        yield f"{path} lost", _with(moment, {}, [path])


def _with(moment: Moment, changed: dict[str, str], lost: Any) -> dict[str, Content]:
    found: dict[str, Content] = {}
    for path, (_, content) in moment.live.items():
        if any(path == gone or path.startswith(gone + os.sep) for gone in lost):
            continue
        if content is not None and path in changed:
            content = content[: len(content) // 2] if changed[path] == "half" else b""
        found[path] = content
    return found


def write(state: dict[str, Content], folder: Path) -> None:
    """Writes a state into a new folder."""
    folder.mkdir()
    for path, content in state.items():
        target = folder / path
        if content is None:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
