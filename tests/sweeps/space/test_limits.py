"""Conditions and functions that restrict a space, beside a brute-force list of its combinations."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition, from_json
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.limits import Settings, function_limit, leaves, with_parts
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.schedule import planned_values
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")
BATCHES, FEATURES = [16, 32, 64, 128], [(8,), (16,), (32, 16), (64,)]
FIELDS = {"batch_size": "16,32,64,128", "model.features": "(8),(16),(32,16),(64)"}
LIMIT = "model.features[0] * batch_size <= 1024"


def define(fields: dict[str, Any], limits: Any = (), **given: Any) -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, fields, limits), Selection(**given))


def pairs(values: list[dict[str, Any]] | None) -> list[tuple[Any, Any]]:
    return [(each["training.batch_size"], each["model.features"]) for each in values or []]


def test_a_grid_leaves_out_what_does_not_fulfil_the_condition() -> None:
    made = define(FIELDS, [LIMIT])
    expected = [(size, f) for size, f in itertools.product(BATCHES, FEATURES) if f[0] * size <= 1024]
    assert pairs(planned_values(made)) == expected and made.trials == len(expected)


@settings(max_examples=25)
@given(st.integers(8, 9000), st.integers(0, 3), st.sampled_from(["random", "sobol"]), st.booleans())
def test_no_drawn_combination_breaks_a_condition_and_all_others_are_drawn(
    most: int, seed: int, mode: Any, two: bool
) -> None:
    limits = [f"model.features[0] * batch_size <= {most}", *(["len(model.features) = 1 or batch_size > 16"] * two)]
    expected = {
        (size, f)
        for size, f in itertools.product(BATCHES, FEATURES)
        if f[0] * size <= most and (not two or len(f) == 1 or size > 16)
    }
    space = make_space(RECIPE, FIELDS, limits)
    assert space.size == len(expected)
    if not expected:
        return
    made = make_definition(RECIPE, space, Selection(mode, len(expected), sweep_seed=seed))
    drawn = pairs(planned_values(made))
    assert set(drawn) == expected and len(drawn) == len(expected)


@pytest.mark.parametrize("mode", ["random", "sobol"])
def test_numbers_of_a_range_fulfil_it_too(mode: Any) -> None:
    fields = {"learning_rate": "log(1e-4,1e-1)", "weight_decay": "uniform(0,0.1)", "optimizer": "adamw,sgd"}
    limits = ["learning_rate * 100 >= weight_decay * 10 and (optimizer = sgd or learning_rate < 0.01)"]
    made = define({"optimizer": "adamw", **fields} | {"optimizer": "adamw"}, limits, sweep_mode=mode, trials=60)
    values = planned_values(made) or []
    rates = [each["optimizer.learning_rate"] for each in values]
    assert len(set(rates)) > 50 and max(rates) < 0.01
    assert all(each["optimizer.learning_rate"] * 10 >= each["optimizer.weight_decay"] for each in values)
    assert values == planned_values(made)


def test_a_function_of_the_experiment_restricts_as_a_condition_does() -> None:
    def small(experiment: jaxdl.Experiment) -> bool:
        return experiment.model.features[0] * experiment.training.batch_size <= 1024

    by_function, by_text = define(FIELDS, [small]), define(FIELDS, [LIMIT])
    assert planned_values(by_function) == planned_values(by_text)
    # A file holds only its name; who loads the sweep without it gets no plan, and who runs it is asked for it.
    read = from_json(by_function.to_json(), RECIPE)
    assert read.to_json() == by_function.to_json() and read.digest() == by_function.digest() != by_text.digest()
    assert planned_values(read) is None and not read.space.is_known
    with pytest.raises(UserError, match=r"restricted by the function .*small"):
        list(read.space.grid())


def test_a_condition_may_name_fields_that_are_not_varied_and_parts() -> None:
    size = RECIPE.training.batch_size
    assert define({"seed": "0:3"}, [f"batch_size = {size}"]).trials == 3
    with pytest.raises(UserError, match="no combination fulfils batch_size = 7"):
        define({"seed": "0:3"}, ["batch_size = 7"])
    made = define({"optimizer": "adam,sgd"}, ["optimizer != sgd or optimizer.momentum > 0.5"])
    assert [each["optimizer"] for each in planned_values(made) or []] == ["adam"]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("batch_sise <= 3", "names no field"),
        ("training.batch_sise <= 3", "Did you mean training.batch_size?"),
        ("optimizer = sdg", "unknown optimizer 'sdg'. Did you mean 'sgd'"),
        ("batch_size <= ", "ends too early"),
        ("seed < 3", "leave the seed out"),
        ("model.features[1] < 8", r"cannot be computed with .*a list of 1 has no \[1\]; ask for len"),
        ("momentum < 8 or batch_size = 3", "names no field|there is no|needs numbers"),
        (3, "sweep_if takes conditions"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(limit: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        define(FIELDS, [limit])
    assert "\n" not in str(refused.value)


def test_a_condition_that_nearly_nothing_fulfils_ends_with_a_message() -> None:
    made = define({"learning_rate": "log(1e-4,1e-1)"}, ["learning_rate > 0.0999999"], trials=3)
    with pytest.raises(UserError, match=r"no further combination fulfils learning_rate > 0\.0999999"):
        planned_values(made)


def test_settings_are_those_of_the_chosen_parts() -> None:
    found = Settings(RECIPE)
    assert found.of({"optimizer": "sgd"}, "optimizer.momentum") == jaxdl.SGD().momentum
    assert found.of({"optimizer": "sgd", "optimizer.momentum": 0.5}, "optimizer.momentum") == 0.5
    with pytest.raises(ValueError, match=r"there is no optimizer\.momentum"):
        found.of({"optimizer": "adam"}, "optimizer.momentum")
    assert leaves(with_parts(RECIPE, {"optimizer": "sgd"}))["optimizer"] == "sgd"


def test_the_text_of_a_function_without_source_is_its_name() -> None:
    assert function_limit(bool, lambda values: RECIPE).text.startswith("function bool ")
