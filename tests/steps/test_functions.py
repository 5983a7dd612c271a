"""The pure step functions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.data import Preprocess, Spec
from jaxdl.steps.functions import make_loss_and_gradients
from tests.small import blobs

SPEC = blobs().spec


def experiment(**changes: object) -> jaxdl.Experiment:
    base = jaxdl.Experiment(
        name="steps",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=()),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.SGD(learning_rate=0.1),
    )
    return jaxdl.replace(base, changes)


def batch(count: int = 8) -> dict[str, np.ndarray]:
    return {name: array[:count] for name, array in blobs().splits["train"].items()}


def test_one_step_of_gradient_descent_equals_the_formula() -> None:
    """Softmax regression, one step, in NumPy: W - rate * x^T (p - y) / n."""
    steps = jaxdl.make_steps(experiment(), SPEC, 10)
    state = steps.init_state(0)
    data = batch()
    new, metrics = jax.jit(steps.train_step)(state, data, jaxdl.hyperparameters(experiment()))
    (layer,) = state.params.values()
    kernel, bias = np.asarray(layer["kernel"], np.float64), np.asarray(layer["bias"], np.float64)
    x = data["inputs"].reshape(8, -1) / 255
    logits = x @ kernel + bias
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    y = np.eye(3)[data["targets"]]
    (after,) = new.params.values()
    np.testing.assert_allclose(after["kernel"], kernel - 0.1 * x.T @ (p - y) / 8, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(after["bias"], bias - 0.1 * (p - y).mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(metrics["loss"], -np.log((p * y).sum(1)).mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], (logits.argmax(1) == data["targets"]).mean(), rtol=1e-6)
    assert new.step == 1


def test_norms_are_those_of_all_gradients_updates_and_parameters_together() -> None:
    recipe = experiment(**{"training.norms": True, "optimizer.clip_norm": 1e-3})
    steps, data, hparams = jaxdl.make_steps(recipe, SPEC, 10), batch(), jaxdl.hyperparameters(recipe)
    state = steps.init_state(0)
    new, metrics = steps.train_step(state, data, hparams)
    _, gradients = make_loss_and_gradients(recipe, SPEC, 10)(state, data, hparams)

    def norm(tree: object) -> float:
        return float(np.sqrt(sum((np.asarray(leaf, np.float64) ** 2).sum() for leaf in jax.tree.leaves(tree))))

    assert metrics.keys() == {"loss", "accuracy", "gradient_norm", "update_norm", "parameter_norm"}
    np.testing.assert_allclose(metrics["gradient_norm"], norm(gradients), rtol=1e-5)
    np.testing.assert_allclose(metrics["update_norm"], 0.1 * 1e-3, rtol=1e-5)  # after clipping, by SGD's rate
    np.testing.assert_allclose(metrics["parameter_norm"], norm(new.params), rtol=1e-5)


def test_other_hyperparameters_are_data_and_trace_nothing_again() -> None:
    recipe = experiment(
        **{
            "model": jaxdl.MLP(features=(5,), dropout=0.3),
            "objective": jaxdl.SoftmaxCrossEntropy(label_smoothing=0.1),
        }
    )
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    traces = 0

    def counted(*arguments: object) -> object:
        nonlocal traces
        traces += 1
        return steps.train_step(*arguments)  # type: ignore[arg-type]

    step, state = jax.jit(counted), steps.init_state(0)
    names = jaxdl.hyperparameters(recipe)
    assert names.keys() == {"model.dropout", "objective.label_smoothing", "optimizer.learning_rate"}
    losses = []
    for scale in (1.0, 0.5, 0.25):
        hparams = {name: np.float32(value * scale) for name, value in names.items()}
        losses.append(float(step(state, batch(), hparams)[1]["loss"]))
    assert traces == 1
    assert len(set(losses)) == 3


def test_dropout_differs_from_step_to_step_and_repeats_with_the_seed() -> None:
    recipe = experiment(model=jaxdl.MLP(features=(32,), dropout=0.5))
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    hparams = jaxdl.hyperparameters(recipe)
    state = steps.init_state(3)

    def loss(state: jaxdl.TrainState) -> float:
        return float(steps.train_step(state, batch(), hparams)[1]["loss"])

    assert loss(state) == loss(steps.init_state(3))
    assert loss(state) != loss(state.replace(step=jnp.int32(1)))
    assert loss(state) != loss(steps.init_state(4))


@pytest.mark.parametrize("valid", [1, 5, 8])
def test_padding_changes_no_sum(valid: int) -> None:
    recipe = experiment(metrics=("accuracy", "confusion"))
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    state = steps.init_state(0)
    data = batch()
    padded = {"inputs": data["inputs"].copy(), "targets": data["targets"], "mask": np.arange(8) < valid}
    padded["inputs"][valid:] = 255
    alone = {name: array[:valid] for name, array in data.items()}
    for name, value in steps.eval_step(state, padded).items():
        np.testing.assert_allclose(value, steps.eval_step(state, alone)[name], rtol=1e-5)


def test_evaluation_leaves_batch_statistics_and_smoothing_alone() -> None:
    recipe = experiment(
        model=jaxdl.MLP(features=(4,), normalization="batch"), objective=jaxdl.SoftmaxCrossEntropy(label_smoothing=0.2)
    )
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    state, _ = steps.train_step(steps.init_state(0), batch(), jaxdl.hyperparameters(recipe))
    assert jax.tree.leaves(state.model_state)
    sums = steps.eval_step(state, batch())
    predictions = np.asarray(steps.predict_step(state, batch()))
    plain = -np.log(predictions[np.arange(8), batch()["targets"]])
    np.testing.assert_allclose(sums["loss"], plain.sum(), rtol=1e-5)


def test_a_users_own_module_trains() -> None:
    class Own(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
            return nn.Dense(3)(inputs.reshape(len(inputs), -1))

    steps = jaxdl.make_steps(experiment(model=Own()), SPEC, 10)
    _, metrics = steps.train_step(steps.init_state(0), batch(), {"optimizer.learning_rate": 0.1})
    assert np.isfinite(metrics["loss"])


def test_a_binary_sequence_model_trains_on_every_step() -> None:
    spec = Spec((6, 1), "uint8", Preprocess(), (6,), 1)
    recipe = experiment(
        model=jaxdl.RNN(features=(4,), cell="gru", every_step=True), objective=jaxdl.SigmoidCrossEntropy()
    )
    steps = jaxdl.make_steps(recipe, spec, 10)
    bits = np.random.RandomState(0).randint(2, size=(5, 7))
    data = {"inputs": bits[:, :6, None].astype(np.uint8), "targets": bits[:, 1:].astype(np.int32)}
    state, metrics = steps.train_step(steps.init_state(0), data, jaxdl.hyperparameters(recipe))
    assert metrics["loss"] == pytest.approx(0.69, abs=0.2)
    assert steps.eval_step(state, data)["count"] == 30
    assert steps.predict_step(state, data).shape == (5, 6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        jaxdl.CNN(features=(8,), kernel=(2, 2), pool_after=(1,), dense=(8,), normalization="batch", dropout=0.1),
        jaxdl.RNN(features=(8,), cell="gru"),
    ],
)
def test_bfloat16_computes_in_it_and_keeps_the_state_in_float32(model: nn.Module) -> None:
    recipes = [experiment(**{"model": model, "training.precision": kind}) for kind in ("float32", "bfloat16")]
    losses, text = [], ""
    for recipe in recipes:
        steps = jaxdl.make_steps(recipe, SPEC, 10)
        state = steps.init_state(0)
        arguments = (state, batch(), jaxdl.hyperparameters(recipe))
        new, metrics = steps.train_step(*arguments)
        assert jax.tree.map(jnp.shape, new) == jax.tree.map(jnp.shape, state)
        kinds = {leaf.dtype for leaf in jax.tree.leaves(new) if jnp.issubdtype(leaf.dtype, jnp.floating)}
        assert kinds == {jnp.dtype("float32")}
        losses.append(float(metrics["loss"]))
        assert steps.predict_step(state, batch()).dtype == jnp.float32
        text = str(jax.make_jaxpr(steps.train_step)(*arguments))
    products = [line for line in text.splitlines() if "dot_general" in line or "conv_general_dilated" in line]
    assert products and all("bf16" in line for line in products if ":" in line.partition("=")[0])
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)
