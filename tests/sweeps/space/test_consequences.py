"""What a chosen part changes besides its name: the values that it brings."""

from __future__ import annotations

import jaxdl
from jaxdl.sweeps.space.consequences import also_changed
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.reading import make_space
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("digits_mlp"), {"optimizer": jaxdl.Adam(learning_rate=3e-3, schedule=jaxdl.Cosine())})


def changed(**fields: str) -> list[Values]:
    space = make_space(RECIPE, fields)
    return also_changed(RECIPE, space, list(space.grid()))


def test_another_optimizer_has_another_rate_and_schedule() -> None:
    assert changed(optimizer="adam,sgd") == [
        {"optimizer.learning_rate": 3e-3, "optimizer.schedule": "cosine"},
        {"optimizer.learning_rate": 1e-2, "optimizer.schedule": "constant"},
    ]


def test_what_the_sweep_names_is_not_told_again() -> None:
    assert changed(optimizer="adam,sgd", learning_rate="0.1") == [
        {"optimizer.schedule": "cosine"},
        {"optimizer.schedule": "constant"},
    ]


def test_nothing_else_changes_where_no_part_is_chosen() -> None:
    assert changed(learning_rate="1e-3,1e-2", seed="0:2") == [{}] * 4
    assert also_changed(RECIPE, make_space(RECIPE, {"optimizer": "adam"}), []) == []


def test_a_field_that_one_part_alone_has_belongs_to_its_name() -> None:
    assert [sorted(each) for each in changed(model="mlp,cnn")] == [["model.dropout", "model.features"]] * 2
