"""Boxes drawn at random in images, each image its own."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

_RATIOS = (3 / 4, 4 / 3)  # of width to height
_TRIES = 10


def crops(key: jax.Array, smallest: Any, count: int, height: int, width: int) -> jax.Array:
    """Draws boxes of different sizes and proportions, as torchvision's `RandomResizedCrop` does.

    The share of the image's area is uniform in [smallest, 1], and the logarithm of the ratio of width to height in that
    of [3/4, 4/3] (Szegedy et al. 2015, arXiv:1409.4842, section 6). Sides are rounded to pixels; ten boxes are drawn,
    and the first that fits into the image is put anywhere in it. If none fits, the box is the middle of the image: all
    of it, if its own ratio allows that.

    Args:
        key: random key.
        smallest: in (0, 1], may be traced.
        count: number of images.
        height, width: their size.

    Returns:
        (count, 4) int32: top row, first column, height and width.
    """
    # One call, since each takes a tenth of a second to compile.
    drawn = jax.random.uniform(key, (2 * _TRIES + 2, count), jnp.float32)
    area = (smallest + (1 - smallest) * drawn[:_TRIES]) * (height * width)
    low, high = map(math.log, _RATIOS)
    ratio = jnp.exp(low + (high - low) * drawn[_TRIES:-2])
    tall, wide = (jnp.round(jnp.sqrt(size)).astype(jnp.int32) for size in (area / ratio, area * ratio))
    fits = (tall > 0) & (tall <= height) & (wide > 0) & (wide <= width)
    first = jnp.argmax(fits, 0)[None]
    any_fits = fits.any(0)
    tall, wide = (
        jnp.where(any_fits, jnp.take_along_axis(sides, first, 0)[0], middle)
        for sides, middle in zip((tall, wide), _middle(height, width), strict=True)
    )
    top, left = (
        jnp.where(any_fits, _whole(numbers, size - side + 1), (size - side) // 2)
        for numbers, size, side in ((drawn[-2], height, tall), (drawn[-1], width, wide))
    )
    return jnp.stack([top, left, tall, wide], 1)


def _middle(height: int, width: int) -> tuple[int, int]:
    """Returns the largest height and width in an image whose ratio is allowed."""
    if width / height < _RATIOS[0]:
        return min(height, round(width / _RATIOS[0])), width
    if width / height > _RATIOS[1]:
        return height, min(width, round(height * _RATIOS[1]))
    return height, width


def patches(key: jax.Array, share: jax.Array, height: int, width: int) -> jax.Array:
    """Marks a box of the image's proportions about a random pixel of each image.

    Its sides are those of the image times the root of `share`, in whole pixels; what lies outside the image is cut off
    (Yun et al. 2019, arXiv:1905.04899, and the authors' code).

    Args:
        key: random key.
        share: (count,), the share of the area, in [0, 1].
        height, width: size of the images.

    Returns:
        (count, height, width) bool.
    """
    inside = []
    drawn = jax.random.uniform(key, (2, *share.shape), jnp.float32)
    for size, numbers in zip((height, width), drawn, strict=True):
        half = jnp.floor(size * jnp.sqrt(share)).astype(jnp.int32) // 2
        middle = _whole(numbers, size)
        position = jnp.arange(size)[None]
        inside.append((position >= (middle - half)[:, None]) & (position < (middle + half)[:, None]))
    return inside[0][:, :, None] & inside[1][:, None]


def _whole(numbers: jax.Array, count: jax.Array | int) -> jax.Array:
    """Returns numbers in [0, 1) as whole numbers from 0 to below `count`, int32."""
    return jnp.minimum(jnp.floor(numbers * count).astype(jnp.int32), count - 1)
