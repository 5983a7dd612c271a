"""Hooks as values of a recipe: names, intervals, pickles, configs."""

from __future__ import annotations

import pickle
from typing import Any

import cloudpickle
import pytest

import jaxdl
from jaxdl.experiment.hooks import named_hook


@jaxdl.hook(every="3epochs")
def decorated(now: jaxdl.Moment) -> None:
    pass


def bare(now: jaxdl.Moment) -> None:
    pass


def test_a_hook_is_its_name_and_how_often_it_is_called(recipe: jaxdl.Experiment) -> None:
    assert decorated == "decorated(every=3epochs)" and decorated.name == "decorated"
    assert jaxdl.hook(bare) == "bare"
    assert jaxdl.hook(bare, every=1) == "bare(every=1step)"
    assert jaxdl.hook(decorated, every="50steps", name="other") == "other(every=50steps)"
    assert jaxdl.hook("validate", every="7steps") == "validate(every=7steps)"
    assert named_hook("validate(every=2epochs)").every.amount == 2
    made: Any = jaxdl.replace(recipe, {"hooks": bare}).hooks
    assert made == ("bare",) and made[0].function is bare


def test_pickles_have_the_function_with_them() -> None:
    assert pickle.loads(pickle.dumps(jaxdl.hook(bare, every=4))).function is bare
    copied = pickle.loads(cloudpickle.dumps(decorated))
    assert copied == decorated and copied.every == decorated.every and callable(copied.function)


def test_a_config_has_the_names_and_the_experiment_the_functions(recipe: jaxdl.Experiment) -> None:
    own = jaxdl.replace(recipe, {"hooks": [decorated, "save_predictions", bare]})
    config = jaxdl.to_config(own)
    assert config["hooks"] == ["decorated(every=3epochs)", "save_predictions", "bare"]
    read: Any = jaxdl.from_config(config, own).hooks
    assert read == own.hooks and read[2].function is bare
    # For evaluation and prediction no experiment is needed.
    assert jaxdl.from_config(config).hooks == own.hooks


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jaxdl.hook(bare, every="30s"), "hook bare: every=30s: give steps or epochs"),
        (lambda: jaxdl.hook(bare, every="often"), "every=often: give steps or epochs"),
        (lambda: jaxdl.hook(bare, every=0), "every=0steps"),
        (
            lambda: jaxdl.hook(3),  # type: ignore[call-overload]
            "give a function that takes a jaxdl.Moment, not 3",
        ),
        (lambda: jaxdl.hook("valiate"), "Did you mean 'validate'"),
    ],
)
def test_what_is_no_hook_is_refused(make: Any, message: str) -> None:
    with pytest.raises(jaxdl.UserError, match=message):
        make()


def test_two_of_one_name_are_refused(recipe: jaxdl.Experiment) -> None:
    with pytest.raises(jaxdl.UserError, match="two hooks are named bare: give one"):
        jaxdl.replace(recipe, {"hooks": (bare, jaxdl.hook(bare, every=2))})


def test_an_unknown_name_is_refused_in_a_recipe_and_not_in_the_config_of_a_run(recipe: jaxdl.Experiment) -> None:
    with pytest.raises(jaxdl.UserError, match="'save_prediction' is none .* Did you mean 'save_predictions'"):
        jaxdl.replace(recipe, hooks=("save_prediction",))
    config = jaxdl.to_config(recipe) | {"hooks": ["mine(every=3steps)"]}
    read = jaxdl.from_config(config)
    assert read.hooks == ("mine(every=3steps)",) and jaxdl.to_config(jaxdl.replace(read, epochs=2))["hooks"] == [
        *read.hooks
    ]
    with pytest.raises(jaxdl.UserError, match="the hook 'mine' is none that jaxdl ships"):
        jaxdl.train(read, run_dir="never")
