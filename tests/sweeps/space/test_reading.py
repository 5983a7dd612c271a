"""Search spaces as users write them: ranges that hold for one choice only, and known settings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import from_json
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import enqueued_values, make_space, parse_setting
from jaxdl.sweeps.space.space import apply
from jaxdl.sweeps.trials.schedule import check_values, planned_values
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")
BRANCHES = {
    "optimizer": "adam,sgd,rmsprop",
    "momentum": "0.8,0.9 if optimizer=sgd",
    "b2": "0.9,0.99,0.999 if optimizer=adam and batch_size > 16",
    "batch_size": "16,32",
}


def brute_force() -> list[dict[str, Any]]:
    found = []
    for optimizer in ("adam", "sgd", "rmsprop"):
        for momentum in (0.8, 0.9) if optimizer == "sgd" else (None,):
            for size_first in (0.9, 0.99, 0.999) if optimizer == "adam" else (None,):
                for size in (16, 32):
                    values: dict[str, Any] = {"optimizer": optimizer, "training.batch_size": size}
                    if momentum is not None:
                        values["optimizer.momentum"] = momentum
                    if size_first is not None and size > 16:
                        values["optimizer.b2"] = size_first
                    if values not in found:
                        found.append(values)
    return found


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    def key(values: dict[str, Any]) -> list[tuple[str, str]]:
        return sorted((path, str(value)) for path, value in values.items())

    return sorted(map(key, one)) == sorted(map(key, other))


def test_a_field_is_varied_only_where_its_condition_holds() -> None:
    made = make_definition(RECIPE, make_space(RECIPE, BRANCHES), Selection())
    values = planned_values(made) or []
    assert same(values, brute_force()) and made.trials == 2 + 4 + 4 == len(values)
    check_values(made)
    read = from_json(made.to_json(), RECIPE)
    assert planned_values(read) == values and read.digest() == made.digest()
    sgd = next(each for each in values if each.get("optimizer.momentum") == 0.9)
    assert apply(RECIPE, sgd).optimizer == jaxdl.SGD(momentum=0.9)


@settings(max_examples=15)
@given(st.integers(0, 100), st.sampled_from(["random", "sobol"]))
def test_drawn_combinations_are_those_of_the_list_each_once(seed: int, mode: Any) -> None:
    made = make_definition(RECIPE, make_space(RECIPE, BRANCHES), Selection(mode, 10, sweep_seed=seed))
    assert same(planned_values(made) or [], brute_force())


def test_ranges_may_hold_for_one_choice_only() -> None:
    fields = {"optimizer": "adam,sgd", "momentum": "uniform(0.5,0.99) if optimizer=sgd", "learning_rate": "log(1e-4,1)"}
    made = make_definition(RECIPE, make_space(RECIPE, fields), Selection("random", 40))
    values = planned_values(made) or []
    with_momentum = [each for each in values if each["optimizer"] == "sgd"]
    assert 10 < len(with_momentum) < 30
    assert all(("optimizer.momentum" in each) == (each["optimizer"] == "sgd") for each in values)
    assert len({each["optimizer.momentum"] for each in with_momentum}) == len(with_momentum)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"optimizer": "adam,sgd", "momentum": "0.8,0.9 if optimizer=sdg"}, "unknown optimizer 'sdg'"),
        ({"optimizer": "adam,sgd", "momentum": "0.8,0.9 if optimizer="}, "ends too early"),
        ({"batch_size": "16,32 if seed=1", "seed": "0:3"}, "leave the seed out"),
        (
            {"optimizer": "adam,sgd", "momentum": "0.8 if optimizer=sgd", "batch_size": "16 if momentum=0.8"},
            "has a condition itself",
        ),
    ],
)
def test_a_wrong_condition_is_named(fields: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        make_space(RECIPE, fields)
    assert "\n" not in str(refused.value)


KNOWN: dict[str, Any] = {"batch_size": "int(8,64)", "learning_rate": "log(1e-4,1e-1)", "model.features": "(8),(16,8)"}


@pytest.mark.parametrize("mode", ["random", "sobol"])
def test_known_settings_come_first_and_what_they_leave_open_is_drawn(mode: Any) -> None:
    known = ("learning_rate=0.05 batch_size=9", "model.features=16,8")
    made = make_definition(RECIPE, make_space(RECIPE, KNOWN), Selection(mode, 8, enqueue=known))
    first, second, *others = planned_values(made) or []
    assert (first["optimizer.learning_rate"], first["training.batch_size"]) == (0.05, 9)
    assert second["model.features"] == (16, 8) and 1e-4 <= second["optimizer.learning_rate"] <= 1e-1
    assert len(others) == 6 and planned_values(from_json(made.to_json(), RECIPE)) == planned_values(made)
    without = make_definition(RECIPE, make_space(RECIPE, KNOWN), Selection(mode, 8))
    assert without.digest() != made.digest()


def test_known_settings_of_python_are_values() -> None:
    space = make_space(RECIPE, KNOWN)
    assert enqueued_values(space, {"batch_size": 16, "model.features": [16, 8]}) == {
        "training.batch_size": 16,
        "model.features": (16, 8),
    }
    assert enqueued_values(make_space(RECIPE, {"model.features": "8,16"}), {"features": 8}) == {"model.features": (8,)}


@pytest.mark.parametrize(
    ("given_one", "message"),
    [
        ({"batch_size": "99"}, r"batch_size=99 is not among int\(8,64\)"),
        ({"batch_size": "many"}, "must be a number"),
        ({"model.features": "9"}, r"is not among \(8\),\(16,8\)"),
        ({"dropout": "0.1"}, "dropout is no field that the sweep draws"),
        ({}, "write the values of fields"),
    ],
)
def test_a_known_setting_that_the_sweep_cannot_have_is_named(given_one: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        enqueued_values(make_space(RECIPE, KNOWN), given_one)


def test_a_known_setting_is_written_as_words() -> None:
    assert parse_setting(" learning_rate=1e-3  batch_size=32 ") == {"learning_rate": "1e-3", "batch_size": "32"}
    for text in ("", "learning_rate", "=3", "learning_rate="):
        with pytest.raises(UserError, match="write --enqueue="):
            parse_setting(text)
    with pytest.raises(UserError, match="a grid tries every combination"):
        make_definition(RECIPE, make_space(RECIPE, {"batch_size": "8,16"}), Selection(enqueue=("batch_size=8",)))
