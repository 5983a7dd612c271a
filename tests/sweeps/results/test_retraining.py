"""The best combination as a recipe, trained again with fresh seeds, and compared."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.results.results import SweepResults
from jaxdl.sweeps.results.retraining import fresh_seeds
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.sweeps.small import RECIPE


def results(recipe: jaxdl.Experiment, **selected: object) -> SweepResults:
    space = make_space(recipe, {"learning_rate": [1e-3, 1e-2], "batch_size": [32, 64]})
    definition = make_definition(recipe, space, Selection(**selected))  # type: ignore[arg-type]
    made = [
        Trial(n, values, "completed", 1, Outcome("completed", 0.1 * n, {definition.objective: 0.1 * n}))
        for n, values in enumerate(space.grid())
    ]
    return SweepResults(definition, Path("sweep"), "completed", made)


def test_the_best_experiment_is_the_recipe_with_the_best_values() -> None:
    found = results(RECIPE)
    assert found.best is not None
    best = found.best_experiment()
    assert best.optimizer.learning_rate == found.best.values["optimizer.learning_rate"]
    assert best.training.batch_size == found.best.values["training.batch_size"]
    assert jaxdl.replace(best, found.trials[0].values) == jaxdl.replace(RECIPE, found.trials[0].values)
    last = found.best_experiment(found.groups[-1])
    assert last.optimizer.learning_rate == found.groups[-1].values["optimizer.learning_rate"]


def test_folds_are_for_the_choice_alone() -> None:
    recipe = jaxdl.replace(RECIPE, {"data.folds": 3})
    definition = make_definition(recipe, make_space(recipe, {"learning_rate": [1e-3]}))
    made = [
        Trial(n, values, "completed", 1, Outcome("completed", 0.5)) for n, values in enumerate(definition.space.grid())
    ]
    best = SweepResults(definition, Path("sweep"), "completed", made).best_experiment()
    assert (best.data.folds, best.data.fold) == (0, None)


def test_what_has_no_best_says_so() -> None:
    found = results(RECIPE)
    failed = [Trial(t.number, t.values, "failed", 1, Outcome("failed")) for t in found.trials]
    with pytest.raises(UserError, match="there is no best one"):
        SweepResults(found.definition, Path("sweep"), "completed", failed).best_experiment()
    with pytest.raises(UserError, match="members of a population"):
        results(RECIPE, sweep_mode="pbt", trials=4).best_experiment()


@pytest.mark.slow
def test_the_best_is_retrained_with_seeds_that_had_no_part_in_the_choice(
    done: jaxdl.SweepResults, tmp_path: Path
) -> None:
    assert fresh_seeds(done, 2) == [3, 4]
    again = done.retrain(2, sweep_dir=tmp_path / "again", notify=lambda text: None)
    assert [row["seed"] for row in again.rows] == [3, 4] and again.status == "completed"
    assert len(again.groups) == 1 and again.groups[0].ci95 is not None
    assert again.definition.objective == done.definition.objective
    assert again.definition.experiment == done.best_experiment()
    one = jaxdl.train(jaxdl.replace(done.best_experiment(), {"seed": 3}), run_dir=tmp_path / "one", notify=None)
    assert one["metrics"][again.definition.objective] == pytest.approx(again.rows[0]["value"], abs=0.02)
    with pytest.raises(UserError, match="give one seed or more"):
        done.retrain([])


def test_a_sweep_is_compared_as_its_combinations(done: jaxdl.SweepResults) -> None:
    comparison = jaxdl.compare(done.sweep_dir)
    assert len(comparison.groups) == 2 and [group.seeds for group in comparison.groups] == [3, 3]
