"""Pooling by strided slices, with a gradient that stores one small integer for each window.

XLA's CPU backend runs the gradient of its own maximum pooling (select-and-scatter) as a naive loop; storing which
element of a window was the greatest makes it one elementwise pass, about ten times faster for windows of 2x2. The same
form is used on every platform.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.ops.window import Pairs, Sizes, padding_pairs, per_dimension

# Larger windows need so many slices that the library's own loop over a window is cheaper.
MOST_SLICES = 16


def max_pool(
    inputs: jax.Array,
    window: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
) -> jax.Array:
    """Returns the maximum of each window.

    The gradient goes to the first of equal maxima in row order, and NaN wins over every number, as in
    `flax.linen.max_pool`. Forward-mode differentiation works only for windows of more than 16 elements.

    Args:
        inputs: (batch, ..., channels) of a floating dtype, with as many spatial dimensions as `window` has; a single
            number applies to all of them.
        window: size of the window.
        strides: step of the window; None: the window's size, so that windows do not overlap.
        padding: ``"VALID"``, ``"SAME"`` or (before, after) for each spatial dimension; padding is never the maximum.

    Returns:
        (batch, ..., channels) of the same dtype.

    Raises:
        ValueError: `inputs` have no spatial dimension, or a setting has a different number of them.
    """
    sizes, steps, pairs = _geometry(inputs, window, strides, padding)
    if not _sliced(inputs, sizes, pairs):
        around = ((0, 0), *pairs, (0, 0))
        greatest: jax.Array = lax.reduce_window(inputs, -jnp.inf, lax.max, (1, *sizes, 1), (1, *steps, 1), around)
        return greatest
    lowest = jnp.array(-jnp.inf, inputs.dtype)
    return _sliced_maximum(_pad(inputs, lowest, pairs), sizes, steps)


def average_pool(
    inputs: jax.Array,
    window: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "VALID",
) -> jax.Array:
    """Returns the mean of each window; padding counts as zeros, as in `flax.linen.avg_pool`.

    Args:
        inputs: (batch, ..., channels) of a floating dtype, with as many spatial dimensions as `window` has; a single
            number applies to all of them.
        window: size of the window.
        strides: step of the window; None: the window's size, so that windows do not overlap.
        padding: ``"VALID"``, ``"SAME"`` or (before, after) for each spatial dimension.

    Returns:
        (batch, ..., channels) of the same dtype.

    Raises:
        ValueError: `inputs` have no spatial dimension, or a setting has a different number of them.
    """
    sizes, steps, pairs = _geometry(inputs, window, strides, padding)
    # For windows that do not overlap, the library's own form and its gradient are as fast or faster.
    if sizes != steps and _sliced(inputs, sizes, pairs):
        padded = _pad(inputs, jnp.zeros((), inputs.dtype), pairs)
        total = functools.reduce(operator.add, window_elements(padded, sizes, steps))
    else:
        around = ((0, 0), *pairs, (0, 0))
        total = lax.reduce_window(inputs, 0.0, lax.add, (1, *sizes, 1), (1, *steps, 1), around)
    return total / math.prod(sizes)


def _geometry(
    inputs: jax.Array,
    window: int | Sequence[int],
    strides: int | Sequence[int] | None,
    padding: str | Sequence[tuple[int, int]],
) -> tuple[Sizes, Sizes, Pairs]:
    spatial = inputs.ndim - 2
    if spatial < 1:
        raise ValueError(f"pooling needs inputs of shape (batch, ..., channels) and rank 3 or more, got {inputs.shape}")
    sizes = per_dimension(window, spatial, "window")
    steps = sizes if strides is None else per_dimension(strides, spatial, "strides")
    return sizes, steps, padding_pairs(inputs.shape[1:-1], sizes, steps, padding)


def _sliced(inputs: jax.Array, window: Sizes, pairs: Pairs) -> bool:
    """Whether to pool by slices: only small windows that fit at least once."""
    lengths = [size + before + after for size, (before, after) in zip(inputs.shape[1:-1], pairs, strict=True)]
    fits = all(length >= size for length, size in zip(lengths, window, strict=True))
    return fits and math.prod(window) <= MOST_SLICES


def _pad(inputs: jax.Array, value: jax.Array, pairs: Pairs) -> jax.Array:
    return lax.pad(inputs, value, ((0, 0, 0), *((before, after, 0) for before, after in pairs), (0, 0, 0)))


def _output_size(size: Sequence[int], window: Sizes, strides: Sizes) -> Sizes:
    return tuple((n - wide) // step + 1 for n, wide, step in zip(size, window, strides, strict=True))


def window_elements(inputs: jax.Array, window: Sizes, strides: Sizes) -> list[jax.Array]:
    """The first elements of all windows, then the second ones, and so on, each (batch, ..., channels) of the output."""
    outputs = _output_size(inputs.shape[1:-1], window, strides)
    elements = []
    for place in itertools.product(*map(range, window)):
        stop = [first + (n - 1) * step + 1 for first, n, step in zip(place, outputs, strides, strict=True)]
        elements.append(inputs[(slice(None), *map(slice, place, stop, strides))])
    return elements


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _sliced_maximum(inputs: jax.Array, window: Sizes, strides: Sizes) -> jax.Array:
    return maximum(window_elements(inputs, window, strides))


def _sliced_maximum_forward(
    inputs: jax.Array, window: Sizes, strides: Sizes
) -> tuple[jax.Array, tuple[jax.Array, Sizes]]:
    places = place_of_maximum(window_elements(inputs, window, strides))
    return _sliced_maximum(inputs, window, strides), (places, inputs.shape[1:-1])


def _sliced_maximum_backward(
    window: Sizes, strides: Sizes, residuals: tuple[jax.Array, Sizes], gradient: jax.Array
) -> tuple[jax.Array]:
    places, size = residuals
    spread = spread_tiles if window == strides else _spread_overlapping
    return (spread(places, gradient, window, strides, size),)


_sliced_maximum.defvjp(_sliced_maximum_forward, _sliced_maximum_backward)


def maximum(elements: list[jax.Array]) -> jax.Array:
    """The greatest of a list of arrays, element by element."""
    return functools.reduce(jnp.maximum, elements)


def place_of_maximum(elements: list[jax.Array]) -> jax.Array:
    """Which element of its window is chosen, as uint8; compares as select-and-scatter does, also for NaN."""
    best, places = elements[0], jnp.zeros(elements[0].shape, jnp.uint8)
    for place, element in enumerate(elements[1:], 1):
        better = ~(best >= element)
        best = jnp.where(better, element, best)
        places = jnp.where(better, jnp.uint8(place), places)
    return places


def spread_tiles(places: jax.Array, gradient: jax.Array, window: Sizes, strides: Sizes, size: Sizes) -> jax.Array:
    """For windows that do not overlap: every input belongs to one window, so one comparison gives its gradient."""
    del strides
    inner = tuple(range(2, 2 * len(window) + 1, 2))
    numbers = jnp.arange(math.prod(window), dtype=jnp.uint8).reshape(window)
    numbers = jnp.expand_dims(numbers, (0, *(axis - 1 for axis in inner), 2 * len(window) + 1))
    tiles = jnp.where(jnp.expand_dims(places, inner) == numbers, jnp.expand_dims(gradient, inner), 0)
    covered = tuple(n * wide for n, wide in zip(gradient.shape[1:-1], window, strict=True))
    image = tiles.reshape(gradient.shape[0], *covered, gradient.shape[-1])
    return _pad(image, jnp.zeros((), image.dtype), tuple((0, n - m) for n, m in zip(size, covered, strict=True)))


def _spread_overlapping(
    places: jax.Array, gradient: jax.Array, window: Sizes, strides: Sizes, size: Sizes
) -> jax.Array:
    """For any windows: for each place in a window, an image with the gradients that chose it; returns their sum."""
    zero = jnp.zeros((), gradient.dtype)
    images = []
    for number, place in enumerate(itertools.product(*map(range, window))):
        config = [
            (first, n - first - (m - 1) * step - 1, step - 1)
            for first, n, m, step in zip(place, size, gradient.shape[1:-1], strides, strict=True)
        ]
        images.append(lax.pad(jnp.where(places == number, gradient, 0), zero, ((0, 0, 0), *config, (0, 0, 0))))
    return functools.reduce(operator.add, images)
