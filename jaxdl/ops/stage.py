"""A convolution followed by maximum pooling, on the CPU a few images at a time.

The convolution's result is the largest array of most networks, and only pooling needs it: in the forward pass, the
maximum and its place in each window; in the backward pass, a gradient that is zero everywhere else. For a whole batch
it moves to main memory and back several times, which takes longer than the arithmetic; a few images at a time stay in
the cache. A train step of convolution and pooling takes 0.35 to 0.8 times as long as the two operations in sequence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.backend.cores import machine_cores
from jaxdl.ops import pooling
from jaxdl.ops.convolution import canonical, canonical_backward, convolution
from jaxdl.ops.replicated import of_each_share
from jaxdl.ops.window import Sizes, Window, padding_pairs, per_dimension

# The second-level cache of one core of current processors; the cores work on one block together.
_BLOCK_BYTES = 2**20 * machine_cores()


def convolution_max_pool(
    inputs: jax.Array,
    kernel: jax.Array,
    window: int | Sequence[int],
    *,
    padding: str | Sequence[tuple[int, int]] = "VALID",
) -> jax.Array:
    """Equals ``max_pool(convolution(inputs, kernel, padding=padding), window)`` with windows that do not overlap.

    Rows and columns at the lower and right edge that do not fill a window are left out. Values are the same; the
    gradient of the kernel is the same up to rounding. Forward-mode differentiation does not work.

    Args:
        inputs: (batch, width, channels) or (batch, height, width, channels).
        kernel: (width, channels, features) or (height, width, channels, features), of the same dtype.
        window: size of the pooling windows, for all spatial dimensions or for each.
        padding: of the convolution: ``"VALID"``, ``"SAME"`` or (before, after) for each spatial dimension.

    Returns:
        (batch, width, features) or (batch, height, width, features).

    Raises:
        ValueError: as in `convolution` and `max_pool`.
    """
    spatial = inputs.ndim - 2
    sizes = per_dimension(window, spatial, "window")
    ones, reach = (1,) * spatial, kernel.shape[:spatial]
    # A batch of unknown size, in a program that is exported for any, cannot be cut into blocks.
    is_known = isinstance(inputs.shape[0], int)
    if not is_known or spatial not in (1, 2) or kernel.ndim != inputs.ndim or math.prod(sizes) > pooling.MOST_SLICES:
        return pooling.max_pool(convolution(inputs, kernel, padding=padding), sizes)
    move = Window(ones, padding_pairs(inputs.shape[1:-1], reach, ones, padding), ones)
    outputs = move.outputs(inputs.shape[1:-1], reach)
    if any(n < wide for n, wide in zip(outputs, sizes, strict=True)):
        return pooling.max_pool(convolution(inputs, kernel, padding=padding), sizes)
    return _stage(inputs, kernel, move, sizes)


def _images_at_a_time(batch: int, image_bytes: int) -> int:
    """Returns how many images are in a block, a divisor of the batch; the batch size if blocks would not be faster."""
    wanted = max(1, _BLOCK_BYTES // image_bytes)
    size = max(n for n in range(1, min(wanted, batch) + 1) if batch % n == 0)
    return size if 4 * size > wanted else batch


# What the backward pass needs: the inputs, the kernel, and which element of its window was the greatest.
_Residuals = tuple[jax.Array, jax.Array, jax.Array]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _stage(inputs: jax.Array, kernel: jax.Array, move: Window, window: Sizes) -> jax.Array:
    return _forward(inputs, kernel, move, window)[0]


def _forward(inputs: jax.Array, kernel: jax.Array, move: Window, window: Sizes) -> tuple[jax.Array, _Residuals]:
    def block(inputs: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
        elements = pooling.window_elements(canonical(inputs, kernel, move), window, window)
        return pooling.maximum(elements), pooling.place_of_maximum(elements)

    def in_blocks(inputs: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
        blocks = _blocks(inputs, kernel, move)
        if len(blocks) == 1:
            return block(inputs, kernel)
        results = lax.map(lambda images: block(images, kernel), blocks)
        pooled, places = (array.reshape(len(inputs), *array.shape[2:]) for array in results)
        return pooled, places

    run = partial(lax.platform_dependent, cpu=in_blocks, default=block)
    pooled, places = of_each_share(run, (inputs, kernel), (True, False), (True, True))
    return pooled, (inputs, kernel, places)


def _backward(move: Window, window: Sizes, residuals: _Residuals, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    inputs, kernel, places = residuals
    outputs = move.outputs(inputs.shape[1:-1], kernel.shape[:-2])

    def block(
        inputs: jax.Array, kernel: jax.Array, places: jax.Array, gradient: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        spread = pooling.spread_tiles(places, gradient, window, window, outputs)
        return canonical_backward(move, (inputs, kernel), spread)

    def in_blocks(
        inputs: jax.Array, kernel: jax.Array, places: jax.Array, gradient: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        def add(total: jax.Array, at_block: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
            images, places, gradient = at_block
            of_images, of_kernel = block(images, kernel, places, gradient)
            return total + of_kernel, of_images

        blocks = _blocks(inputs, kernel, move)
        if len(blocks) == 1:
            return block(inputs, kernel, places, gradient)
        others = [array.reshape(*blocks.shape[:2], *array.shape[1:]) for array in (places, gradient)]
        start = jnp.zeros(kernel.shape, jnp.promote_types(kernel.dtype, jnp.float32))
        of_kernel, of_inputs = lax.scan(add, start, (blocks, *others))
        return of_inputs.reshape(inputs.shape), of_kernel.astype(kernel.dtype)

    run = partial(lax.platform_dependent, cpu=in_blocks, default=block)
    arrays = inputs, kernel, places, gradient
    of_inputs, of_kernel = of_each_share(run, arrays, (True, False, True, True), (True, False))
    return of_inputs, of_kernel


def _blocks(inputs: jax.Array, kernel: jax.Array, move: Window) -> jax.Array:
    """Divides a batch: (blocks, images, ...)."""
    outputs = move.outputs(inputs.shape[1:-1], kernel.shape[:-2])
    size = _images_at_a_time(len(inputs), math.prod(outputs) * kernel.shape[-1] * inputs.dtype.itemsize)
    return inputs.reshape(len(inputs) // size, size, *inputs.shape[1:])


_stage.defvjp(_forward, _backward)
