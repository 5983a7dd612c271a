"""A sweep of 12 short trials, and what stops it at random moments until it has come to its end."""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

LAUNCH = Path(__file__).resolve().parents[2] / "launch.py"
# In each run of CI, and in a nightly one.
KILLS = [1, pytest.param(20, marks=pytest.mark.nightly)]
_FLAGS = [
    "--experiment=digits_mlp",
    "--epochs=6",
    "--model.features=16",
    "--platform=cpu",
    "--every=50steps",
    "--sweep=learning_rate=1e-3,1e-2",
    "--sweep=seed=0:3",
    "--sweep=dropout=0.1,0.2",
    "--sweep_objective=validation/accuracy",
]
# Now and then a signal that can be answered, in between: it is not counted as a kill.
_SIGNALS = (*[signal.SIGKILL] * 6, signal.SIGTERM, signal.SIGINT)
# Of a process that is over, was killed, or had a signal before or after it could answer it.
_STATUSES = (0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130, 143)


def command(sweep_dir: Path, *more: str, base: Sequence[str] = _FLAGS) -> list[str]:
    return [sys.executable, str(LAUNCH), *base, f"--sweep_dir={sweep_dir}", *more]


def table(sweep_dir: Path) -> list[dict[str, str]]:
    """Returns the final table without what depends on the time."""
    with open(sweep_dir / "results.csv") as file:
        rows = list(csv.DictReader(file))
    return [
        {key: value for key, value in row.items() if key not in ("seconds", "examples_per_second", "attempts")}
        for row in rows
    ]


def run_whole(sweep_dir: Path, flags: Sequence[str] = (), base: Sequence[str] = _FLAGS) -> float:
    """Runs the sweep without stopping it; returns the seconds that it took."""
    begin = time.monotonic()
    subprocess.run(command(sweep_dir, *flags, base=base), check=True, capture_output=True)
    return time.monotonic() - begin


def killed_at_random(
    sweep_dir: Path,
    flags: Sequence[str],
    seconds: float,
    kills: int,
    seed: int,
    after_kill: Callable[[int], None] = lambda killed: None,
    base: Sequence[str] = _FLAGS,
) -> list[list[dict[str, str]]]:
    """Kills the whole process group at random moments and runs the same command again, until the sweep is whole.

    Args:
        sweep_dir: of the sweeps; each that comes to its end is removed, and the next begins.
        flags: more of the command line.
        seconds: what a sweep takes; moments are drawn within.
        kills: how many times at least.
        seed: of the moments and signals.
        after_kill: called after each stop, with how many kills there were.
        base: the command line of the sweep.

    Returns: the tables of the sweeps that came to their end.
    """
    draws, killed = random.Random(seed), 0
    tables: list[list[dict[str, str]]] = []
    while killed < kills or not tables:
        process = subprocess.Popen(
            command(sweep_dir, *flags, base=base),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        try:
            process.wait(draws.uniform(0, seconds) if killed < kills else None)
        except subprocess.TimeoutExpired:
            sent = draws.choice(_SIGNALS)
            os.killpg(process.pid, sent)
            killed += sent == signal.SIGKILL
        _, errors = process.communicate(timeout=120)
        assert process.returncode in _STATUSES, errors
        if process.returncode == 0:
            tables.append(table(sweep_dir))
            shutil.rmtree(sweep_dir)
        else:
            after_kill(killed)
    return tables
