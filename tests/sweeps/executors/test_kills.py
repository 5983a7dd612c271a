"""A sweep that is stopped anywhere, on any executor, ends with the table of one that was not."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.sweeps.kills import KILLS, command, killed_at_random, run_whole, table

EXECUTORS = {
    "inline": ["--sweep_batch=off"],
    "side_by_side": ["--sweep_batch=8"],
    "processes": ["--executor=processes", "--workers=2"],
}


@pytest.mark.slow
@pytest.mark.nightly  # CI kills trials in the search and the worker below, and in test_shared_checkpoints.py
@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize("executor", EXECUTORS)
def test_killed_at_random_moments(executor: str, kills: int, tmp_path: Path) -> None:
    flags = EXECUTORS[executor]
    run_whole(tmp_path / "whole", flags)
    expected = table(tmp_path / "whole")
    assert len(expected) == 12 and {row["state"] for row in expected} == {"completed"}
    seconds = run_whole(tmp_path / "again", flags)
    for found in killed_at_random(tmp_path / "killed", flags, seconds, kills, seed=7):
        assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize("kills", KILLS)
def test_a_search_killed_at_random_moments(kills: int, tmp_path: Path) -> None:
    flags = [
        *("--sweep_batch=off", "--sweep_mode=tpe", "--trials=12", "--prune=median"),
        *("--sweep=batch_size=int(16,64,step=16)", "--sweep_if=learning_rate * batch_size < 1"),
        "--enqueue=batch_size=48 dropout=0.2",
    ]
    seconds = run_whole(tmp_path / "whole", flags)
    expected = table(tmp_path / "whole")
    assert len(expected) == 12 and expected[0]["training.batch_size"] == "48"
    assert all(float(r["optimizer.learning_rate"]) * int(r["training.batch_size"]) < 1 for r in expected)
    for found in killed_at_random(tmp_path / "killed", flags, seconds, kills, seed=7):
        assert found == expected


@pytest.mark.slow
def test_a_worker_that_dies_costs_no_trial(tmp_path: Path) -> None:
    sweep_dir = tmp_path / "s"
    process = subprocess.Popen(
        command(sweep_dir, *EXECUTORS["processes"], "--epochs=20"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lost = False
    while process.poll() is None and not lost:
        workers = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        running = [path for path in sweep_dir.glob("trials/*/checkpoints/[0-9]*")]
        if workers and running:
            os.kill(int(workers[0]), signal.SIGKILL)
            lost = True
        time.sleep(0.05)
    _, errors = process.communicate(timeout=400)
    assert lost and process.returncode == 0, errors
    assert "lost its worker process (signal 9)" in errors
    rows = table(sweep_dir)
    assert {row["state"] for row in rows} == {"completed"}
    with open(sweep_dir / "results.csv") as file:
        assert sorted(row["attempts"] for row in csv.DictReader(file)) == ["1"] * 11 + ["2"]


@pytest.mark.slow
def test_a_signal_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    sweep_dir = tmp_path / "s"
    first = subprocess.Popen(command(sweep_dir), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not completed_summaries(sweep_dir):
        time.sleep(0.05)
        assert first.poll() is None
    first.terminate()
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 143 and "the same command continues" in errors and "of 12 trials are finished" in errors
    states = [row["state"] for row in table(sweep_dir)]
    assert "completed" in states and "waiting" in states
    before = completed_summaries(sweep_dir)
    second = subprocess.run(command(sweep_dir), check=True, capture_output=True, text=True)
    assert "of them finished" in second.stderr
    assert {row["state"] for row in table(sweep_dir)} == {"completed"}
    assert before and before == {path: path.stat().st_mtime_ns for path in before}


def completed_summaries(sweep_dir: Path) -> dict[Path, int]:
    """Returns the summaries of the trials that are over, with the time at which each was written."""
    paths = sweep_dir.glob("trials/*/summary.json")
    return {path: path.stat().st_mtime_ns for path in paths if '"completed"' in path.read_text()}


@pytest.mark.slow
def test_two_processes_do_not_share_a_sweep(tmp_path: Path) -> None:
    sweep_dir = tmp_path / "s"
    first = subprocess.Popen(command(sweep_dir), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (sweep_dir / "trials").exists():
        time.sleep(0.05)
        assert first.poll() is None
    second = subprocess.run(command(sweep_dir), capture_output=True, text=True)
    assert second.returncode == 2 and "is in use by process" in second.stderr
    first.kill()
    first.wait()
