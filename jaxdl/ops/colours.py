"""Changes the colours of images, each by its own amount."""

from __future__ import annotations

import jax
import jax.numpy as jnp

# Luma of ITU-R BT.601, the grey of Pillow's convert("L") and of torchvision's rgb_to_grayscale.
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114
# Channels are taken apart: on the CPU sums and maxima over an axis of three take ten times as long.


def saturate(images: jax.Array, factor: jax.Array) -> jax.Array:
    """Mixes images with their grey: ``factor * image + (1 - factor) * grey``, clipped to [0, 1].

    That is Pillow's `ImageEnhance.Color` and torchvision's `adjust_saturation`.

    Args:
        images: (batch, height, width, 3) float32 in [0, 1]: red, green and blue.
        factor: (batch,), at least 0: 0 gives grey, 1 the image itself.

    Returns:
        The shape of `images`.
    """
    red, green, blue = images[..., 0], images[..., 1], images[..., 2]
    grey = _RED * red + _GREEN * green + _BLUE * blue
    factor = factor[:, None, None, None]
    return jnp.clip(factor * images + (1 - factor) * grey[..., None], 0, 1)


def turn_hue(images: jax.Array, turn: jax.Array) -> jax.Array:
    """Turns the hue of each pixel round the colour circle, with the same value and saturation in the HSV model.

    Smith 1978, "Color gamut transform pairs". With C the difference of a pixel's largest channel V and its smallest,
    and H its hue in sixths of the circle, channel n of the result is ``V - C max(0, min(k, 4 - k, 1))`` with ``k = (n +
    H) mod 6`` and n = 5 for red, 3 for green and 1 for blue.

    Args:
        images: (batch, height, width, 3) float32 in [0, 1]: red, green and blue.
        turn: (batch,), in turns of the whole circle: from -1/2 to 1/2 reaches every hue.

    Returns:
        The shape of `images`.
    """
    # Between barriers, so that the CPU's compiler computes whole planes, which it can vectorise.
    planes = jax.lax.optimization_barrier(images.reshape(len(images), -1, 3).swapaxes(1, 2))
    red, green, blue = planes[:, 0], planes[:, 1], planes[:, 2]
    value = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = value - jnp.minimum(jnp.minimum(red, green), blue)
    divisor = jnp.where(chroma > 0, chroma, 1)
    # Channels are compared with each other, not with the largest: XLA may compute a channel in two places with
    # different rounding, and then none equals the largest. Where two are about equal, both formulas give one hue.
    hue = jnp.where(
        (red >= green) & (red >= blue),
        (green - blue) / divisor,
        jnp.where(green >= blue, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    hue = hue + 6 * turn[:, None]

    def channel(n: int) -> jax.Array:
        k = hue + n
        k = k - 6 * jnp.floor(k / 6)
        return value - chroma * jnp.clip(jnp.minimum(k, 4 - k), 0, 1)

    turned: jax.Array = jax.lax.optimization_barrier(jnp.stack([channel(n) for n in (5, 3, 1)], 1))
    return turned.swapaxes(1, 2).reshape(images.shape)
