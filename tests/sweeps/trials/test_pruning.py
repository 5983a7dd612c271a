"""Trials that fall behind are given up, by comparison with those that were over when they began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jaxdl.sweeps.aims import Direction
from jaxdl.sweeps.definition import Prune
from jaxdl.sweeps.trials.pruning import Pruning, Rivals
from jaxdl.sweeps.trials.trial import Job, Outcome, Trial
from tests.experiments.twins import twin

RECIPE = twin("digits_mlp")
EPOCHS = 9
# Losses after each epoch of trials that are over: from good to bad.
CURVES = [[1.0 / epoch + number for epoch in range(1, EPOCHS + 1)] for number in range(4)]


def over(direction: Direction = "minimize") -> list[Trial]:
    sign = 1 if direction == "minimize" else -1
    curves = [dict(enumerate([sign * figure for figure in curve], start=1)) for curve in CURVES]
    return [Trial(n, {}, "completed", 1, Outcome("completed", c[EPOCHS], curve=c)) for n, c in enumerate(curves)]


def judged(figures: list[float], prune: Prune, direction: Direction, rivals: Any, number: int = 4) -> int | None:
    """Returns the epoch after which a trial is given up, None where it is not."""
    job = Job(number, RECIPE, Path("run"), Path("data"), (), "validation/loss", direction, prune, EPOCHS, rivals)
    pruning = Pruning(job)
    for epoch, figure in enumerate(figures, start=1):
        if pruning(epoch, {"validation/loss": figure, "validation/accuracy": 0.5}):
            return epoch
    return None


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_median_stops_what_is_worse_than_half_of_the_finished_ones(direction: Direction) -> None:
    sign = 1 if direction == "minimize" else -1
    curves = [{epoch: sign * (10.0 * place - epoch) for epoch in range(1, EPOCHS + 1)} for place in range(5)]
    finished = [
        Trial(place, {}, "completed", 1, Outcome("completed", curve[EPOCHS], {}, curve))
        for place, curve in enumerate(curves)
    ]
    rivals = Rivals("median", direction, EPOCHS).of(finished)
    # After the first epoch the five are at -1, 9, 19, 29 and 39: the median is 19.
    assert judged([sign * 19.5] * EPOCHS, "median", direction, rivals, 5) == 1
    assert judged([sign * 18.5, sign * 30.0, *[sign * 30.0] * (EPOCHS - 2)], "median", direction, rivals, 5) is not None
    assert judged([sign * (8.0 - epoch) for epoch in range(EPOCHS)], "median", direction, rivals, 5) is None
    few = Rivals("median", direction, EPOCHS).of(finished[:4])
    assert judged([sign * 99.0] * EPOCHS, "median", direction, few, 4) is None


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_asha_keeps_the_best_third_at_each_rung(direction: Direction) -> None:
    sign = 1 if direction == "minimize" else -1
    rivals = Rivals("asha", direction, EPOCHS).of(over(direction))
    assert judged([sign * 2.5] * EPOCHS, "asha", direction, rivals) == 1
    # Better than all others at the rungs, which are 1, 3 and 9 epochs.
    assert judged([sign * figure / 2 for figure in CURVES[0]], "asha", direction, rivals) is None
    # Ahead at first, behind at the second rung.
    assert judged([sign * 0.5, *[sign * 9.0] * 8], "asha", direction, rivals) == 3


def test_nothing_is_given_up_unless_asked_for() -> None:
    rivals = Rivals("none", "minimize", EPOCHS).of(over())
    assert judged([1e9] * EPOCHS, "none", "minimize", rivals) is None


def test_only_trials_that_were_over_are_rivals() -> None:
    rivals = Rivals("asha", "minimize", EPOCHS)
    trials = over()
    assert rivals.of([]) == ()
    first = rivals.of(trials[:2])
    assert len(first) == 2 and len(rivals.of(trials)) == 4
    assert rivals.of(trials[:2]) == first, "of the first two, whatever is known by now"
    # Among two rivals and itself the best third is the best one.
    assert judged([2.5] * EPOCHS, "asha", "minimize", first, number=2) == 1
    assert judged([figure / 2 for figure in CURVES[0]], "asha", "minimize", first, number=2) is None


def test_hyperband_deals_trials_into_brackets_by_their_numbers() -> None:
    """In the last bracket a trial runs to its end, whatever its figures."""
    rivals = Rivals("hyperband", "minimize", EPOCHS).of(over())
    ends = [judged([9.0] * EPOCHS, "hyperband", "minimize", rivals, number) for number in range(4, 16)]
    assert None in ends, "some are in the bracket without rungs"
    assert any(end is not None for end in ends), "others are compared"
    assert ends == [judged([9.0] * EPOCHS, "hyperband", "minimize", rivals, number) for number in range(4, 16)]
