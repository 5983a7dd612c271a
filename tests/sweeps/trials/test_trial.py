"""A line of the trial table, and what of it stands in a row of the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.sweeps.trials.trial import Outcome, Trial, as_row, trial_dir

DONE = Outcome("completed", 0.25, {"validation/loss": 0.25, "test/loss": 0.5}, {1: 0.25}, seconds=2.0, data="digits")


def test_each_trial_has_a_run_directory_by_its_number() -> None:
    assert trial_dir(Path("sweep"), 7) == Path("sweep/trials/0007")
    assert trial_dir(Path("sweep"), 12345) == Path("sweep/trials/12345")


@pytest.mark.parametrize(
    ("trial", "objective", "completed"),
    [
        (Trial(0, {}, "completed", 1, DONE), 0.25, True),
        (Trial(0, {}, "pruned", 1, Outcome("pruned", 0.5)), 0.5, False),
        (Trial(0, {}, "failed", 2, Outcome("failed", reason="out of memory")), None, False),
        (Trial(0, {}, "completed", 1, Outcome("completed")), None, False),
        (Trial(0, {}, "running", 1), None, False),
    ],
)
def test_a_trial_is_completed_where_it_has_a_figure(trial: Trial, objective: float | None, completed: bool) -> None:
    assert trial.objective == objective
    assert trial.completed == completed


def test_a_row_holds_values_and_figures_by_name() -> None:
    row = as_row(Trial(3, {"optimizer.learning_rate": 0.01, "seed": 1}, "completed", 1, DONE))
    assert row == {
        "trial": 3,
        "state": "completed",
        "optimizer.learning_rate": 0.01,
        "seed": 1,
        "value": 0.25,
        "validation/loss": 0.25,
        "test/loss": 0.5,
        "measured_on": "digits",
        "run_dir": "trials/0003",
        "seconds": 2.0,
        "attempts": 1,
        "reason": "",
        "params_sha256": "",
    }
    waiting = as_row(Trial(4, {"seed": 2}, "waiting"))
    assert (waiting["state"], waiting["value"], waiting["attempts"]) == ("waiting", None, 0)
