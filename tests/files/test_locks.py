"""A folder that one process holds alone."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jaxdl.errors import UserError
from jaxdl.files.locks import LOCK, FolderLock, InUse, is_locked

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
    assert (tmp_path / LOCK).read_text() == str(os.getpid())


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

    def fail(path: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    with monkeypatch.context() as patch, pytest.raises(UserError, match="Input/output error") as found:
        patch.setattr(os, "stat", fail)
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
