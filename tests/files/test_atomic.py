"""Files that are written whole or not at all, whatever the disk says in between."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from pathlib import Path

import pytest

from jaxdl.errors import UserError
from jaxdl.files.atomic import append_line, create_folder, named_cause, replace_file, sync_tree


def full_disk(*given: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_replaced_with_the_mode_of_the_users_mask(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    before = os.umask(0o027)
    try:
        replace_file(path, "old")
        replace_file(path, "grüß")
    finally:
        os.umask(before)
    assert path.read_bytes() == "grüß".encode()
    assert path.stat().st_mode & 0o777 == 0o640
    replace_file(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_the_old_file_is_there_until_the_new_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "config.json"
    replace_file(path, "old")
    monkeypatch.setattr(os, failing, full_disk)
    with pytest.raises(UserError, match=rf"cannot write {path}: No space left on device; free some space\."):
        replace_file(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"], "the draft was removed"


def test_a_name_that_is_no_text_comes_back_as_its_bytes(tmp_path: Path) -> None:
    replace_file(tmp_path / "names", os.fsdecode(b"caf\xe9.png"))
    assert (tmp_path / "names").read_bytes() == b"caf\xe9.png"
    replace_file(tmp_path / "names", "half a character: \ud800")
    assert (tmp_path / "names").read_bytes() == b"half a character: ?"


def test_lines_are_appended(tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        append_line(tmp_path / "metrics.jsonl", line)
    assert (tmp_path / "metrics.jsonl").read_bytes() == b"one\ntwo\n"


def test_a_line_that_does_not_fit_leaves_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    append_line(path, b"one\n")
    write = os.write

    def half(descriptor: int, content: bytes) -> int:
        monkeypatch.setattr(os, "write", full_disk)  # the rest
        return write(descriptor, content[: len(content) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(UserError, match="free some space"):
        append_line(path, b"a longer line\n")
    assert path.read_bytes() == b"one\n"


@pytest.mark.parametrize(
    ("number", "action", "way_out"),
    [
        (errno.EACCES, "read", "check the permissions"),
        (errno.EFBIG, "write", "raise the limit on file sizes"),
        (errno.ENOENT, "write", "the folder was removed while it was in use"),
        (errno.ENOENT, "read", "check the path"),
        (errno.EIO, "read", "check the path and the disk"),
        (errno.EROFS, "write", "give a folder that can be written"),
        (errno.EMFILE, "read", "raise the limit on open files"),
    ],
)
def test_an_error_of_the_disk_comes_with_a_way_out(number: int, action: str, way_out: str) -> None:
    with (
        pytest.raises(UserError, match=rf"cannot {action} a/b: .*; {way_out}") as found,
        named_cause(Path("a/b"), action),
    ):
        raise OSError(number, os.strerror(number))
    assert isinstance(found.value.__cause__, OSError)


@pytest.mark.parametrize("known", [True, False])
def test_macos_is_asked_to_empty_the_drives_own_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Where a file system does not know the call, the ordinary one is made in its place."""
    asked: list[str] = []

    def ask(descriptor: int, command: int) -> int:
        asked.append("F_FULLFSYNC" if command == 51 else str(command))
        if not known:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", ask)
    monkeypatch.setattr(os, "fsync", lambda descriptor: asked.append("fsync"))
    replace_file(tmp_path / "file", "text")  # the content, and the name in its folder
    assert asked == (["F_FULLFSYNC"] if known else ["F_FULLFSYNC", "fsync"]) * 2
    asked.clear()
    sync_tree(tmp_path)
    assert asked.count("F_FULLFSYNC") == 2 and asked.count("fsync") == (0 if known else 2)


def test_a_folder_is_created_with_the_names_of_all_above_it_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    assert create_folder(tmp_path / "a" / "b") == [tmp_path / "a" / "b", tmp_path / "a"]
    assert (tmp_path / "a" / "b").is_dir() and sorted(synced) == [str(tmp_path), str(tmp_path / "a")]
    assert create_folder(tmp_path / "a" / "b") == [] and len(synced) == 2
