"""The autoencoder against NumPy, and its objective: the targets are the inputs, whatever targets the data have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl import Autoencoder
from jaxdl.data import Preprocess, Spec
from jaxdl.objectives.metrics import loss, metric

IMAGES = jax.random.uniform(jax.random.key(0), (4, 3, 5, 2))


def drawn(model: nn.Module, inputs: jax.Array) -> Any:
    shapes = jax.eval_shape(model.init, jax.random.key(0), inputs)
    random = np.random.default_rng(2)
    return jax.tree.map(lambda leaf: random.normal(0, 0.3, leaf.shape).astype(np.float32), shapes)


@pytest.mark.parametrize("features", [(3,), (7, 5, 3)])
def test_outputs_equal_numpy(features: tuple[int, ...]) -> None:
    model = Autoencoder(features=features)
    variables = drawn(model, IMAGES)
    params = jax.tree.map(np.float64, variables["params"])
    hidden = np.asarray(IMAGES, np.float64).reshape(4, -1)
    layers = [*(f"encoder_{n}" for n in range(1, len(features))), "code"]
    layers += [*(f"decoder_{n}" for n in range(1, len(features))), "output"]
    assert set(params) == set(layers)
    for name in layers:
        hidden = hidden @ params[name]["kernel"] + params[name]["bias"]
        if name not in ("code", "output"):
            hidden = np.maximum(hidden, 0)
    expected = 1 / (1 + np.exp(-hidden.reshape(IMAGES.shape)))
    np.testing.assert_allclose(jax.jit(model.apply)(variables, IMAGES), expected, rtol=1e-4, atol=1e-5)
    assert params["code"]["kernel"].shape[1] == features[-1]


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"features=\(\): must be one or more numbers"):
        jax.eval_shape(Autoencoder(features=()).init, jax.random.key(0), IMAGES)


class Halved(nn.Module):
    """Returns half of its inputs; it has a parameter, since every model has."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        return 0.5 * inputs + self.param("bias", nn.initializers.zeros, (1,))


def recipe(model: nn.Module, **changes: Any) -> jaxdl.Experiment:
    return jaxdl.replace(
        jaxdl.Experiment(
            name="reconstruction",
            data=jaxdl.Digits(),
            model=model,
            objective=jaxdl.Reconstruction(),
            optimizer=jaxdl.SGD(),
            metrics=("mean_squared_error",),
        ),
        changes,
    )


@pytest.mark.parametrize("preprocess", [Preprocess(1 / 255), Preprocess(1 / 255, (0.3, 0.4), (0.5, 0.2))])
def test_the_loss_is_in_the_range_of_the_model_and_the_metric_in_that_of_the_images(preprocess: Preprocess) -> None:
    stored = np.random.default_rng(0).integers(256, size=(5, 4, 6, 2)).astype(np.uint8)
    spec = Spec((4, 6, 2), "uint8", preprocess, (), 10, tuple("0123456789"))
    experiment = recipe(Halved())
    steps = jaxdl.make_steps(experiment, spec, 1)
    state = steps.init_state(0)
    mask = jnp.array([True, True, True, False, False])
    batch = {"inputs": jnp.asarray(stored), "targets": jnp.arange(5), "mask": mask}
    sums = {key: np.asarray(value)[None] for key, value in steps.eval_step(state, batch).items()}
    scaled = stored.astype(np.float64) / 255
    mean, deviation = np.array(preprocess.mean or (0, 0)), np.array(preprocess.deviation or (1, 1))
    inputs = (scaled - mean) / deviation
    reconstruction = 0.5 * inputs * deviation + mean
    found = loss(experiment.objective).result(sums)["loss"]
    assert found == pytest.approx(((0.5 * inputs - inputs) ** 2)[:3].mean(), rel=1e-5)
    error = metric("mean_squared_error", experiment.objective).result(sums)["mean_squared_error"]
    assert error == pytest.approx(((reconstruction - scaled) ** 2)[:3].mean(), rel=1e-5)
    np.testing.assert_allclose(steps.predict_step(state, batch), reconstruction, rtol=1e-4, atol=1e-5)
    _, metrics = steps.train_step(state, {**batch, "mask": jnp.ones(5, bool)}, jaxdl.hyperparameters(experiment))
    assert float(metrics["loss"]) == pytest.approx(((0.5 * inputs - inputs) ** 2).mean(), rel=1e-5)


def test_the_targets_are_the_images_after_augmentation() -> None:
    """An image that is flipped is compared with the flipped one, so a model that returns its inputs has no loss."""
    spec = jaxdl.Digits().spec(Path())
    stored = np.random.default_rng(0).integers(17, size=(8, 8, 8, 1)).astype(np.uint8)
    experiment = recipe(Halved(), augmentation=jaxdl.Augmentation(flip="both", shift=2))
    steps = jaxdl.make_steps(experiment, spec, 1)
    state = steps.init_state(0)
    state = state.replace(params=jax.tree.map(lambda leaf: leaf + 0.25, state.params))  # half of the inputs plus 1/4
    batch = {"inputs": jnp.asarray(stored), "targets": jnp.zeros(8, int)}
    _, metrics = steps.train_step(state, batch, jaxdl.hyperparameters(experiment))
    # For x evenly in [0, 1] the mean of (x / 2 + 1/4 - x) ** 2 is 1/48; of other pixels' x it would be 5/48.
    assert 0.01 < float(metrics["loss"]) < 0.05


def test_sequences_count_their_valid_steps() -> None:
    inputs = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    spec = Spec((4, 2), "float32", Preprocess(), (), 2, lengths=True)
    experiment = recipe(Halved())
    steps = jaxdl.make_steps(experiment, spec, 1)
    lengths = np.array([4, 1, 2], np.int32)
    batch = {"inputs": jnp.asarray(inputs), "targets": jnp.zeros(3, int), "lengths": jnp.asarray(lengths)}
    sums = {key: np.asarray(value)[None] for key, value in steps.eval_step(steps.init_state(0), batch).items()}
    valid = np.arange(4) < lengths[:, None]
    expected = ((0.5 * inputs) ** 2)[valid].mean()
    assert loss(experiment.objective).result(sums)["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_model_with_outputs_gets_those_of_the_inputs() -> None:
    spec = Spec((8, 8, 3), "uint8", Preprocess(1 / 255), (), 10, tuple("0123456789"))
    assert recipe(jaxdl.UNet()).for_spec(spec).model.outputs == 3  # type: ignore[attr-defined]


def test_ids_cannot_be_reconstructed() -> None:
    spec = Spec((5,), "int32", Preprocess(cast="none"), (), 2)
    with pytest.raises(jaxdl.UserError, match="needs inputs that are numbers, and those of these data are ids"):
        recipe(Autoencoder()).for_spec(spec)


def test_a_model_of_another_shape_is_named() -> None:
    spec = jaxdl.Digits().spec(Path())
    steps = jaxdl.make_steps(recipe(jaxdl.MLP()), spec, 1)
    batch = {"inputs": jnp.zeros((2, 8, 8, 1), jnp.uint8), "targets": jnp.zeros(2, int)}
    with pytest.raises(jaxdl.UserError, match=r"outputs of shape \(2, 1\) do not fit targets of shape \(2, 8, 8, 1\)"):
        steps.train_step(steps.init_state(0), batch, {})
