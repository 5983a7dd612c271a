"""Fields that are replaced by the names that flags have."""

from __future__ import annotations

from typing import Any

import pytest

import jaxdl
from jaxdl.cli.flags import parse_command_line
from jaxdl.sweeps.space.reading import make_space
from tests.sweeps.small import RECIPE


@pytest.mark.parametrize(
    "fields",
    [
        {"learning_rate": 0.5, "epochs": 3, "batch_size": 7, "seed": 4},
        {"momentum": 0.9, "optimizer": "sgd", "schedule": "cosine", "warmup": 0.1},
        {"precision": "bf16", "model": "rnn", "cell": "gru"},
        {"optimizer.learning_rate": 0.5, "training.final": "best"},
        {"features": (3, 4), "patience": None},
        {"features": (3,)},
    ],
)
def test_replace_means_what_flags_mean(fields: dict[str, Any]) -> None:
    texts = {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else value
        for name, value in fields.items()
    }
    _, flagged = parse_command_line([f"--{name}={text}" for name, text in texts.items()], RECIPE)
    assert jaxdl.replace(RECIPE, fields) == flagged
    assert jaxdl.replace(RECIPE, **fields) == flagged


def test_what_is_meant_is_taken() -> None:
    changed = jaxdl.replace(RECIPE, features=[5, 6], training=jaxdl.Training(epochs=2), name="other", batch_size=9)
    assert changed.model.features == (5, 6)
    assert (changed.name, changed.training) == ("other", jaxdl.Training(epochs=2, batch_size=9))
    assert jaxdl.replace(RECIPE, features=5).model.features == (5,)
    assert jaxdl.replace(jaxdl.MLP(), features=[5]).features == (5,)
    assert jaxdl.replace(jaxdl.AdamW(), schedule=jaxdl.Cosine()).schedule == jaxdl.Cosine()
    assert RECIPE.model.features != (5,)


def test_a_part_of_the_same_kind_keeps_its_values() -> None:
    changed = jaxdl.replace(RECIPE, optimizer="adam", b1=0.5)
    assert jaxdl.replace(changed, optimizer="adam") == changed


def test_flags_replace_sweep_and_fit_refuse_a_name_alike() -> None:
    for name, message in {
        "learning_rat": "{0}learning_rat. Did you mean {0}learning_rate",
        "final": "{0}final is ambiguous: write {0}optimizer.schedule.final or {0}training.final",
    }.items():
        recipe = jaxdl.replace(RECIPE, schedule="cosine")
        with pytest.raises(jaxdl.UserError, match=message.format("--")):
            parse_command_line([f"--{name}=1"], recipe)
        with pytest.raises(jaxdl.UserError, match=message.format("")):
            make_space(recipe, {name: "1,2"})
        with pytest.raises(jaxdl.UserError, match=message.format("")) as replaced:
            jaxdl.replace(recipe, {name: 1})
        with pytest.raises(jaxdl.UserError, match=message.format("")) as fitted:
            jaxdl.fit(jaxdl.MLP(), ([[1.0]] * 4, [0, 1] * 2), schedule="cosine", notify=None, **{name: 1})
        assert str(replaced.value)[:60] == str(fitted.value)[:60]


@pytest.mark.parametrize(
    ("changes", "fields"), [({"optimizer.learning_rate": 1}, {"learning_rate": 2}), ({"seed": 1}, {"seed": 2})]
)
def test_a_field_is_given_once(changes: dict[str, Any], fields: dict[str, Any]) -> None:
    with pytest.raises(jaxdl.UserError, match="is given twice"):
        jaxdl.replace(RECIPE, changes, **fields)
