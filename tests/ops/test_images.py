"""Moves of images, beside NumPy and SciPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from jaxdl import ops

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
DTYPES = st.sampled_from([np.uint8, np.int32, np.float32])


@st.composite
def images(draw: st.DrawFn) -> np.ndarray:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random.integers(0, 256, draw(SHAPES)).astype(draw(DTYPES))


@pytest.mark.slow
@given(st.data(), images(), st.integers(0, 4))
def test_a_shift_is_scipys(data: st.DataObject, given_images: np.ndarray, most: int) -> None:
    moves = data.draw(hnp.arrays(np.int32, (len(given_images), 2), elements=st.integers(-most, most)))
    shifted = ops.shift(given_images, moves, most)
    assert shifted.dtype == given_images.dtype
    for image, move, got in zip(given_images, moves, shifted, strict=True):
        np.testing.assert_array_equal(got, scipy.ndimage.shift(image, (*move, 0), order=0, mode="constant"))


def reference(image: np.ndarray, angle: float, factor: float) -> np.ndarray:
    """The same turn by SciPy, in double precision."""
    angle, factor = float(angle), float(factor)
    cosine, sine = np.cos(angle) / factor, np.sin(angle) / factor
    matrix = np.array([[cosine, sine], [-sine, cosine]])
    centre = (np.array(image.shape[:2]) - 1) / 2
    turned = [
        scipy.ndimage.affine_transform(
            image[..., channel].astype(np.float64), matrix, centre - matrix @ centre, order=1, mode="grid-constant"
        )
        for channel in range(image.shape[-1])
    ]
    return np.stack(turned, -1)


@given(st.data(), images())
def test_turning_and_zooming_is_scipys_affine_transform(data: st.DataObject, given_images: np.ndarray) -> None:
    count = len(given_images)
    angles = data.draw(hnp.arrays(np.float32, count, elements=st.floats(-7, 7, width=32)))
    factors = data.draw(hnp.arrays(np.float32, count, elements=st.floats(0.25, 4, width=32)))
    turned = jax.jit(ops.rotate_and_zoom)(given_images, angles, factors)
    assert turned.dtype == jnp.float32
    for image, angle, factor, got in zip(given_images, angles, factors, turned, strict=True):
        # A point is known to a few units of its last place, and grey values change by up to 255 from pixel to pixel.
        np.testing.assert_allclose(got, reference(image, angle, factor), atol=0.02)


@pytest.mark.slow
def test_a_quarter_turn_is_counter_clockwise() -> None:
    image = np.arange(25, dtype=np.uint8).reshape(1, 5, 5, 1)
    turned = ops.rotate_and_zoom(image, jnp.array([np.pi / 2]), jnp.ones(1))
    np.testing.assert_allclose(turned[0], np.rot90(image[0]), atol=1e-4)


def test_each_pixel_comes_from_its_place_in_a_compiled_loop_too() -> None:
    """Where XLA computes a point twice, with different rounding, a pixel may come from the wrong place."""
    random = np.random.default_rng(0)
    given_images = random.integers(0, 256, (16, 33, 33, 3), dtype=np.uint8)
    angles = random.uniform(-0.5, 0.5, (40, 16)).astype(np.float32)
    factors = random.uniform(0.7, 1.3, (40, 16)).astype(np.float32)

    @jax.jit
    def total(pictures: jax.Array, angles: jax.Array, factors: jax.Array) -> jax.Array:
        turned = lambda i, so_far: so_far + ops.rotate_and_zoom(pictures, angles[i], factors[i])  # noqa: E731
        return jax.lax.fori_loop(0, len(angles), turned, jnp.zeros(pictures.shape))

    expected = np.zeros(given_images.shape)
    for angle_row, factor_row in zip(angles, factors, strict=True):
        expected += np.stack(list(map(reference, given_images, angle_row, factor_row)))
    np.testing.assert_allclose(total(given_images, angles, factors), expected, atol=0.1)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_vmap_over_batches_is_one_batch_after_the_other(seed: int) -> None:
    random = np.random.default_rng(seed)
    batches = random.integers(0, 256, (2, 3, 6, 5, 2), dtype=np.uint8)
    angles, factors = random.uniform(-1, 1, (2, 3)), random.uniform(0.5, 2, (2, 3))
    moves = random.integers(-2, 3, (2, 3, 2))
    shifted = jax.vmap(lambda batch, move: ops.shift(batch, move, 2))(batches, moves)
    np.testing.assert_array_equal(shifted, np.stack([ops.shift(*each, 2) for each in zip(batches, moves, strict=True)]))
    turned = jax.vmap(ops.rotate_and_zoom)(batches, angles, factors)
    one_by_one = [ops.rotate_and_zoom(*each) for each in zip(batches, angles, factors, strict=True)]
    np.testing.assert_allclose(turned, np.stack(one_by_one), atol=0.01)


TURNED_MASKS = jax.jit(ops.rotate_and_zoom_masks)


@given(st.integers(0, 2**32 - 1))
def test_masks_turn_with_their_images_to_the_nearest_pixel(seed: int) -> None:
    random = np.random.default_rng(seed)
    masks = random.integers(0, 20, (4, 9, 7)).astype(np.int32)
    angles, factors = random.uniform(-7, 7, 4).astype(np.float32), random.uniform(0.25, 4, 4).astype(np.float32)
    turned = TURNED_MASKS(masks, angles, factors)
    assert turned.dtype == masks.dtype
    centre = (np.array(masks.shape[1:]) - 1) / 2
    y, x = np.mgrid[: masks.shape[1], : masks.shape[2]] - centre[:, None, None]
    for mask, angle, factor, got in zip(masks, angles.astype(float), factors.astype(float), turned, strict=True):
        cosine, sine = np.cos(angle) / factor, np.sin(angle) / factor
        points = np.stack([cosine * y + sine * x, cosine * x - sine * y]) + centre[:, None, None]
        expected = scipy.ndimage.map_coordinates(mask, points, order=0, mode="grid-constant")
        clear = (np.abs(points % 1 - 0.5) > 1e-4).all(0)  # in the middle between two pixels both are the nearest
        np.testing.assert_array_equal(np.asarray(got)[clear], expected[clear])


@st.composite
def boxes(draw: st.DrawFn, count: int, height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tall, wide = random.integers(1, height + 1, count), random.integers(1, width + 1, count)
    top, left = random.integers(0, height - tall + 1), random.integers(0, width - wide + 1)
    return np.stack([top, left, tall, wide], 1).astype(np.int32)


CROPPED, CROPPED_MASKS = jax.jit(ops.crop_and_resize), jax.jit(ops.crop_and_resize_masks)
PICTURES = np.random.default_rng(0).integers(0, 256, (20, 9, 7, 2)).astype(np.uint8)


@given(boxes(20, 9, 7))
def test_a_crop_is_resized_as_by_pillow(drawn: np.ndarray) -> None:
    got, nearest = CROPPED(PICTURES, drawn), CROPPED_MASKS(PICTURES[..., 0], drawn)
    assert got.dtype == jnp.float32 and nearest.dtype == np.uint8
    for image, mask, found, box in zip(PICTURES, nearest, got, drawn, strict=True):
        top, left, tall, wide = map(int, box)
        crop = image[top : top + tall, left : left + wide].astype(np.float32)
        for channel in range(2):
            expected = Image.fromarray(crop[..., channel]).resize((7, 9), Image.Resampling.BILINEAR)
            np.testing.assert_allclose(found[..., channel], np.asarray(expected), atol=1e-3)
        closest = np.asarray(Image.fromarray(crop[..., 0]).resize((7, 9), Image.Resampling.NEAREST))
        # On the border between two pixels Pillow rounds to either.
        rows, columns = ((2 * np.arange(new) + 1) * old % (2 * new) != 0 for new, old in ((9, tall), (7, wide)))
        np.testing.assert_array_equal(np.asarray(mask)[rows][:, columns], closest[rows][:, columns])


def test_a_crop_of_everything_is_the_image() -> None:
    whole = np.array([[0, 0, 9, 7]] * 20, np.int32)
    np.testing.assert_array_equal(CROPPED(PICTURES, whole), PICTURES)
    np.testing.assert_array_equal(CROPPED_MASKS(PICTURES[..., 0], whole), PICTURES[..., 0])
