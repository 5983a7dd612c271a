"""What a sweep shows while it runs."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

import jaxdl
from jaxdl.report.progress import Reached
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.results.display import SweepDisplay, print_results
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("mnist_mlp"), {"training.watch": "validation/accuracy", "name": "my\x1b[31mname"})
DEFINITION = make_definition(RECIPE, make_space(RECIPE, {"learning_rate": [1e-3, 1e-2], "seed": range(2)}))


def trial(number: int, figure: float | None, state: str = "completed", reason: str = "") -> Trial:
    outcome = Outcome(state, figure, reason=reason)  # type: ignore[arg-type]
    return Trial(number, {"optimizer.learning_rate": 1e-3, "seed": number}, state, 1, outcome)  # type: ignore[arg-type]


def test_each_trial_that_ends_has_a_line_with_the_best_so_far_and_the_time_left() -> None:
    now = [0.0]
    file = io.StringIO()
    with SweepDisplay(DEFINITION, file=file, clock=lambda: now[0]) as display:
        display.end(trial(0, 0.5), earlier=True)
        for number, figure in ((1, 0.75), (2, 0.7)):
            display.begin(trial(number, None), epochs=5)
            now[0] += 30
            display.end(trial(number, figure))
        display.end(trial(3, None, "failed", "diverged at step 3: \x1b[2J"))
    lines = file.getvalue().splitlines()
    assert lines[0] == (
        "trial 1 completed  optimizer.learning_rate=0.001 seed=1  validation/accuracy 0.7500  best 0.6250 over 2 "
        "seeds (trial 0)  2/4  1:00 left"
    )
    assert lines[1].endswith("best 0.6500 over 3 seeds (trial 0)  3/4  0:30 left")
    assert "diverged at step 3" in lines[2] and "\x1b" not in file.getvalue()
    assert lines[2].endswith("4/4  0:00 left")


def test_the_table_shows_what_is_running() -> None:
    display = SweepDisplay(DEFINITION, file=io.StringIO())
    display.end(trial(0, 0.5))
    display.begin(trial(1, None), epochs=5)
    display.begin(trial(2, None), epochs=5)
    display.of(1).update(Reached(7, 3, {"train": {"loss": 0.25}}))
    display.of(2).end_epoch(Reached(8, 4, {"train": {"loss": 0.125}}))
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    console.print(display._rendered())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "running 2" in text and "best 0.5000 (trial 0)" in text and "1/4" in text
    assert "trial 1" in text and "epoch 3/5  loss 0.2500" in text and "epoch 4/5  loss 0.1250" in text
    assert "\x1b[31mname" not in text


def test_the_time_left_counts_what_running_trials_have_done() -> None:
    now = [0.0]
    file = io.StringIO()
    with SweepDisplay(DEFINITION, file=file, clock=lambda: now[0]) as display:
        display.begin(trial(0, None), epochs=4)
        display.begin(trial(1, None), epochs=4)
        now[0] = 90.0
        display.of(1).end_epoch(Reached(20, 2, {"train": {"loss": 0.5}}))  # half of it
        display.end(trial(0, 0.5))
        display.say("all is well")
    first, second = file.getvalue().splitlines()
    assert first.endswith("1/4  2:30 left") and second == "all is well"  # 1.5 of 4 trials in 90 s


def test_no_heading_is_broken_within_a_word_on_a_screen_of_eighty_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    trials = [
        dataclasses.replace(trial(number, 0.25 + number), outcome=Outcome("completed", 0.25 + number, data="digits"))
        for number in range(2)
    ]
    file = io.StringIO()
    print_results(SweepResults(DEFINITION, tmp_path, "completed", trials), "", file)
    words = file.getvalue().split()
    assert {"learning_rate", "trials", "validation/accuracy,", "mean", "std", "interval", "measured", "on"} <= set(
        words
    )
