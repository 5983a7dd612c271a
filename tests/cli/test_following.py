"""``--mode=follow``: running runs in the terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

import jaxdl
from jaxdl.cli.following import line, small_curve, table
from jaxdl.cli.main import command
from jaxdl.comparison.following import Followed
from jaxdl.files.locks import FolderLock
from tests.comparison.made import made

ROOT = Path(__file__).resolve().parents[2]
FOLLOW = [sys.executable, "launch.py", "--mode=follow"]


def test_several_runs_are_a_table_with_their_figures_and_a_small_curve(tmp_path: Path) -> None:
    for name in ("a", "b"):
        made(tmp_path / name, curve=(0.25, 0.5, 0.75))
    followed = [Followed(run) for run in jaxdl.find_runs(tmp_path)]
    assert all(each.look() for each in followed)
    written = io.StringIO()
    Console(width=120, file=written).print(table(followed, []))
    first, second = [row.split() for row in written.getvalue().splitlines() if "completed" in row]
    assert first == ["a", "completed", "3/2", "30", "0.7500", "0.2500", "▁▅█"] and second[0] == "b"
    assert line(followed[0]) == "a  epoch 3/2  validation accuracy 0.7500 loss 0.2500"


def test_a_small_curve_leaves_out_what_is_not_finite() -> None:
    assert small_curve([1.0, float("nan"), 2.0]) == "▁█" and small_curve([float("inf")]) == ""
    assert small_curve([3.0, 3.0]) == "▁▁"


def test_where_nothing_runs_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        made(tmp_path / name)
    assert command(["--mode=follow", f"--runs={tmp_path}"], [], 0.0) == 0
    assert capsys.readouterr().err == "none of the 2 runs is running.\n"


def test_it_ends_when_the_run_ends(tmp_path: Path) -> None:
    path = made(tmp_path / "a", status=None, curve=(0.5,))
    lock = FolderLock(path, "run directory", "--run_dir")
    with subprocess.Popen([*FOLLOW, f"--runs={path}"], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "a  epoch 1/2  validation accuracy 0.5000 loss 0.5000\n"
        with (path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": 20, "epoch": 2, "split": "test", "accuracy": 0.75}) + "\n")
        (path / "summary.json").write_text('{"status": "completed"}')
        lock.release()
        assert process.stderr.readline() == "a  epoch 2/2  test accuracy 0.7500\n"
        assert process.stderr.read() == f"{path}: completed\n" and process.wait(30) == 0


def test_ctrl_c_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    path = made(tmp_path / "a", status=None, curve=(0.5,))
    lock = FolderLock(path, "run directory", "--run_dir")
    screen, terminal = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([*FOLLOW, f"--runs={path}"], cwd=ROOT, env=environment, stdout=terminal, stderr=terminal)
    os.close(terminal)
    seen, until = b"", time.monotonic() + 60
    while b"running" not in seen and time.monotonic() < until:
        seen += os.read(screen, 4096)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            more = os.read(screen, 4096)
        except OSError:
            break
        if not more:
            break
        seen += more
    assert process.wait(30) == 130
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l") >= 0 and b"Traceback" not in seen
    lock.release()
