"""Trials that differ only in their seed are compared with others as one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import jaxdl
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.sweeps.small import RECIPE, SPACE


def test_the_statistics_over_seeds_agree_with_scipy(done: jaxdl.SweepResults) -> None:
    for group in done.groups:
        figures = [done.trials[number].objective for number in group.trials]
        low, high = stats.t.interval(0.95, 2, np.mean(figures), stats.sem(figures))
        assert group.mean == pytest.approx(np.mean(figures)) and group.std == pytest.approx(np.std(figures, ddof=1))
        assert group.mean is not None and group.ci95 == pytest.approx((high - low) / 2)
    best, other = (group.mean for group in done.groups)
    assert best is not None and other is not None and best >= other
    assert list(done.to_pandas()["value"]) == [trial.objective for trial in done.trials]


def test_a_combination_of_which_a_seed_failed_comes_after_whole_ones(done: jaxdl.SweepResults) -> None:
    best = done.groups[0]
    failed = [
        dataclasses.replace(t, state="failed", outcome=Outcome("failed")) if t.number == best.trials[0] else t
        for t in done.trials
    ]
    groups = dataclasses.replace(done, trials=failed).groups
    assert [len(group.trials) for group in groups] == [3, 2] and groups[1].values == best.values


def test_a_combination_that_was_drawn_twice_is_no_better_for_it(tmp_path: Path) -> None:
    space = make_space(RECIPE, {"learning_rate": "log(1e-4,1e-1)"})
    definition = make_definition(RECIPE, space, Selection(trials=3))
    figures = [(1e-3, 0.6), (1e-2, 0.9), (1e-3, 0.7)]
    trials = [
        Trial(number, {"optimizer.learning_rate": rate}, "completed", 1, Outcome("completed", figure))
        for number, (rate, figure) in enumerate(figures)
    ]
    found = SweepResults(definition, tmp_path, "completed", trials)
    assert [group.trials for group in found.groups] == [(1,), (0, 2)] and found.best == trials[1]


@pytest.mark.parametrize("second", ["completed", "pruned"])
def test_the_same_trial_drawn_twice_counts_once(tmp_path: Path, second: Any) -> None:
    space = make_space(RECIPE, {"optimizer": ["adam", "sgd"], "seed": range(2)})
    definition = make_definition(RECIPE, space, Selection("random", 6))
    adam, sgd = RECIPE.optimizer, jaxdl.SGD()
    figures = [(adam, 0.9), (adam, 0.8), (sgd, 0.5), (sgd, 0.6), (adam, 0.9), (adam, 0.8)]
    states: list[Any] = ["completed"] * 4 + [second] * 2
    trials = [
        Trial(n, {"optimizer": part, "seed": n % 2}, states[n], 1, Outcome(states[n], figure))
        for n, (part, figure) in enumerate(figures)
    ]
    best, other = SweepResults(definition, tmp_path, "completed", trials).groups
    assert best.values == {"optimizer": adam} and other.values == {"optimizer": sgd}
    assert best.mean == pytest.approx(0.85) and best.std == pytest.approx(np.std([0.9, 0.8], ddof=1))


def test_a_combination_for_which_a_cut_grid_has_no_more_seeds_comes_last(tmp_path: Path) -> None:
    definition = make_definition(RECIPE, make_space(RECIPE, SPACE), Selection(trials=4))
    values = [(1e-3, 0), (1e-3, 1), (1e-3, 2), (1e-2, 0)]
    trials = [
        Trial(n, {"optimizer.learning_rate": rate, "seed": seed}, "completed", 1, Outcome("completed", 0.9 + n / 100))
        for n, (rate, seed) in enumerate(values)
    ]
    found = SweepResults(definition, tmp_path, "completed", trials)
    assert [group.trials for group in found.groups] == [(0, 1, 2), (3,)] and found.best == trials[0]
