"""Running runs are followed by their files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import jaxdl
from jaxdl.comparison.following import Followed, Following
from jaxdl.files.locks import LOCK, FolderLock
from tests.comparison.made import made


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A run directory that this process holds."""
    path = made(tmp_path / "runs/a", status=None, curve=(0.5, 0.6))
    lock = FolderLock(path, "run directory", "--run_dir")
    yield path
    lock.release()


def log(path: Path, text: str) -> None:
    with (path / "metrics.jsonl").open("a") as file:
        file.write(text)


def test_what_is_new_is_read_once_and_half_a_line_later(running: Path) -> None:
    followed = Followed(jaxdl.find_runs(running)[0])
    assert followed.look() and not followed.look()
    assert followed.series("validation/accuracy") == [0.5, 0.6]
    line = json.dumps({"step": 30, "epoch": 3, "split": "validation", "accuracy": 0.7, "loss": "nan"})
    log(running, line[:20])
    assert not followed.look() and followed.row["epoch"] == 2
    log(running, line[20:] + "\n")
    assert followed.look()
    row = followed.row
    assert (row["status"], row["epoch"], row["epochs"], row["step"]) == ("running", 3, 2, 30)
    assert row["validation/accuracy"] == 0.7 and row["validation/loss"] != row["validation/loss"]


def test_a_run_that_resumes_is_read_from_the_start(running: Path) -> None:
    followed = Followed(jaxdl.find_runs(running)[0])
    followed.look()
    first = (running / "metrics.jsonl").read_text().splitlines()[0]
    (running / "metrics.jsonl").write_text(first + "\n")
    assert followed.look() and followed.series("validation/accuracy") == [0.5]


def test_a_run_is_running_while_its_process_holds_it(tmp_path: Path) -> None:
    path = made(tmp_path / "a", status=None, curve=(0.5,))
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    (path / LOCK).write_text(done.stdout)
    followed = Followed(jaxdl.find_runs(path)[0])
    assert followed.status == "running"  # its files have just been written: it may be on another machine
    for name in ("metrics.jsonl", LOCK):
        os.utime(path / name, (0, 0))
    assert followed.status == "gone"
    (path / LOCK).write_text(str(os.getpid()))  # a number that was given again, to a process that does not hold it
    os.utime(path / LOCK, (0, 0))
    assert followed.status == "gone"
    lock = FolderLock(path, "run directory", "--run_dir")
    assert followed.status == "running"
    lock.release()
    (path / "summary.json").write_text('{"status": "preempted"}')
    assert followed.status == "preempted"


def test_those_that_run_are_followed_until_they_end(running: Path) -> None:
    made(running.parent / "before", accuracy=0.8)
    following = Following(running.parent)
    assert [each.run.path for each in following.runs] == [running] and following.not_running == 1
    assert not following.ended
    log(running, json.dumps({"step": 30, "epoch": 3, "split": "test", "accuracy": 0.9}) + "\n")

    def end() -> None:
        time.sleep(0.2)
        (running / "summary.json").write_text('{"status": "completed"}')
        (running / LOCK).write_text("")

    thread = threading.Thread(target=end)
    thread.start()
    rows = list(jaxdl.follow(running, seconds=0.05))
    thread.join()
    assert [row["status"] for row in rows[-1]] == ["completed"] and rows[-1][0]["test/accuracy"] == 0.9


def test_what_is_not_wanted_is_not_followed(running: Path) -> None:
    assert Following(running.parent, wanted=lambda run: run.value("epochs") == 3).runs == []
