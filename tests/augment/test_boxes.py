"""Random boxes beside the published code of their authors, written again in NumPy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import jaxdl
from jaxdl.augment.boxes import crops, patches

COUNT = 4000


def torchvision_crop(random: np.random.Generator, smallest: float, height: int, width: int) -> tuple[int, ...]:
    """`RandomResizedCrop.get_params` of torchvision 0.20, after its documentation."""
    for _ in range(10):
        area = height * width * random.uniform(smallest, 1)
        ratio = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3)))
        wide, tall = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < wide <= width and 0 < tall <= height:
            return int(random.integers(0, height - tall + 1)), int(random.integers(0, width - wide + 1)), tall, wide
    wide, tall = width, height
    if width / height < 3 / 4:
        tall = round(width / (3 / 4))
    elif width / height > 4 / 3:
        wide = round(height * (4 / 3))
    return (height - tall) // 2, (width - wide) // 2, tall, wide


@pytest.mark.parametrize(("smallest", "height", "width"), [(0.08, 32, 32), (0.5, 24, 40), (0.9, 20, 60)])
def test_crops_are_those_of_random_resized_crop(smallest: float, height: int, width: int) -> None:
    random = np.random.default_rng(0)
    drawn = np.asarray(jax.jit(crops, static_argnums=(2, 3, 4))(jax.random.key(1), smallest, COUNT, height, width))
    expected = np.array([torchvision_crop(random, smallest, height, width) for _ in range(COUNT)])
    top, left, tall, wide = drawn.T
    assert (drawn[:, :2] >= 0).all() and (drawn[:, 2:] >= 1).all()
    assert (top + tall <= height).all() and (left + wide <= width).all()
    for found, wanted in zip(drawn.T, expected.T, strict=True):
        assert scipy.stats.ks_2samp(found, wanted).pvalue > 1e-4
    area, ratio = (tall * wide, wide / tall), (expected[:, 2] * expected[:, 3], expected[:, 3] / expected[:, 2])
    for found, wanted in zip(area, ratio, strict=True):
        assert scipy.stats.ks_2samp(found, wanted).pvalue > 1e-4


@pytest.mark.slow
def test_the_whole_image_is_left_where_nothing_smaller_is_allowed() -> None:
    drawn = np.asarray(crops(jax.random.key(0), 1.0, 500, 16, 16))
    assert (drawn == [0, 0, 16, 16]).all(1).mean() > 0.9, "only what rounding makes a square fits"


def authors_patch(random: np.random.Generator, share: float, height: int, width: int) -> np.ndarray:
    """`rand_bbox` of the authors of cutmix, as a mask."""
    wide, tall = int(width * np.sqrt(share)), int(height * np.sqrt(share))
    x, y = random.integers(width), random.integers(height)
    mask = np.zeros((height, width), bool)
    mask[max(0, y - tall // 2) : y + tall // 2, max(0, x - wide // 2) : x + wide // 2] = True
    return mask


def test_patches_are_those_of_cutmix() -> None:
    random = np.random.default_rng(0)
    shares = random.beta(1, 1, COUNT).astype(np.float32)
    drawn = np.asarray(jax.jit(patches, static_argnums=(2, 3))(jax.random.key(2), shares, 12, 20))
    expected = np.stack([authors_patch(random, share, 12, 20) for share in shares])
    assert scipy.stats.ks_2samp(drawn.mean((1, 2)), expected.mean((1, 2))).pvalue > 1e-4
    # How often each pixel is in a patch: more often in the middle, since patches are cut off at the edges.
    np.testing.assert_allclose(drawn.mean(0), expected.mean(0), atol=0.04)
    for patch in drawn[:50]:
        rows, columns = patch.any(1), patch.any(0)
        np.testing.assert_array_equal(patch, rows[:, None] & columns[None])
        assert np.abs(np.diff(rows.astype(int))).sum() <= 2 and np.abs(np.diff(columns.astype(int))).sum() <= 2


def test_a_patch_of_no_area_is_empty() -> None:
    assert not np.asarray(patches(jax.random.key(0), np.zeros(10, np.float32), 8, 8)).any()


@pytest.mark.slow
@pytest.mark.parametrize("field", [{"flip": "both"}, {"shift": 3}, {"rotation": 90.0, "zoom": 0.4}, {"crop": 0.2}])
def test_masks_move_with_their_images(field: dict[str, Any]) -> None:
    """Each pixel knows its own place, so that the mask tells where the image's pixel should come from."""
    height, width = 16, 12
    rows, columns = np.mgrid[:height, :width]
    image = np.stack([rows, columns, np.full_like(rows, 200)], -1).astype(np.uint8)
    masks = np.repeat((rows * width + columns)[None], 60, 0).astype(np.int32)
    batch = {"inputs": jnp.asarray(np.repeat(image[None], 60, 0)), "targets": jnp.asarray(masks)}
    got = jaxdl.Augmentation(**field).apply(batch, jaxdl.Preprocess(), jax.random.key(0))
    inputs, targets = np.asarray(got["inputs"]), np.asarray(got["targets"])
    assert targets.dtype == np.int32 and (targets != masks).any()
    inside = np.isclose(inputs[..., 2], 200, atol=1e-3)
    assert inside.mean() > 0.5
    places = np.stack([targets // width, targets % width], -1)
    assert np.abs(inputs[..., :2] - places)[inside].max() < 0.51
    assert (targets[inputs[..., 2] < 50] == 0).all(), "what comes in from outside is of class 0"


@pytest.mark.slow
def test_a_crop_shows_a_part_of_the_drawn_size() -> None:
    ramp = np.arange(32) * 8
    images = np.repeat(np.stack(np.broadcast_arrays(ramp[:, None], ramp), -1)[None], 1000, 0).astype(np.uint8)
    batch = {"inputs": jnp.asarray(images)}
    augmented = jaxdl.Augmentation(crop=0.3).apply(batch, jaxdl.Preprocess(), jax.random.key(0))
    got = np.asarray(augmented["inputs"]) / 8
    tall, wide = (np.diff(got[:, 12:20, 12:20, n], axis=1 + n).mean((1, 2)) * 32 for n in (0, 1))
    expected = np.asarray(crops(jax.random.key(7), 0.3, 4000, 32, 32))
    assert scipy.stats.ks_2samp((tall * wide).round(), expected[:, 2] * expected[:, 3]).pvalue > 1e-4
    np.testing.assert_allclose(got[:, 16, 16].mean(0), 15.7, atol=1)
