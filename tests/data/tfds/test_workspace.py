from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import jaxdl
from jaxdl.data.tfds.workspace import workspace, writing_problem

ROOT = Path(jaxdl.__file__).parents[1]


def ignore(line):
    pass


def test_the_folder_goes_with_everything_in_it(tmp_path):
    with workspace(tmp_path / "data", ignore) as folder:
        assert folder.parent == tmp_path / "data"
        (folder / "draft").write_text("half")
    assert list((tmp_path / "data").iterdir()) == []
    with pytest.raises(FileNotFoundError), workspace(tmp_path / "data", ignore) as folder:
        (folder / "none").read_text()
    assert list((tmp_path / "data").iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    code = f"""
import os, pathlib, signal
from jaxdl.data.tfds.workspace import workspace
with workspace(pathlib.Path({str(tmp_path)!r}), print) as folder:
    (folder / "draft").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with workspace(tmp_path, ignore) as folder:
        assert list(tmp_path.iterdir()) == [folder]
        assert list(folder.iterdir()) == []


def test_one_at_a_time_works_in_a_folder(tmp_path):
    lines: list[str] = []
    order: list[str] = []
    inside = threading.Event()

    def second():
        inside.wait()
        with workspace(tmp_path, lines.append):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with workspace(tmp_path, ignore):
        inside.set()
        while not lines:
            pass
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert lines == [f"Waiting for another process that is preparing data in {tmp_path}."]


@pytest.fixture
def read_only_folder():
    """A folder that this process cannot write; a process of the superuser gives up its rights for that."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(user)
        folder.rmdir()


def test_why_a_folder_cannot_be_written_is_told_before_anything_is_written(tmp_path):
    assert writing_problem(tmp_path) is None
    assert writing_problem(tmp_path / "not" / "there") is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert writing_problem(tmp_path / "file") == f"{tmp_path / 'file'} is not a folder"
    assert writing_problem(tmp_path / "file" / "below") == f"{tmp_path / 'file'} is not a folder"


def test_a_folder_without_permission_cannot_be_written(read_only_folder):
    # os.access asks for the real user, which is what counts outside of this test
    assert not os.access(read_only_folder, os.W_OK, effective_ids=True)
    with pytest.raises(PermissionError), workspace(read_only_folder, ignore):
        pass
