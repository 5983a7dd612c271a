"""The U-Net against NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from flax import linen as nn

from jaxdl import UNet
from jaxdl.models.unet import Doubled


def drawn(model: nn.Module, images: jax.Array) -> Any:
    """Returns parameters drawn at random; quicker than the model's own."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), images)
    random = np.random.default_rng(2)
    return jax.tree.map(lambda leaf: random.normal(0, 0.3, leaf.shape).astype(np.float32), shapes)


def convolved(images: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Correlates by SciPy, with zeros around."""
    maps = [
        [
            sum(scipy.signal.correlate(image[..., c], kernel[..., c, f], "same") for c in range(kernel.shape[2]))
            for f in range(kernel.shape[3])
        ]
        for image in images
    ]
    return np.moveaxis(np.array(maps), 1, -1) + bias


def doubled(images: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A transposed convolution, by its definition: each pixel adds a square of the kernel to the result."""
    batch, height, width, _ = images.shape
    squares = kernel.reshape(-1, 2, 2, len(bias))
    result = np.zeros((batch, 2 * height, 2 * width, len(bias)))
    for row in range(height):
        for column in range(width):
            square = np.einsum("bc,cyxf->byxf", images[:, row, column], squares)
            result[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] += square
    return result + bias


def reference(params: Any, images: np.ndarray, levels: int) -> np.ndarray:
    """The forward pass in 64 bits, for images whose sides are multiples of 2 ** (levels - 1)."""
    params = jax.tree.map(np.float64, params)

    def twice(hidden: np.ndarray, name: str) -> np.ndarray:
        for number in (1, 2):
            hidden = np.maximum(convolved(hidden, **params[f"{name}_convolution_{number}"]), 0)
        return hidden

    hidden = images
    passed: list[np.ndarray] = []
    for level in range(1, levels + 1):
        if passed:
            batch, height, width, channels = hidden.shape
            hidden = hidden.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
        hidden = twice(hidden, f"down_{level}")
        passed.append(hidden)
    passed.pop()
    for level in range(levels - 1, 0, -1):
        up = params[f"double_{level}"]
        wide = doubled(hidden, up["dense"]["kernel"], up["bias"])
        hidden = twice(np.concatenate([passed.pop(), wide], -1), f"up_{level}")
    return convolved(hidden, **params["output"])


@pytest.mark.parametrize(("features", "size"), [((2, 3), (4, 6)), ((2, 3, 4), (8, 4))])
def test_outputs_equal_numpy(features: tuple[int, ...], size: tuple[int, int]) -> None:
    model, images = UNet(features=features, outputs=3), jax.random.normal(jax.random.key(0), (2, *size, 2))
    variables = drawn(model, images)
    expected = reference(variables["params"], np.asarray(images, np.float64), len(features))
    np.testing.assert_allclose(jax.jit(model.apply)(variables, images), expected, rtol=1e-4, atol=1e-4)


def test_an_image_of_another_size_is_padded_with_its_outermost_pixels() -> None:
    model, images = UNet(features=(2, 3, 4), outputs=3), jax.random.normal(jax.random.key(0), (2, 7, 10, 2))
    variables = drawn(model, images)
    padded = np.pad(np.asarray(images, np.float64), ((0, 0), (0, 1), (0, 2), (0, 0)), mode="edge")
    expected = reference(variables["params"], padded, 3)[:, :7, :10]
    np.testing.assert_allclose(jax.jit(model.apply)(variables, images), expected, rtol=1e-4, atol=1e-4)


def test_doubling_keeps_the_dtype_of_its_inputs() -> None:
    layer, images = Doubled(3), jnp.ones((1, 2, 2, 5), jnp.bfloat16)
    variables = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), drawn(layer, images))
    outputs = jnp.asarray(layer.apply(variables, images))
    assert outputs.dtype == jnp.bfloat16


def test_its_parameters_are_those_of_the_paper_for_the_channels_of_the_paper() -> None:
    """A common one in Keras has 31,031,685, with a convolution to two channels (1,154) before the last one to one."""
    model = UNet(features=(64, 128, 256, 512, 1024), outputs=1)
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1))))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == 31_031_685 - 1_154 - (2 + 1) + (64 + 1)


def test_every_convolution_but_the_last_can_be_normalised() -> None:
    model, images = UNet(features=(2, 3), outputs=3, normalization="batch"), jnp.zeros((1, 4, 4, 1))
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), images))
    levels = ("down_1", "down_2", "up_1")
    assert set(variables["batch_stats"]) == {f"{level}_normalize_{number}" for level in levels for number in (1, 2)}


def test_dropout_is_at_the_bottom_and_in_training_only() -> None:
    images = jnp.ones((1, 4, 4, 1))
    plain, dropping = UNet(features=(2, 3), outputs=1), UNet(features=(2, 3), outputs=1, dropout=0.5)
    variables = drawn(plain, images)
    np.testing.assert_array_equal(plain.apply(variables, images), dropping.apply(variables, images))
    _, state = dropping.apply(
        variables, images, train=True, rngs={"dropout": jax.random.key(0)}, capture_intermediates=True
    )
    inner = state["intermediates"]
    assert inner["dropout"]["__call__"][0].shape == (1, 2, 2, 3)
    assert bool((inner["dropout"]["__call__"][0] == 0).any())


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (UNet(outputs=2), (1, 64), r"takes images of shape \(batch, height, width, channels\), got \(1, 64\)"),
        (UNet(outputs=2, features=(16,)), (1, 8, 8, 3), "must have two levels or more"),
        (UNet(), (1, 8, 8, 3), r"UNet: outputs is None.*UNet\(outputs=10\)"),
    ],
)
def test_what_does_not_fit_is_named_with_the_way_out(model: UNet, shape: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.init(jax.random.key(0), jnp.zeros(shape))
