"""A training that is stopped at any moment, by any signal, and resumed: it ends with the same bits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import jaxdl
from jaxdl.training.reproduce import compare
from tests.trained import RECIPES

ROOT = Path(__file__).resolve().parents[2]


def command(name: str) -> list[str]:
    """Returns the command that trains one of the small recipes."""
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.trained import end_process, main; "
    return [sys.executable, "-c", f"{script}end_process(main([{name!r}, sys.argv[1]]))"]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_thirty_kills_at_random_moments_change_no_bit(name: str, tmp_path: Path) -> None:
    proof = jaxdl.verify_resume(command(name), tmp_path / "proof", kills=30, seed=len(name))
    assert proof.different == []
    assert sum(proof.kills.values()) == 30 and set(proof.kills) == {"SIGKILL", "SIGTERM", "SIGINT"}
    assert proof.slowest_stop < 20
    assert json.loads((tmp_path / "proof" / "proof.json").read_text())["trainings"] == proof.trainings


# Trains as `command` says, but dies just before or after the so-manieth call of one of some functions of `os`, or tells
# how many there were.
_DYING = """
import itertools, os, signal, sys

name, run_dir, functions, number, moment = sys.argv[1:]
count = itertools.count(1)  # one for all threads


def dying(function):
    def called(*arguments, **options):
        now = next(count) == int(number)
        if now and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        function(*arguments, **options)
        if now:
            os.kill(os.getpid(), signal.SIGKILL)

    return called


for function in functions.split(","):
    setattr(os, function, dying(getattr(os, function)))
from tests.trained import main

status = main([name, run_dir])
print(next(count) - 1)
sys.exit(status)
"""


def train_and_die(run_dir: Path, functions: str, number: int = 0, moment: str = "") -> subprocess.CompletedProcess[str]:
    """Trains until call `number` of `functions`, counted from 1; to the end where there is no such."""
    arguments = ["residual", f"--run_dir={run_dir}", functions, str(number), moment]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", _DYING, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def evenly(calls: int) -> list[tuple[int, str]]:
    """Returns sixteen moments from after the first of so many calls to before the last."""
    return [(1 + round(kill * (calls - 1) / 15), ("after", "before")[kill % 2]) for kill in range(16)]


def at_the_end(calls: int) -> list[tuple[int, str]]:
    """Returns the moments after the last eight of so many calls."""
    return [(number, "after") for number in range(calls - 7, calls + 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("functions", "chosen"),
    [
        # By these, files and checkpoints appear under their names.
        ("replace,rename", evenly),
        # With this, an old checkpoint vanishes bit by bit; what is left of the last one no later saving takes away.
        ("rmdir", at_the_end),
    ],
)
def test_a_kill_in_a_moment_that_is_hardly_met_changes_no_bit(
    tmp_path: Path, functions: str, chosen: Callable[[int], list[tuple[int, str]]]
) -> None:
    straight = tmp_path / "straight"
    calls = int(train_and_die(straight, functions).stdout.splitlines()[-1])
    for number, moment in chosen(calls):
        where, run_dir = f"{moment} call {number} of {calls} of {functions}", tmp_path / str(number)
        assert train_and_die(run_dir, functions, number, moment).returncode == -signal.SIGKILL, where
        going_on = subprocess.run(
            [*command("residual"), f"--run_dir={run_dir}"], capture_output=True, text=True, check=False
        )
        assert going_on.returncode == 0, f"{where}: {going_on.stderr}"
        assert compare(straight, run_dir) == [], where
        assert '<p class="sub">completed' in (run_dir / "report.html").read_text(), where
        shutil.rmtree(run_dir)
