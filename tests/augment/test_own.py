"""Augmentations of one's own: a batch or an example at a time, with targets, and the bits of a built-in one."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl
from jaxdl.data import Preprocess
from jaxdl.steps.functions import hyperparameters


@jaxdl.augmentation
def noise(inputs: jax.Array, key: jax.Array, *, sigma: float = 0.1) -> jax.Array:
    return inputs + sigma * jax.random.normal(jax.random.fold_in(key, 0), inputs.shape)


@jaxdl.augmentation(each=True)
def mirrored(inputs: jax.Array, targets: jax.Array, key: jax.Array, *, share: float = 0.5) -> Any:
    turn = jax.random.uniform(key) < share
    return jnp.where(turn, inputs[::-1], inputs), jnp.where(turn, targets + 10, targets)


ROWS = {"inputs": jnp.arange(24.0).reshape(6, 4), "targets": jnp.arange(6), "weights": jnp.ones(6)}
KEY = jax.random.key(3)


def test_it_gives_what_a_built_in_one_gives() -> None:
    own = noise(sigma=0.2).apply(ROWS, Preprocess(scale=0.5), KEY)
    built_in = jaxdl.TableAugmentation(noise=0.2).apply(ROWS, Preprocess(scale=0.5), KEY)
    np.testing.assert_array_equal(own["inputs"], built_in["inputs"])
    assert own["weights"] is ROWS["weights"]


def test_each_example_has_a_key_and_targets_may_change_with_it() -> None:
    changed = mirrored().apply(ROWS, Preprocess(), KEY)
    turned = np.asarray(changed["targets"]) >= 10
    assert 0 < turned.sum() < 6
    expected = np.where(turned[:, None], ROWS["inputs"][:, ::-1], ROWS["inputs"])
    np.testing.assert_array_equal(changed["inputs"], expected)
    np.testing.assert_array_equal(mirrored(share=0.0).apply(ROWS, Preprocess(), KEY)["inputs"], ROWS["inputs"])


def recipe(augmentation: Any) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="own",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        augmentation=augmentation,
    )


def test_its_fields_are_traced_and_in_the_config() -> None:
    experiment = recipe(noise(sigma=0.3))
    assert hyperparameters(experiment)["augmentation.sigma"] == 0.3
    config = jaxdl.to_config(experiment)
    assert config["augmentation"] == {"type": "noise", "sigma": 0.3} and "augmentation" in config["code"]
    assert jaxdl.from_config(config, recipe(noise())) == experiment
    with pytest.raises(jaxdl.UserError, match="the augmentation 'noise' is not a part of jaxdl"):
        jaxdl.from_config(config)


def test_a_bare_function_and_a_name_are_taken() -> None:
    assert recipe(noise.function).augmentation == jaxdl.augmentation(noise.function)()
    assert recipe(noise).augmentation == noise()
    assert recipe("tables").augmentation == jaxdl.TableAugmentation()
    with pytest.raises(jaxdl.UserError, match=r"Experiment\(augmentation=...\) must be a part"):
        recipe(3)


def test_each_of_several_inputs_may_have_one() -> None:
    taken: Any = recipe(
        {"image": noise, "table": noise.function, "text": "text", "other": noise(sigma=0.2)}
    ).augmentation
    assert taken.parts["image"] == noise() and taken.parts["other"] == noise(sigma=0.2)
    assert taken.parts["table"].sigma == 0.1 and taken.parts["text"] == jaxdl.TextAugmentation()


def test_mistakes_name_the_function() -> None:
    flat = jaxdl.augmentation(lambda inputs, key: inputs.reshape(-1))()
    with pytest.raises(jaxdl.UserError, match=r"returned inputs of shape \(24,\) for inputs of shape \(6, 4\)"):
        flat.apply(ROWS, Preprocess(), KEY)
    alone = jaxdl.augmentation(lambda inputs, targets, key: inputs)()
    with pytest.raises(jaxdl.UserError, match=r"must return the pair \(inputs, targets\)"):
        alone.apply(ROWS, Preprocess(), KEY)
    with pytest.raises(jaxdl.UserError, match=r"must take \(inputs, key\) and keyword arguments"):
        jaxdl.augmentation(lambda inputs: inputs)
