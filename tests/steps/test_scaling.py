"""Dynamic scaling of the loss in float16."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax.training.dynamic_scale import DynamicScale

import jaxdl
from jaxdl.record import read_metrics
from jaxdl.steps import scaling
from jaxdl.steps.functions import LOSS_SCALE, SKIPPED, make_loss_and_gradients
from tests.steps.test_functions import SPEC, batch, experiment
from tests.training.stopped import run, stop_after


def float16(**changes: object) -> jaxdl.Experiment:
    return experiment(**{"training.precision": "float16", **changes})


def scale(state: jaxdl.TrainState) -> float:
    return float(state.opt_state[LOSS_SCALE]["scale"])


class Steep(nn.Module):
    """A model whose gradients are so large that float16 holds them only with a small scale of the loss."""

    outputs: int = 3
    gain: float = 5.5

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        hidden = nn.Dense(self.outputs)(inputs.reshape(len(inputs), -1))
        return hidden * jnp.asarray(self.gain, hidden.dtype) * jnp.asarray(self.gain, hidden.dtype)


def test_a_step_that_overflows_is_dropped_and_halves_the_scale_until_it_fits() -> None:
    steps = jaxdl.make_steps(float16(model=Steep(), **{"optimizer.learning_rate": 1e-4}), SPEC, 10)
    state, hparams = steps.init_state(0), {"optimizer.learning_rate": np.float32(1e-4)}
    skipped, scales = [], []
    for _ in range(8):
        before = state
        state, metrics = steps.train_step(state, batch(), hparams)
        assert np.isfinite(metrics["loss"])  # so the training does not count as diverged
        assert metrics[LOSS_SCALE] == scale(before)
        skipped.append(int(metrics[SKIPPED]))
        scales.append(scale(state))
        same = jax.tree.map(lambda a, b: bool((a == b).all()), before.params, state.params)
        assert all(jax.tree.leaves(same)) == bool(metrics[SKIPPED])
        assert state.step == before.step + 1
    dropped = sum(skipped)
    assert 1 <= dropped < 8
    assert skipped == [1] * dropped + [0] * (8 - dropped)
    assert scales == [2.0 ** (16 - min(n, dropped)) for n in range(1, 9)]
    # It grows again after enough good steps, and the next one overflows again.
    many = {**state.opt_state[LOSS_SCALE], "good_steps": jnp.int32(scaling.GOOD_STEPS - 1)}
    state = state.replace(opt_state=state.opt_state | {LOSS_SCALE: many})
    state, _ = steps.train_step(state, batch(), hparams)
    assert scale(state) == 2 * scales[-1]
    state, metrics = steps.train_step(state, batch(), hparams)
    assert metrics[SKIPPED] == 1
    assert scale(state) == scales[-1]


def test_the_scale_follows_flax() -> None:
    """The same sequence of scales as `DynamicScale` with its numbers, but for its first period, one step longer."""
    ours, theirs = scaling.first_scaling(), DynamicScale(growth_interval=scaling.GOOD_STEPS - 1)
    follow = jax.jit(scaling.following)
    assert theirs.scale == ours["scale"]
    good = [True] * 2100 + [False] * 3 + [True] * 2001 + [False] + [True] * 10
    gradient = jax.jit(lambda theirs, x: theirs.value_and_grad(lambda w: w * x)(1.0)[0])
    for number, finite in enumerate(good):
        theirs = gradient(theirs, jnp.float32(1.0 if finite else np.inf))
        ours = follow(ours, True, finite)
        assert theirs.scale == ours["scale"], number


def test_no_scale_helps_a_loss_that_is_not_finite() -> None:
    state = {"scale": jnp.float32(8.0), "good_steps": jnp.int32(5)}
    after = scaling.following(state, jnp.bool_(False), jnp.bool_(False))
    assert after["scale"] == 8
    assert after["good_steps"] == 0
    least = {"scale": jnp.float32(scaling.LEAST), "good_steps": jnp.int32(0)}
    assert scaling.following(least, jnp.bool_(True), jnp.bool_(False))["scale"] == scaling.LEAST


def test_an_overflow_at_the_least_scale_is_a_divergence() -> None:
    steps = jaxdl.make_steps(float16(model=Steep(gain=2000.0)), SPEC, 10)
    state = steps.init_state(0)
    least = {"scale": jnp.float32(scaling.LEAST), "good_steps": jnp.int32(0)}
    state = state.replace(params=jax.tree.map(lambda leaf: leaf * 0, state.params))
    state = state.replace(opt_state=state.opt_state | {LOSS_SCALE: least})
    _, metrics = steps.train_step(state, batch(), {"optimizer.learning_rate": 0.1})
    assert np.isnan(metrics["loss"])


def test_gradients_in_float16_are_those_in_float32() -> None:
    """Rounded to 11 bits in each product: 1 % of the largest of each array."""
    found = {}
    for name in ("float32", "float16"):
        recipe = experiment(model=jaxdl.MLP(features=(16,)), **{"training.precision": name})
        state = jaxdl.make_steps(recipe, SPEC, 10).init_state(0)
        hparams = jaxdl.hyperparameters(recipe)
        found[name] = make_loss_and_gradients(recipe, SPEC, 10)(state, batch(), hparams)
    assert found["float16"][0] == pytest.approx(float(found["float32"][0]), rel=1e-2)
    for exact, rounded in zip(*(jax.tree.leaves(found[name][1]) for name in ("float32", "float16")), strict=True):
        assert rounded.dtype == np.float32
        np.testing.assert_allclose(rounded, exact, atol=0.01 * float(np.abs(exact).max()))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_what_is_carried_stays_float32(precision: str) -> None:
    recipe = experiment(
        model=jaxdl.MLP(features=(4,), normalization="batch"),
        optimizer=jaxdl.Adam(),
        **{"training.precision": precision},
    )
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    shapes, metrics = jax.eval_shape(steps.train_step, steps.init_state(0), batch(), jaxdl.hyperparameters(recipe))
    carried = [*jax.tree.leaves((shapes.params, shapes.model_state, shapes.opt_state)), *metrics.values()]
    carried += jax.tree.leaves(jax.eval_shape(steps.eval_step, shapes, batch()))
    assert {leaf.dtype for leaf in carried} <= {np.dtype("float32"), np.dtype("int32")}


def test_without_float16_the_state_has_no_scale() -> None:
    for precision in ("float32", "bfloat16"):
        recipe = experiment(**{"training.precision": precision})
        state = jaxdl.make_steps(recipe, SPEC, 10).init_state(0)
        plain = recipe.optimizer.transformation(10).init(state.params)
        assert str(jax.tree.structure(state.opt_state)) == str(jax.tree.structure(plain))


@pytest.mark.slow
def test_a_run_in_float16_resumes_to_the_same_bits_and_logs_its_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = float16(model=Steep(outputs=10), **{"training.batch_size": 256})
    whole = run(recipe, tmp_path / "whole")
    assert whole["status"] == "completed"
    logged = [line for line in read_metrics(tmp_path / "whole") if line["split"] == "train"]
    assert 1 <= logged[-1]["loss_scale"] < 2.0**16
    assert logged[0]["skipped"] > 0
    stop_after(monkeypatch, recipe, tmp_path / "stopped", 1)
    resumed = run(recipe, tmp_path / "stopped")
    assert resumed["params_sha256"] == whole["params_sha256"]
    assert resumed["metrics"] == whole["metrics"]
