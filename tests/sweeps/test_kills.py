"""A sweep that is killed anywhere, on each executor, ends with the table of one that was not."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LAUNCH = Path(__file__).resolve().parents[2] / "launch.py"
FLAGS = [
    "--experiment=digits_mlp",
    "--epochs=3",
    "--model.features=16",
    "--platform=cpu",
    "--every=20steps",
    "--sweep=learning_rate=1e-3,3e-3,1e-2,3e-2",
    "--sweep=seed=0:3",
    "--sweep=dropout=0.1,0.2",
    "--objective=validation/accuracy",
]
KILLS = 20


def command(sweep_dir: Path, *more: str) -> list[str]:
    return [sys.executable, str(LAUNCH), *FLAGS, f"--sweep_dir={sweep_dir}", *more]


def table(sweep_dir: Path) -> list[dict[str, str]]:
    """Returns the final table without what depends on the time."""
    with open(sweep_dir / "results.csv") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key not in ("seconds", "attempts")} for row in rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, str]], float]:
    """The table of a sweep that nobody stopped, and its time without the start, in seconds."""
    sweep_dir = tmp_path_factory.mktemp("whole") / "s"
    subprocess.run(command(sweep_dir, "--dry_run"), check=True, capture_output=True)  # fills the compilation cache
    begin = time.monotonic()
    subprocess.run(command(sweep_dir), check=True, capture_output=True)
    rows = table(sweep_dir)
    assert len(rows) == 24 and {row["state"] for row in rows} == {"completed"}
    return rows, time.monotonic() - begin


@pytest.mark.slow
@pytest.mark.parametrize(
    "executor",
    [(), ("--sweep_batch=4",), ("--executor=processes", "--workers=2")],
    ids=["inline", "batch", "processes"],
)
def test_killed_at_random_moments(
    whole: tuple[list[dict[str, str]], float], tmp_path: Path, executor: tuple[str, ...]
) -> None:
    rows, seconds = whole
    moments = random.Random(7)
    sweep_dir = tmp_path / "s"
    killed = 0
    while killed < KILLS:
        process = subprocess.Popen(
            command(sweep_dir, *executor),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        try:
            process.wait(moments.uniform(0.5, 1.0) * seconds / 2)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, moments.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            killed += 1
        _, errors = process.communicate(timeout=60)
        assert process.returncode in (0, -signal.SIGKILL, 130, 143), errors
        if process.returncode == 0:
            break
    subprocess.run(command(sweep_dir, *executor), check=True, capture_output=True)
    assert table(sweep_dir) == rows
