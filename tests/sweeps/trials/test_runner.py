"""One trial: whatever becomes of its training, an outcome says so in one line."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.record import read_metrics, read_summary
from jaxdl.sweeps.trials import runner
from jaxdl.sweeps.trials.runner import run_trial
from jaxdl.sweeps.trials.trial import Job, Outcome
from jaxdl.training.cache import Cache
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("digits_mlp"), {"training.epochs": 2})


def job(folder: Path) -> Job:
    run_dir = folder / "sweep" / "trials" / "0000"
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    return Job(0, RECIPE, run_dir, folder / "data", ("launch.py",), "validation/loss", "minimize")


def run(given: Job) -> Outcome:
    return run_trial(given, Cache(given.data_dir, lambda text: None), notify=lambda text: None)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def train(*given: Any, **named: Any) -> None:
        raise error

    monkeypatch.setattr(runner, "run_training", train)


def test_a_training_that_ends_gives_the_figures_of_its_files(tmp_path: Path) -> None:
    given = job(tmp_path)
    outcome = run(given)
    summary = read_summary(given.run_dir)
    validation = [line["loss"] for line in read_metrics(given.run_dir) if line["split"] == "validation"]
    assert outcome.state == "completed" and outcome.reason == ""
    assert outcome.objective == summary["metrics"]["validation/loss"] == validation[-1]
    assert outcome.curve == {1: validation[0], 2: validation[1]}
    assert outcome.metrics["test/accuracy"] == summary["metrics"]["test/accuracy"]
    assert all(isinstance(value, int | float) for value in outcome.metrics.values())
    assert (outcome.params_sha256, outcome.data) == (summary["params_sha256"], "digits")
    assert dataclasses.replace(run(given), seconds=0, compile_seconds=0) == dataclasses.replace(
        outcome, seconds=0, compile_seconds=0
    ), "one that is over is read again"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out of memory"),
        (ValueError("no\nsuch layer"), "ValueError: no such layer (see {folder}/0000-error.txt)"),
    ],
)
def test_what_may_pass_is_worth_another_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    failing(monkeypatch, error)
    given = job(tmp_path)
    outcome = run(given)
    assert (outcome.state, outcome.again, outcome.ends_sweep) == ("failed", True, False)
    assert outcome.reason == reason.format(folder=given.run_dir.parent)
    traceback = given.run_dir.parent / "0000-error.txt"
    assert traceback.exists() == isinstance(error, ValueError)
    if traceback.exists():
        assert "ValueError: no\nsuch layer" in traceback.read_text()


@pytest.mark.parametrize(
    ("number", "again", "ends_sweep"),
    [(errno.ENOSPC, False, True), (errno.EIO, True, True), (errno.EACCES, True, True), (None, False, False)],
)
def test_an_error_of_the_disk_ends_the_sweep_unless_it_passes_and_another_one_only_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None, again: bool, ends_sweep: bool
) -> None:
    error = UserError("cannot write metrics.jsonl")
    if number is not None:
        error.__cause__ = OSError(number, os.strerror(number))
    failing(monkeypatch, error)
    outcome = run(job(tmp_path))
    assert (outcome.reason, outcome.again, outcome.ends_sweep) == (str(error), again, ends_sweep)


def test_being_asked_to_stop_is_no_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(job(tmp_path))
