"""Sweeps from Python: what is filled in, and what is refused before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from tests.experiments.twins import twin
from tests.sweeps.small import sweep

RECIPE = twin("mnist_mlp")


def define(fields: dict[str, str], **given: object) -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, fields), Selection(**given))  # type: ignore[arg-type]


def test_what_is_not_given_follows_from_the_rest() -> None:
    grid = define({"learning_rate": "1e-3,1e-2", "seed": "0:3"})
    assert (grid.mode, grid.trials, grid.objective, grid.direction) == ("grid", 6, "validation/loss", "minimize")
    drawn = define({"learning_rate": "log(1e-3,1e-2)"}, trials=5, sweep_objective="validation/accuracy")
    assert (drawn.mode, drawn.trials, drawn.direction) == ("random", 5, "maximize")


@pytest.mark.parametrize(
    ("fields", "given", "message"),
    [
        ({"learning_rate": "log(1e-3,1)"}, {}, "--trials=N"),
        ({"learning_rate": "log(1e-3,1)"}, {"sweep_mode": "grid"}, "a range without steps has no grid"),
        ({"seed": "0:3"}, {"trials": 4}, "the grid has 3 combinations"),
        ({"learning_rate": "log(1e-3,1)"}, {"trials": 10**12}, "at most 20,000 trainings"),
        ({"seed": "0:3"}, {"sweep_seed": -1}, "sweep_seed=-1: must be at least 0"),
        ({"seed": "0:3"}, {"sweep_mode": "gird"}, "Did you mean 'grid'"),
        ({"seed": "0:3"}, {"sweep_objective": "test/accuracy"}, "test split"),
        ({"seed": "0:3"}, {"sweep_objective": "accuracy"}, "write SPLIT/METRIC"),
        ({"seed": "0:3"}, {"sweep_objective": "validation/confusion"}, "cannot be ranked"),
        ({"seed": "0:3"}, {"sweep_objective": "validation/acuracy"}, "acuracy"),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, str], given: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        define(fields, **given)


@pytest.mark.parametrize(
    ("given", "lag"),
    [
        ({"sweep_mode": "random"}, 1),
        ({"sweep_mode": "tpe"}, 4),
        ({"sweep_mode": "random", "prune": "asha"}, 4),
    ],
)
def test_how_many_run_at_the_same_time_is_part_of_a_sweep_only_where_results_decide(
    given: dict[str, Any], lag: int
) -> None:
    space = make_space(RECIPE, {"learning_rate": "log(1e-3,1)"})
    assert make_definition(RECIPE, space, Selection(trials=9, **given), lag=4).lag == lag


def test_what_is_given_counts_before_what_the_recipe_and_the_metric_say() -> None:
    made = define({"seed": "0:3"}, sweep_mode="random", trials=2, direction="maximize", sweep_seed=5)
    assert (made.mode, made.trials, made.direction, made.sweep_seed) == ("random", 2, "maximize", 5)
    recipe = jaxdl.replace(RECIPE, {"training.watch": "validation/accuracy"})
    made = make_definition(recipe, make_space(recipe, {"seed": "0:3"}))
    assert (made.objective, made.direction) == ("validation/accuracy", "maximize")


@pytest.mark.parametrize(
    ("space", "given", "message"),
    [
        ({"optimizer.nesterov": [True, False], "optimizer": ["sgd"]}, {}, "no training reads optimizer.nesterov"),
        ({"seed": [0, 1], "batch_size": [8, 16]}, {"mode": "random", "trials": 5}, "there are 4 combinations"),
        ({"batch_size": "int(8,10)"}, {"mode": "tpe", "trials": 4}, "give --trials=3, or more values"),
        ({"seed": [0]}, {"sweep_objective": "validation/auc"}, "auc"),
        ({"seed": [0]}, {"sweep_objective": "train/f1"}, "this figure is not measured"),
        ({"model.features": ["(8),(16)"]}, {}, "must be a list of int"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, space: Any, given: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        sweep(tmp_path / "s", space, **given)
    assert not (tmp_path / "s").exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not a sweep directory"):
        sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"optimizer": [jaxdl.Adam()]}, "give names from sgd"),
        ({"optimizer": [3]}, "give names"),
        ({5: [1]}, "by their names, not 5"),
    ],
)
def test_what_is_no_field_or_name_is_refused(tmp_path: Path, space: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        sweep(tmp_path / "s", space)


@pytest.mark.parametrize("given", [{"mode": "bayes"}, {"prune": "ASHA"}, {"direction": "up"}])
def test_a_wrong_choice_is_named(tmp_path: Path, given: Any) -> None:
    with pytest.raises(UserError, match="unknown"):
        sweep(tmp_path / "s", trials=3, **given)


def test_the_former_name_of_the_figure_to_compare_by_is_refused_with_the_new_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="what trials are compared by is sweep_objective='validation/accuracy'"):
        sweep(tmp_path / "s", objective="validation/accuracy")
    assert not (tmp_path / "s").exists()
