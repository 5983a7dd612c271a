"""Experiments as JSON and back."""

from __future__ import annotations

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.errors import UserError
from jaxdl.experiment.config import differences, from_config, to_config


def recipe() -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="recipe",
        data=jaxdl.Digits(),
        model=jaxdl.CNN(features=(4, 8)),
        objective=jaxdl.SoftmaxCrossEntropy(label_smoothing=0.1),
        optimizer=jaxdl.Adam(schedule=jaxdl.Cosine(warmup=0.1)),
    )


def through_json(experiment: jaxdl.Experiment, default: jaxdl.Experiment) -> jaxdl.Experiment:
    return from_config(json.loads(json.dumps(to_config(experiment))), default)


def test_an_experiment_comes_back_equal() -> None:
    assert through_json(recipe(), recipe()) == recipe()


@given(
    rate=st.floats(1e-9, 1e3),
    features=st.lists(st.integers(1, 99), min_size=1, max_size=4).map(tuple),
    schedule=st.sampled_from([jaxdl.Constant(), jaxdl.OneCycle(), jaxdl.Piecewise()]),
    optimizer=st.sampled_from([jaxdl.SGD, jaxdl.Adadelta, jaxdl.Lion]),
    patience=st.none() | st.integers(1, 9),
)
def test_any_change_of_parts_and_fields_comes_back(rate, features, schedule, optimizer, patience) -> None:  # type: ignore[no-untyped-def]
    changed = jaxdl.replace(
        recipe(),
        {
            "model": jaxdl.MLP(features=features),
            "optimizer": optimizer(learning_rate=rate, schedule=schedule),
            "training.patience": patience,
        },
    )
    assert through_json(changed, recipe()) == changed


def test_a_users_own_module_is_read_back_without_importing_it() -> None:
    class Own(nn.Module):
        width: int = 4

        @nn.compact
        def __call__(self, inputs, *, train=False, lengths=None):  # type: ignore[no-untyped-def]
            return nn.Dense(self.width)(inputs)

    own = jaxdl.replace(recipe(), {"model": Own(width=7)})
    default = jaxdl.replace(recipe(), {"model": Own()})
    assert to_config(own)["model"] == {"type": "Own", "width": 7}
    assert through_json(own, default) == own


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sed": 1}, "unknown field in config: 'sed'. Did you mean 'seed'"),
        ({"seed": "os.system('true')"}, "seed=.*must be int"),
        ({"optimizer": {"type": "adm"}}, "Did you mean 'adam'"),
        ({"optimizer": {"type": "os.system"}}, "unknown optimizer in config"),
        ({"model": "cnn"}, "model must be an object"),
        ({"training": {"epochs": 0}}, "training.epochs=0: must be at least 1"),
    ],
)
def test_a_damaged_config_is_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        from_config(to_config(recipe()) | change, recipe())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": jaxdl.RNN(features=(3,), cell="gru"), "data": jaxdl.Bits(length=9), "metrics": ()},
        {"optimizer": jaxdl.SGD(schedule=jaxdl.OneCycle()), "data": jaxdl.Tfds(name="emnist/letters", validation=0.2)},
        {"objective": jaxdl.Huber(delta=2.0), "training.patience": 3, "augmentation.shift": 1, "seed": 7},
    ],
)
def test_built_in_parts_need_no_experiment_to_be_read(changes: dict[str, object]) -> None:
    experiment = jaxdl.replace(recipe(), changes)
    assert from_config(json.loads(json.dumps(to_config(experiment)))) == experiment


class MLP(nn.Module):
    """A module of the user's own that has the name of a built-in class."""

    outputs: int | None = None

    @nn.compact
    def __call__(self, inputs, *, train=False, lengths=None):  # type: ignore[no-untyped-def]
        return nn.Dense(self.outputs or 1)(inputs)


@dataclasses.dataclass(frozen=True)
class Constant(jaxdl.Constant):
    """The same for a schedule."""


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [("model", MLP(), "model 'MLP'"), ("optimizer.schedule", Constant(), "schedule 'Constant'")],
)
def test_a_part_of_ones_own_is_never_taken_for_a_built_in_one(path: str, value: object, name: str) -> None:
    config = to_config(jaxdl.replace(recipe(), {path: value}))
    with pytest.raises(UserError, match=rf"{name} is not a part of jaxdl.*experiment=.*a file in experiments/"):
        from_config(config)
    with pytest.raises(UserError, match=r"unknown .* in config"):
        from_config(config, jaxdl.replace(recipe(), {"model": jaxdl.MLP(), "optimizer.schedule": jaxdl.Constant()}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "config: name must be a text"),
        ({"name": 3}, "config: name must be a text"),
        ({"name": "recipe"}, "config: data must be an object with its type"),
        ({"name": "recipe", "data": {"type": ["digits"]}}, "config: data must be an object with its type"),
        ({"name": "recipe", "data": {"type": "os.system"}}, "data set 'os.system' is not a part of jaxdl"),
    ],
)
def test_a_config_without_what_names_its_parts_is_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        from_config(config)


def test_a_field_that_came_later_has_its_default_whatever_the_present_recipe_says() -> None:
    older = to_config(recipe())
    del older["augmentation"]
    present = jaxdl.replace(recipe(), {"augmentation.shift": 2})
    assert from_config(older, present) == recipe()


def test_an_augmentation_without_a_type_is_that_of_images_as_it_always_was() -> None:
    config = to_config(jaxdl.replace(recipe(), {"augmentation.shift": 2}))
    assert "type" not in config["augmentation"]
    tables = jaxdl.replace(recipe(), {"augmentation": jaxdl.TableAugmentation(noise=0.5)})
    assert to_config(tables)["augmentation"]["type"] == "tables"
    for present in (recipe(), tables, None):
        assert from_config(config, present).augmentation == jaxdl.Augmentation(shift=2)
        assert from_config(to_config(tables), present) == tables


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.arange(500), r"ndarray of int64 and shape \(500,\)"),
        ((1, jnp.zeros((2, 3))), r"of float32 and shape \(2, 3\)"),
        (nn.relu, r"custom_jvp object at \w+>"),
        (["x" * 500], r"\['xxxxx.*x\.\.\."),
    ],
)
def test_a_field_without_a_json_form_is_named_and_no_array_is_printed_whole(value: object, shown: str) -> None:
    class Own(nn.Module):
        table: object = None

    with pytest.raises(UserError, match=rf"^Own.table holds .*{shown}, which config.json cannot hold") as error:
        to_config(jaxdl.replace(recipe(), {"model": Own(table=value)}))
    assert len(str(error.value)) < 400


def test_metrics_that_were_once_the_default_of_every_objective_are_read_as_the_default() -> None:
    assert to_config(recipe())["metrics"] is None
    classes, squares = recipe(), jaxdl.replace(recipe(), {"objective": jaxdl.MeanSquaredError()})
    assert from_config(to_config(classes) | {"metrics": ["accuracy"]}, classes).metrics == ("accuracy",)
    assert from_config(to_config(squares) | {"metrics": ["accuracy"]}, squares).metrics is None


def test_differences_name_the_fields() -> None:
    other = jaxdl.replace(recipe(), {"optimizer": jaxdl.SGD(), "seed": 3})
    found = differences(other, recipe())
    assert "seed=3 (not 0)" in found
    assert "optimizer=sgd (not adam)" in found
    assert differences(recipe(), recipe()) == []
    named = jaxdl.replace(recipe(), {"metrics": ("accuracy",)})
    assert differences(recipe(), named) == [] and differences(other, named) == found
