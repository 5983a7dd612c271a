"""Changes of colours, beside Python's `colorsys` and Pillow."""

from __future__ import annotations

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

import jaxdl
from jaxdl import ops


@st.composite
def pictures(draw: st.DrawFn) -> np.ndarray:
    """Colours of which many are grey, black, white or have two equal channels."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([2, 4, 256]))
    return (random.integers(0, levels, (3, 4, 4, 3)) / (levels - 1)).astype(np.float32)


@given(pictures(), st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=3))
def test_a_hue_is_turned_as_in_the_hsv_model_of_colorsys(images: np.ndarray, turns: list[float]) -> None:
    got = np.asarray(jax.jit(ops.turn_hue)(images, np.array(turns, np.float32)))
    for image, turn, found in zip(images, turns, got, strict=True):
        for pixel, result in zip(image.reshape(-1, 3), found.reshape(-1, 3), strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*map(float, pixel))
            expected = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
            np.testing.assert_allclose(result, expected, atol=1e-5)


@given(pictures(), st.floats(0, 2))
def test_saturation_is_pillows_enhancement_of_colour(images: np.ndarray, factor: float) -> None:
    got = np.asarray(jax.jit(ops.saturate)(images, np.full(3, factor, np.float32)))
    for image, found in zip(images, got, strict=True):
        stored = np.rint(image * 255).astype(np.uint8)
        expected = np.asarray(ImageEnhance.Color(Image.fromarray(stored)).enhance(factor))
        assert np.abs(found * 255 - expected).max() <= 2, "Pillow rounds the grey and the result to whole numbers"


def test_the_ends_are_grey_and_the_image_itself() -> None:
    images = np.random.default_rng(0).random((2, 3, 3, 3)).astype(np.float32)
    grey, same = ops.saturate(images, np.zeros(2, np.float32)), ops.saturate(images, np.ones(2, np.float32))
    assert np.ptp(np.asarray(grey), axis=-1).max() < 1e-6
    np.testing.assert_allclose(same, images, atol=1e-6)
    np.testing.assert_allclose(ops.turn_hue(images, np.zeros(2, np.float32)), images, atol=1e-6)


@pytest.mark.slow
def test_images_are_the_same_in_every_program() -> None:
    """XLA may compute a channel twice with different rounding; a comparison with the largest channel then fails."""
    images = jnp.asarray(np.random.default_rng(0).standard_normal((4, 6, 6, 3)), jnp.float32)
    augmentation = jaxdl.Augmentation(crop=0.5, saturation=0.3, hue=0.1, mixup=0.5)

    def augmented(images: jax.Array) -> jax.Array:
        batch = {"inputs": jax.nn.sigmoid(images), "targets": jnp.arange(4)}
        return augmentation.apply(batch, jaxdl.Preprocess(), jax.random.key(0))["inputs"]

    def of_loss(images: jax.Array) -> tuple[jax.Array, jax.Array]:
        changed = augmented(images)
        return (changed**2).sum(), changed

    with jax.disable_jit():
        expected = augmented(images)
    (_, found), _ = jax.jit(jax.value_and_grad(of_loss, has_aux=True))(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)
