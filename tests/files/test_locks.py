"""A folder that one process holds alone."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdl.errors import UserError
from jaxdl.files.locks import LOCK, FolderLock, InUse, holder_of, is_locked, this_machine

HOLDING = """
import sys, time
from pathlib import Path
from jaxdl.files.locks import FolderLock

lock = FolderLock(Path(sys.argv[1]), "run directory", "--run_dir")
print("held", flush=True)
time.sleep(60)
"""


def lock(folder: Path) -> FolderLock:
    return FolderLock(folder, "run directory", "--run_dir")


def test_a_second_holder_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first = lock(tmp_path)
    with pytest.raises(InUse, match=rf"in use by process {os.getpid()}: wait for it, or give another --run_dir"):
        lock(tmp_path)
    first.release()
    first.release()
    lock(tmp_path).release()
    assert holder_of(tmp_path) == (os.getpid(), this_machine())
    assert (tmp_path / LOCK).read_text().startswith(f"{os.getpid()} on {this_machine()} ")


def test_the_death_of_its_process_frees_the_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(InUse, match=f"in use by process {holder.pid}:"):
            lock(tmp_path)
        holder.kill()
    lock(tmp_path).release()


@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_child_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    held = lock(tmp_path)
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        held.release()
        lock(tmp_path).release()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_folder_that_is_removed_or_made_anew_is_held_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    held = lock(folder)
    held.check()
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="was removed while it was in use"):
        held.check()
    folder.mkdir()
    other = lock(folder)
    with pytest.raises(UserError, match="was removed while it was in use"):
        held.check()
    other.check()
    held.release()
    other.release()


def test_a_disk_that_does_not_answer_is_no_removal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = lock(tmp_path)

    def fail(path: object, flags: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    with monkeypatch.context() as patch, pytest.raises(UserError, match="Input/output error") as found:
        patch.setattr(os, "open", fail)
        held.check()
    assert isinstance(found.value.__cause__, OSError)  # so that a sweep knows it for an error of the disk
    held.check()
    held.release()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"cannot create the run directory {tmp_path / 'none'}: "):
        lock(tmp_path / "none")


def test_whether_a_folder_is_locked_is_seen_without_locking_it(tmp_path: Path) -> None:
    assert not is_locked(tmp_path) and list(tmp_path.iterdir()) == []
    held = lock(tmp_path)
    assert is_locked(tmp_path) and is_locked(tmp_path)
    held.release()
    assert not is_locked(tmp_path)
    lock(tmp_path).release()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_in_one_line(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(
        UserError, match=r"cannot lock .*: its file system has no locks \(.*\); give a --run_dir"
    ) as found:
        lock(tmp_path)
    assert "\n" not in str(found.value) and "docs/cluster.md" in str(found.value)


def test_a_machine_that_takes_it_all_the_same_is_noticed_and_named(tmp_path: Path) -> None:
    """Where a file system keeps locks to each machine, both hold one; the second writes its name."""
    held = lock(tmp_path)
    held.check()
    (tmp_path / LOCK).write_text("77 on node-9 0123456789abcdef")
    with pytest.raises(UserError, match="was taken by process 77 on node-9 .*does not share locks between machines"):
        held.check()
    with pytest.raises(InUse, match="is in use by process 77 on node-9: wait for it"):
        lock(tmp_path)
    held.release()


@pytest.mark.parametrize(("content", "holder"), [("17\n", (17, "")), ("", None), ("x on y z", None), ("9" * 20, None)])
def test_what_an_earlier_jaxdl_wrote_is_read(content: str, holder: object, tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(content)
    assert holder_of(tmp_path) == holder and not is_locked(tmp_path)
