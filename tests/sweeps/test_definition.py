"""What a sweep is: kept as JSON, compared, extended; and the values that follow from it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from jaxdl.errors import UserError
from jaxdl.fields import show
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition, changes, direction_of, extended, from_json
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.sampling import draw, grid_values
from jaxdl.sweeps.space.space import make_space
from jaxdl.sweeps.trials.schedule import planned_values
from tests.experiments.twins import twin

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
        ({"learning_rate": "log(1e-3,1)"}, {"sweep_mode": "grid"}, "a range has no grid"),
        ({"seed": "0:3"}, {"trials": 4}, "the grid has 3 combinations"),
        ({"seed": "0:3"}, {"sweep_objective": "test/accuracy"}, "test split"),
        ({"seed": "0:3"}, {"sweep_objective": "accuracy"}, "write SPLIT/METRIC"),
        ({"seed": "0:3"}, {"sweep_objective": "validation/confusion"}, "cannot be ranked"),
        ({"seed": "0:3"}, {"sweep_objective": "validation/acuracy"}, "acuracy"),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, str], given: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        define(fields, **given)


def test_it_is_read_from_json_as_it_was() -> None:
    made = define({"optimizer": "adam,sgd", "learning_rate": "log(1e-3,1)", "model.features": "(8),(8,4)"}, trials=7)
    read = from_json(json.loads(json.dumps(made.to_json())), RECIPE)
    assert read.to_json() == made.to_json() and read.digest() == made.digest()
    assert read.space == made.space


def test_damage_of_its_json_is_named() -> None:
    value = define({"seed": "0:3"}).to_json()
    for key in value:
        with pytest.raises(UserError):
            from_json({name: item for name, item in value.items() if name != key}, RECIPE)


def test_differences_are_named() -> None:
    before = define({"seed": "0:3"})
    now = define({"seed": "0:4", "learning_rate": "1e-3,1e-2"}, sweep_objective="validation/accuracy")
    now = dataclasses.replace(now, experiment=dataclasses.replace(RECIPE, seed=5))
    assert changes(before, now) == [
        "seed=5 (not 0)",
        "--sweep=seed=0:4 (not 0:3)",
        "--sweep=optimizer.learning_rate=1e-3,1e-2 (not absent)",
        "sweep_objective=validation/accuracy (not validation/loss)",
        "direction=maximize (not minimize)",
    ]
    assert changes(before, before) == []


def test_a_grid_is_extended_at_its_end() -> None:
    before, now = (
        define({"seed": "0:2", "learning_rate": "1e-3"}),
        define({"seed": "0:3", "learning_rate": "1e-3,1e-2"}),
    )
    after = extended(before, now)
    values = planned_values(after)
    assert values is not None and len(values) == 6
    assert values[:2] == planned_values(before)
    key = lambda each: sorted(each.items())  # noqa: E731
    assert sorted(values, key=key) == sorted(grid_values([now.space]), key=key)
    with pytest.raises(UserError, match="the earlier grid has"):
        extended(now, before)


def test_a_drawn_sweep_is_extended_by_trials_alone() -> None:
    before = define({"learning_rate": "log(1e-3,1)"}, trials=5)
    after = extended(before, dataclasses.replace(before, trials=8))
    assert planned_values(after)[:5] == planned_values(before)  # type: ignore[index]
    with pytest.raises(UserError, match="changes nothing else"):
        extended(before, define({"learning_rate": "log(1e-2,1)"}, trials=8))
    with pytest.raises(UserError, match="5 trials already"):
        extended(before, dataclasses.replace(before, trials=4))


def test_drawn_values_follow_from_seed_and_number_alone() -> None:
    fields = {"learning_rate": "log(1e-4,1e-1)", "batch_size": "int(8,64)", "model.features": "64,(128,64)"}
    made = define(fields, trials=200)
    values = planned_values(made)
    assert values is not None
    assert values[150] == draw(made, 150)
    assert values != planned_values(dataclasses.replace(made, sweep_seed=1))
    rates = np.log10([each["optimizer.learning_rate"] for each in values])
    assert -4 <= rates.min() < -3.7 and -1.3 < rates.max() <= -1
    # Evenly in the logarithm: the mean of 200 has a standard error of 0.06.
    assert abs(rates.mean() + 2.5) < 0.25
    assert all(float(f"{each['optimizer.learning_rate']:.4g}") == each["optimizer.learning_rate"] for each in values)
    sizes = {each["training.batch_size"] for each in values}
    assert min(sizes) >= 8 and max(sizes) <= 64 and len(sizes) > 40
    assert {show(each["model.features"]) for each in values} == {"64", "128,64"}


def test_listed_seeds_run_each_drawn_combination() -> None:
    made = define({"learning_rate": "log(1e-4,1e-1)", "seed": "0:3"}, trials=9)
    values = planned_values(made)
    assert values is not None
    assert [each["seed"] for each in values] == [0, 1, 2] * 3
    rates = [each["optimizer.learning_rate"] for each in values]
    assert len(set(rates)) == 3 and rates[0] == rates[1] == rates[2] and rates[3] == rates[5]


def test_direction_follows_from_the_metric() -> None:
    assert direction_of("validation/f1") == "maximize" and direction_of("train/loss") == "minimize"
