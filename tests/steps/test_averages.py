"""The moving average of the parameters."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdl
from jaxdl.steps import averages
from jaxdl.steps.figures import eval_figures
from jaxdl.steps.functions import make_beside_steps
from tests.steps.test_functions import SPEC, batch, experiment
from tests.training.stopped import run, stop_after


@pytest.mark.parametrize("decay", [0.5, 0.999, 0.9999])
def test_the_average_is_that_of_optax_with_its_bias_correction(decay: float) -> None:
    values = np.random.RandomState(0).standard_normal((50, 4)).astype(np.float32)
    reference = optax.ema(decay, debias=True)
    state = reference.init(jnp.zeros(4))
    average = averages.first_average({"kernel": jnp.full(4, 1e3)}, {})
    follow = jax.jit(averages.following)
    for value in values:
        expected, state = reference.update(jnp.asarray(value), state)
        average = follow(average, decay, {"kernel": jnp.asarray(value)}, {})
        np.testing.assert_allclose(average["params"]["kernel"], expected, rtol=0, atol=2e-3 if decay > 0.999 else 3e-4)
    exact = np.average(
        values.astype(np.float64), axis=0, weights=np.float64(np.float32(decay)) ** np.arange(49, -1, -1)
    )
    np.testing.assert_allclose(average["params"]["kernel"], exact, rtol=0, atol=1e-5)


def test_an_average_is_float32_and_whole_numbers_are_the_last() -> None:
    average = averages.first_average({"kernel": jnp.ones(2, jnp.bfloat16)}, {"count": jnp.int32(1)})
    after = averages.following(average, 0.999, {"kernel": jnp.full(2, 3, jnp.bfloat16)}, {"count": jnp.int32(2)})
    assert after["params"]["kernel"].dtype == np.float32
    assert after["model_state"]["count"] == 2


def test_an_equal_average_is_the_mean_of_its_members_and_before_them_the_parameters() -> None:
    recipe = experiment(**{"training.swa": 1})
    steps, beside = jaxdl.make_steps(recipe, SPEC, 10), make_beside_steps(recipe, SPEC, 10)
    state = steps.init_state(0)
    kernels = []
    for number in range(4):
        if number:
            state = beside.add_to_average(state)
            kernels.append(np.asarray(state.params["output"]["kernel"], np.float64))
            state, _ = steps.train_step(state, batch(), jaxdl.hyperparameters(recipe))
        found = averages.averaged(state)
        assert found is not None
        expected = np.mean(kernels, 0) if kernels else state.params["output"]["kernel"]
        np.testing.assert_allclose(found.params["output"]["kernel"], expected, rtol=1e-6, atol=1e-7)
    one = averages.joined(averages.first_average({"x": jnp.float32(7)}, {}), {"x": jnp.float32(0.1)}, {})
    assert one["params"]["x"] == np.float32(0.1)


def test_it_is_evaluated_beside_the_parameters_and_predicts() -> None:
    recipe = experiment(model=jaxdl.MLP(features=(4,), normalization="batch"), **{"training.ema": 0.9})
    steps, hparams = jaxdl.make_steps(recipe, SPEC, 10), jaxdl.hyperparameters(recipe)
    assert hparams["training.ema"] == 0.9  # a sweep over it shares one program
    state = steps.init_state(0)
    for _ in range(3):
        state, _ = steps.train_step(state, batch(), hparams)
    average = averages.averaged(state)
    assert average is not None
    plain = averages.without_average(state)
    beside = steps.eval_step(state, batch())
    figures = eval_figures(recipe, jax.tree.map(lambda leaf: np.asarray(leaf)[None], beside))
    for prefix, of in (("", plain), ("ema_", averages.without_average(average))):
        alone = steps.eval_step(of, batch())
        assert figures[f"{prefix}loss"] == pytest.approx(float(alone["loss"]) / 8, rel=1e-6)
    assert figures["loss"] != figures["ema_loss"]
    np.testing.assert_array_equal(
        steps.predict_step(state, batch()), steps.predict_step(averages.without_average(average), batch())
    )
    assert np.abs(steps.predict_step(state, batch()) - steps.predict_step(plain, batch())).max() > 1e-6


def test_a_dropped_update_does_not_move_it() -> None:
    recipe = experiment(**{"training.ema": 0.9, "training.nan": "skip"})
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    state, hparams = steps.init_state(0), jaxdl.hyperparameters(recipe)
    after, metrics = steps.train_step(state, batch(), {**hparams, "optimizer.learning_rate": float("nan")})
    assert metrics["skipped"] == 1
    jax.tree.map(np.testing.assert_array_equal, after.opt_state, state.opt_state)


@pytest.mark.slow
def test_it_is_watched_resumed_to_the_bit_and_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = experiment(**{"training.ema": 0.99, "training.watch": "validation/ema_accuracy", "training.final": "best"})
    whole = run(recipe, tmp_path / "whole")
    assert {"validation/ema_accuracy", "test/ema_loss", "test/accuracy"} <= whole["metrics"].keys()
    stop_after(monkeypatch, recipe, tmp_path / "stopped", 2)
    resumed = run(recipe, tmp_path / "stopped")
    assert resumed["metrics"] == whole["metrics"]
    models = [jaxdl.load_run(tmp_path / name) for name in ("whole", "stopped")]
    jax.tree.map(np.testing.assert_array_equal, *(model.state.opt_state for model in models))
    raw = jaxdl.load_run(tmp_path / "whole", ema=False)
    off = jaxdl.load_run(tmp_path / "whole", jaxdl.replace(raw.experiment, {"training.ema": 0.0}))
    inputs = np.zeros((2, *raw.spec.input_shape), raw.spec.input_dtype)
    np.testing.assert_array_equal(raw.predict(inputs), off.predict(inputs))
    assert (raw.predict(inputs) != models[0].predict(inputs)).any()
