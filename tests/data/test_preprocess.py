"""The one way from stored inputs to a model's: what it computes, that it is part of every step, and what it refuses."""

from __future__ import annotations

import dataclasses
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.data import Preprocess, Spec

MEAN, DEVIATION = (0.5, 0.25, 0.125), (0.2, 0.3, 0.4)


@given(st.sampled_from(["uint8", "int16", "uint16", "float32"]), st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_it_is_the_stated_formula(dtype: str, scale: float, seed: int) -> None:
    stored = np.random.default_rng(seed).integers(0, 256, (4, 5, 3)).astype(dtype)
    preprocess = Preprocess(scale, MEAN, DEVIATION)
    expected = (stored.astype(np.float64) * scale - MEAN) / DEVIATION
    got = preprocess(jnp.asarray(stored))
    assert got.dtype.name == preprocess.dtype(dtype) == "float32"
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4 * scale)
    np.testing.assert_array_equal(Preprocess(scale)(jnp.asarray(stored)), stored.astype(np.float32) * np.float32(scale))


def test_one_mean_serves_all_channels() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_allclose(Preprocess(1.0, (3.0,), (2.0,))(jnp.asarray(pixels)), (pixels - 3.0) / 2)


def test_ids_stay_integers() -> None:
    ids = jnp.asarray([[2**31 - 1, 0, 5]], jnp.int32)  # float32 holds integers up to 2**24 only
    got = Preprocess(cast="none")(ids)
    assert got.dtype == jnp.int32
    np.testing.assert_array_equal(got, ids)


class Words(nn.Module):
    """Reads word ids, and fails on anything else, as an embedding does."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        return nn.Dense(2)(nn.Embed(10, 4)(inputs).mean(1))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_model_of_word_ids_is_trained_and_evaluated_and_predicts(precision: str) -> None:
    recipe = jaxdl.Experiment(
        name="words",
        data=jaxdl.Bits(),
        model=Words(),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=0.05),
        training=jaxdl.Training(precision=precision),
    )
    spec = Spec((6,), "int32", Preprocess(cast="none"), (), 2, ("low", "high"))
    steps = jaxdl.make_steps(recipe, spec, 50)
    ids = np.random.default_rng(0).integers(0, 10, (64, 6)).astype(np.int32)
    batch = {"inputs": ids, "targets": (ids.mean(1) > 4.5).astype(np.int32)}
    state = steps.init_state(0)
    for _ in range(50):
        state, _ = steps.train_step(state, batch, jaxdl.hyperparameters(recipe))
    assert float(steps.eval_step(state, batch)["correct"]) > 56
    assert (np.asarray(steps.predict_step(state, batch)).argmax(1) == batch["targets"]).sum() > 56


def test_train_evaluation_and_prediction_all_apply_it() -> None:
    """A model that returns its inputs shows what each of the steps gave it."""

    class Shown(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
            return inputs.sum((1, 2)) + self.param("bias", nn.initializers.zeros, (3,))

    recipe = jaxdl.Experiment(
        name="shown",
        data=jaxdl.Digits(),
        model=Shown(),
        objective=jaxdl.MeanSquaredError(),
        optimizer=jaxdl.SGD(learning_rate=0.1),
        metrics=(),
    )
    preprocess = Preprocess(1 / 255, MEAN, DEVIATION)
    steps = jaxdl.make_steps(recipe, Spec((4, 4, 3), "uint8", preprocess, (3,), 3), 1)
    stored = np.random.default_rng(1).integers(0, 256, (5, 4, 4, 3)).astype(np.uint8)
    batch = {"inputs": stored, "targets": np.zeros((5, 3), np.float32)}
    state = steps.init_state(0)
    expected = ((stored / 255 - MEAN) / DEVIATION).sum((1, 2))
    np.testing.assert_allclose(steps.predict_step(state, batch), expected, rtol=1e-4, atol=1e-4)
    _, metrics = steps.train_step(state, batch, jaxdl.hyperparameters(recipe))
    sums = steps.eval_step(state, batch)
    np.testing.assert_allclose(metrics["loss"], (expected**2).mean(), rtol=1e-4)
    np.testing.assert_allclose(sums["loss"] / sums["count"], (expected**2).mean(), rtol=1e-4)


@given(st.sampled_from([1 / 255, 1 / 16, 1.0]), st.integers(0, 255))
def test_what_is_stored_for_a_number_gives_that_number_again(scale: float, value: int) -> None:
    preprocess = Preprocess(scale)
    number = np.asarray([value * scale])
    assert preprocess.stored(number, "uint8").tolist() == [value]
    np.testing.assert_allclose(preprocess.scaled(preprocess.stored(number, "float32")), number, rtol=1e-6)


@pytest.mark.parametrize("preprocess", [Preprocess(1 / 255, MEAN, DEVIATION), Preprocess(cast="none")])
def test_it_survives_json(preprocess: Preprocess) -> None:
    assert Preprocess.from_json(json.loads(json.dumps(dataclasses.asdict(preprocess)))) == preprocess


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cast": "uint8"}, "cast='uint8': must be 'float32' or 'none'"),
        ({"mean": (0.5,)}, "as many of each"),
        ({"mean": (0.5,), "deviation": (0.0,)}, "deviations above 0"),
        ({"cast": "none", "scale": 0.5}, "ids .* cannot be scaled"),
        ({"cast": "none", "mean": (0.5,), "deviation": (1.0,)}, "ids .* cannot be scaled"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocess(**fields)
