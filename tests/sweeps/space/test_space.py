"""Search spaces: names of fields, combinations, and the experiments that they give."""

from __future__ import annotations

from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.space import apply, parse_flags
from tests.experiments.twins import twin

RECIPE = twin("mnist_mlp")


def test_a_grid_has_every_combination_the_last_field_fastest() -> None:
    space = make_space(RECIPE, parse_flags(["learning_rate=1e-3,1e-2", "seed=0:3"]))
    assert space.size == 6 and space.is_finite
    assert list(space.grid()) == [
        {"optimizer.learning_rate": rate, "seed": seed} for rate in (1e-3, 1e-2) for seed in (0, 1, 2)
    ]


def test_each_combination_gives_its_experiment() -> None:
    made = apply(RECIPE, {"optimizer.learning_rate": 0.5, "model.features": (7, 8), "seed": 3})
    assert (made.optimizer.learning_rate, made.model.features, made.seed) == (0.5, (7, 8), 3)
    assert made.training == RECIPE.training


def test_a_part_is_chosen_before_what_it_holds() -> None:
    space = make_space(RECIPE, parse_flags(["momentum=0.5,0.9", "optimizer=sgd,rmsprop"]))
    made = [apply(RECIPE, values) for values in space.grid()]
    assert [(type(e.optimizer), getattr(e.optimizer, "momentum")) for e in made] == [  # noqa: B009
        (jaxdl.SGD, 0.5),
        (jaxdl.RMSprop, 0.5),
        (jaxdl.SGD, 0.9),
        (jaxdl.RMSprop, 0.9),
    ]


def test_a_field_that_one_of_the_chosen_parts_lacks_is_named() -> None:
    space = make_space(RECIPE, parse_flags(["optimizer=sgd,adam", "momentum=0.5,0.9"]))
    with pytest.raises(UserError, match=r"with optimizer=adam there is no field 'momentum'"):
        for values in space.grid():
            apply(RECIPE, values)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "needs a field to vary"),
        (["learning_rate"], "write --sweep=FIELD=VALUES"),
        (["=1,2"], "write --sweep=FIELD=VALUES"),
        (["learning_rat=1,2"], "unknown field learning_rat. Did you mean learning_rate"),
        (["name=a,b"], "unknown field name."),
        (["learning_rate=1,2", "optimizer.learning_rate=3"], "given twice"),
        (["every=1s,2s"], "no result depends on checkpoint.every"),
    ],
)
def test_what_is_wrong_is_named(flags: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_space(RECIPE, parse_flags(flags))


@pytest.mark.parametrize(
    "fields",
    [
        {"learning_rate": [1e-3, 1e-2], "seed": range(3), "model.features": [64, (128, 64)]},
        {"learning_rate": "1e-3,1e-2", "seed": "0:3", "model.features": "64,(128,64)"},
    ],
)
def test_python_says_the_same_as_flags(fields: dict[str, Any]) -> None:
    axes = make_space(RECIPE, fields).axes
    assert [axis.path for axis in axes] == ["optimizer.learning_rate", "seed", "model.features"]
    assert [axis.values.values for axis in axes] == [(1e-3, 1e-2), (0, 1, 2), ((64,), (128, 64))]  # type: ignore[union-attr]


def test_each_possible_field_is_named_once() -> None:
    with pytest.raises(UserError) as refused:
        make_space(RECIPE, {"learning_rat": [1, 2]})
    names = str(refused.value).partition("Choose from: ")[2].rstrip(".").split(", ")
    assert "model" in names and len(names) == len(set(names))
