"""Sweeps from Python: what is filled in, and what is refused before anything is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import _width, conduct, make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.executors.execution import Execution
from jaxdl.sweeps.executors.side_by_side import Width
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from tests.experiments.twins import twin
from tests.sweeps.small import RECIPE as SHORT
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


@pytest.mark.slow
def test_a_search_in_threads_decides_as_one_after_another_of_which_each_knows_as_much(tmp_path: Path) -> None:
    recipe = jaxdl.replace(SHORT, {"training.epochs": 9})
    space = make_space(recipe, {"learning_rate": "log(1e-5,1)", "batch_size": "16,32"})
    found = []
    for name, execution in (("threads", Execution(workers=3)), ("alone", Execution(batch="off"))):
        definition = make_definition(recipe, space, Selection("random", 12, prune="asha"), lag=3)
        given = {"sweep_dir": tmp_path / name, "data_dir": tmp_path, "command": [], "notify": None}
        results = conduct(definition, execution, **given)  # type: ignore[arg-type]
        assert results is not None
        found.append([(each.values, each.state, each.outcome.params_sha256) for each in results.trials if each.outcome])
    assert found[0] == found[1] and len(found[0]) == 12
    assert {state for _, state, _ in found[0]} == {"completed", "pruned"}


def test_how_many_run_in_threads_is_what_was_asked_for_and_what_the_sweep_began_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    definition = define({"seed": "0:6"})
    assert _width(Execution(workers=3), definition) == Width(1, 3, 1.0)
    assert _width(Execution(workers=9), definition) == Width(1, 6, 1.0)
    begun = dataclasses.replace(definition, side_by_side=4)
    assert _width(Execution(workers=3), begun) == _width(Execution(), begun) == Width(4, 4, 1.0)
    alone = define({"learning_rate": "log(1e-4,1e-1)"}, sweep_mode="tpe", trials=9)
    assert alone.lag == 1 and _width(Execution(workers=3), alone) == Width(1, 1, 1.0)
    assert _width(Execution(executor="processes", workers=3), alone) == Width(1, 1, 1.0)
    assert _width(Execution(workers=3), dataclasses.replace(alone, lag=3)) == Width(1, 3, 1.0)
    with pytest.raises(UserError, match="--workers=3: the sweep varies the data.*give --executor=processes"):
        _width(Execution(workers=3), define({"data.validation": "0.1,0.2"}))
    monkeypatch.setattr("jax.local_device_count", lambda: 2)
    with pytest.raises(UserError, match="--workers=3: trials overlap in threads of one device, and here are 2"):
        _width(Execution(workers=3), definition)
    members = define({"learning_rate": "log(1e-4,1e-1)"}, sweep_mode="pbt", trials=4)
    with pytest.raises(UserError, match="leave --executor, --workers and --sweep_batch out"):
        _width(Execution(workers=3), members)
