"""What a sweep is: kept as JSON, compared and extended."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition, changes, extended, from_json
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.sampling import grid_values
from jaxdl.sweeps.trials.schedule import planned_values
from tests.experiments.twins import twin

ROOT = Path(__file__).resolve().parents[2]
RECIPE = twin("mnist_mlp")


def define(fields: dict[str, str], **given: object) -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, fields), Selection(**given))  # type: ignore[arg-type]


def test_it_is_read_from_json_as_it_was() -> None:
    made = define({"optimizer": "adam,sgd", "learning_rate": "log(1e-3,1)", "model.features": "(8),(8,4)"}, trials=7)
    read = from_json(json.loads(json.dumps(made.to_json())), RECIPE)
    assert read.to_json() == made.to_json() and read.digest() == made.digest()
    assert read.space == made.space


def test_metrics_that_follow_from_the_objective_are_the_same_as_named_ones() -> None:
    """Definitions of earlier versions name them."""
    default, named, other = (
        dataclasses.replace(define({"seed": "0:3"}), experiment=dataclasses.replace(RECIPE, metrics=metrics))
        for metrics in (None, ("accuracy",), ("f1",))
    )
    assert default.digest() == named.digest() != other.digest()
    assert changes(default, named) == [] and changes(named, default) == []
    assert changes(named, other) == ["metrics=f1 (not accuracy)"]


def test_damage_of_its_json_is_named() -> None:
    value = define({"seed": "0:3"}).to_json()
    for key in value.keys() - {"rules"}:
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
    with pytest.raises(UserError, match="only adds trials"):
        extended(before, define({"learning_rate": "log(1e-2,1)"}, trials=8))
    with pytest.raises(UserError, match="5 trials already"):
        extended(before, dataclasses.replace(before, trials=4))


@pytest.mark.parametrize(
    ("experiment", "digest"), [("digits_mlp", "d4a3c82d"), ("bits_rnn", "2e66ec5d"), ("mnist_cnn", "ef6b8fb0")]
)
def test_a_sweep_of_an_earlier_version_is_found_under_its_name(experiment: str, digest: str) -> None:
    """The digests are those of version 0.1.0, which had fewer fields; a new field needs ``since``."""
    recipe = jaxdl.load_experiment(experiment, ROOT / "experiments")
    space = make_space(recipe, {"learning_rate": "1e-3,1e-2"})
    assert make_definition(recipe, space, Selection()).digest() == digest


def test_a_later_field_with_another_value_changes_the_name() -> None:
    recipe = dataclasses.replace(RECIPE, optimizer=jaxdl.Adam(nesterov=True))
    space = {"seed": "0:3"}
    names = {
        make_definition(each, make_space(each, space), Selection()).digest()
        for each in (recipe, jaxdl.replace(recipe, {"optimizer.momentum_decay": 0.0}))
    }
    assert len(names) == 2


@pytest.mark.parametrize(
    ("fields", "varies"),
    [
        ({"learning_rate": "1e-3,1e-2", "batch_size": "16,32"}, False),
        ({"data.validation": "0.1,0.2"}, True),
        ({"overfit_batches": "1,2"}, True),
    ],
)
def test_whether_trials_have_other_examples(fields: dict[str, str], varies: bool) -> None:
    assert define(fields).varies_data is varies


def test_folds_of_one_set_are_no_other_data() -> None:
    recipe = jaxdl.replace(RECIPE, {"data.folds": 3})
    made = make_definition(recipe, make_space(recipe, {"data.fold": "0,1,2"}))
    assert not made.varies_data
