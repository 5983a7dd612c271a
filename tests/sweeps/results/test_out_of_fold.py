"""Sweeps over folds: one program, and a prediction for each example by a model that was not trained on it."""

from __future__ import annotations

import csv
import math
import statistics

import numpy as np
import pytest
from scipy import stats

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.schedule import planned_values
from jaxdl.training.held_out import read_held_out
from tests.sweeps.small import RECIPE, sweep


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> jaxdl.SweepResults:
    recipe = jaxdl.replace(RECIPE, {"data.folds": 3})
    space = {"learning_rate": [1e-4, 1e-2], "seed": range(2)}
    execution = jaxdl.Execution(batch=3)
    return sweep(tmp_path_factory.mktemp("folds") / "sweep", space, recipe=recipe, execution=execution)


def test_all_folds_and_seeds_of_a_combination_are_one_group_of_one_program(folds: jaxdl.SweepResults) -> None:
    assert folds.compiled == {"train": 2, "eval": 1}, "one for the plan, and one for all twelve trainings"
    assert len(folds.trials) == 12
    assert [len(group.trials) for group in folds.groups] == [6, 6]
    assert folds.groups[0].values == {"optimizer.learning_rate": 1e-2}


def test_the_interval_is_that_of_nadeau_and_bengio_over_the_folds(folds: jaxdl.SweepResults) -> None:
    group = folds.groups[0]
    by_fold: dict[int, list[float]] = {}
    for trial in folds.trials_of(group):
        assert trial.objective is not None
        by_fold.setdefault(trial.values["data.fold"], []).append(trial.objective)
    means = [statistics.fmean(each) for each in by_fold.values()]
    width = stats.t.ppf(0.975, 2) * statistics.stdev(means) * math.sqrt(1 / 3 + 1 / 2)
    assert group.mean == pytest.approx(statistics.fmean(means))
    assert group.ci95 == pytest.approx(width)


def test_each_example_is_predicted_once_by_a_model_that_did_not_see_it(folds: jaxdl.SweepResults) -> None:
    found = folds.out_of_fold()
    assert found["examples"].tolist() == list(range(1438))
    assert np.bincount(found["folds"]).tolist() == [480, 479, 479]
    trials = [t for t in folds.trials_of(folds.groups[0]) if t.values["data.fold"] == found["folds"][7]]
    each = []
    for trial in trials:
        own = read_held_out(folds.sweep_dir / "trials" / f"{trial.number:04d}")
        each.append(own["predictions"][own["examples"].tolist().index(7)])
    np.testing.assert_allclose(found["predictions"][7], np.mean(each, axis=0), rtol=1e-6)
    accuracy = (found["predictions"].argmax(1) == found["targets"]).mean()
    assert accuracy == pytest.approx(folds.groups[0].mean, abs=0.03)


def test_the_file_has_a_line_for_each_example(folds: jaxdl.SweepResults) -> None:
    with open(folds.sweep_dir / "out_of_fold.csv") as file:
        rows = list(csv.DictReader(file))
    found = folds.out_of_fold()
    assert [int(row["example"]) for row in rows] == found["examples"].tolist()
    assert [int(row["fold"]) for row in rows] == found["folds"].tolist()
    assert [row["target"] for row in rows] == [str(target) for target in found["targets"]]
    assert [row["prediction"] for row in rows] == [str(best) for best in found["predictions"].argmax(1)]


def test_a_sweep_without_folds_has_none(done: jaxdl.SweepResults) -> None:
    assert not (done.sweep_dir / "out_of_fold.csv").exists()
    with pytest.raises(UserError, match="need a finished sweep of a recipe with data.folds"):
        done.out_of_fold()


def test_drawn_combinations_are_run_with_every_fold_and_seed() -> None:
    recipe = jaxdl.replace(RECIPE, {"data.folds": 2})
    space = make_space(recipe, {"learning_rate": "log(1e-4,1e-2)", "seed": "0:2"})
    values = planned_values(make_definition(recipe, space, Selection(trials=8)))
    assert values is not None
    assert [(each["seed"], each["data.fold"]) for each in values] == [(0, 0), (0, 1), (1, 0), (1, 1)] * 2
    assert len({each["optimizer.learning_rate"] for each in values}) == 2
