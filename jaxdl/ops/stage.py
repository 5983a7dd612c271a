"""A convolution followed by maximum pooling, on the CPU a few images at a time.

The convolution's result is the largest array of most networks, and only pooling needs it: in the forward pass, the
maximum and its place in each window; in the backward pass, a gradient that is zero everywhere else. For a whole batch
it moves to main memory and back several times, which takes longer than the arithmetic; a few images at a time stay in
the cache. A train step of convolution and pooling takes 0.35 to 0.8 times as long as the two operations in sequence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.backend.cores import machine_cores
from jaxdl.ops import onednn, pooling
from jaxdl.ops.convolution import canonical, canonical_backward, convolution
from jaxdl.ops.library import Library, chosen, threads
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
    return _stage(inputs, kernel, move, sizes, chosen())


def _images_at_a_time(batch: int, image_bytes: int) -> int:
    """Returns how many images are in a block, a divisor of the batch; the batch size if blocks would not be faster."""
    wanted = max(1, _BLOCK_BYTES // image_bytes)
    size = max(n for n in range(1, min(wanted, batch) + 1) if batch % n == 0)
    return size if 4 * size > wanted else batch


# What the backward pass needs: the inputs, the kernel, and which element of its window was the greatest.
_Residuals = tuple[jax.Array, jax.Array, jax.Array]


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _stage(inputs: jax.Array, kernel: jax.Array, move: Window, window: Sizes, library: Library) -> jax.Array:
    return _forward(inputs, kernel, move, window, library)[0]


def _forward(
    inputs: jax.Array, kernel: jax.Array, move: Window, window: Sizes, library: Library
) -> tuple[jax.Array, _Residuals]:
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

    if library == "onednn" and onednn.takes(inputs, kernel, move):
        pooled, places = _native_forward(inputs, kernel, move, window, threads())
        return pooled, (inputs, kernel, places)
    run = partial(lax.platform_dependent, cpu=in_blocks, default=block)
    pooled, places = of_each_share(run, (inputs, kernel), (True, False), (True, True))
    return pooled, (inputs, kernel, places)


def _backward(
    move: Window, window: Sizes, library: Library, residuals: _Residuals, gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    inputs, kernel, places = residuals
    if library == "onednn" and onednn.takes(inputs, kernel, move):
        return _native_backward(inputs, kernel, places, gradient, move, window, threads())
    outputs = move.outputs(inputs.shape[1:-1], kernel.shape[:-2])

    def block(
        inputs: jax.Array, kernel: jax.Array, places: jax.Array, gradient: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        spread = pooling.spread_tiles(places, gradient, window, window, outputs)
        return canonical_backward(move, "xla", (inputs, kernel), spread)

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


# Native operations have no derivative of their own. For that of a derivative, which few losses need, XLA's form serves.


@partial(jax.custom_jvp, nondiff_argnums=(2, 3, 4))
def _native_forward(
    inputs: jax.Array, kernel: jax.Array, move: Window, window: Sizes, threads: int
) -> tuple[jax.Array, jax.Array]:
    native = partial(onednn.pooled, window=move, pool=window, threads=threads)
    of_shares = lambda *arrays: of_each_share(native, arrays, (True, False), (True, True))  # noqa: E731
    pooled, places = lax.platform_dependent(inputs, kernel, cpu=of_shares, default=_plain(move, window))
    return pooled, places


def _plain(move: Window, window: Sizes) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    def plain(inputs: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
        pooled, (_, _, places) = _forward(inputs, kernel, move, window, "xla")
        return pooled, places

    return plain


@_native_forward.defjvp
def _native_forward_derivative(
    move: Window, window: Sizes, threads: int, arrays: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    return jax.jvp(_plain(move, window), arrays, tangents)


@partial(jax.custom_jvp, nondiff_argnums=(4, 5, 6))
def _native_backward(
    inputs: jax.Array,
    kernel: jax.Array,
    places: jax.Array,
    gradient: jax.Array,
    move: Window,
    window: Sizes,
    threads: int,
) -> tuple[jax.Array, jax.Array]:
    size, of_window = inputs.shape[1:-1], kernel.shape[:-2]
    given: Callable[..., Any] = partial(dict, window=move, pool=window, threads=threads)

    # Two functions, so that a gradient that is not used is left out of the program.
    def of_inputs(kernel: jax.Array, places: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
        return (onednn.pooled_input_gradient(kernel, places, gradient, **given(size=size)),)

    def of_kernel(inputs: jax.Array, places: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
        return (onednn.pooled_kernel_gradient(inputs, places, gradient, **given(size=of_window)),)

    def native(
        inputs: jax.Array, kernel: jax.Array, places: jax.Array, gradient: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        (first,) = of_each_share(of_inputs, (kernel, places, gradient), (False, True, True), (True,))
        (second,) = of_each_share(of_kernel, (inputs, places, gradient), (True, True, True), (False,))
        return first, second

    both: tuple[jax.Array, jax.Array] = lax.platform_dependent(
        inputs, kernel, places, gradient, cpu=native, default=_plain_backward(move, window)
    )
    return both


def _plain_backward(move: Window, window: Sizes) -> Callable[..., tuple[jax.Array, jax.Array]]:
    def plain(
        inputs: jax.Array, kernel: jax.Array, places: jax.Array, gradient: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        return _backward(move, window, "xla", (inputs, kernel, places), gradient)

    return plain


@_native_backward.defjvp
def _native_backward_derivative(
    move: Window, window: Sizes, threads: int, arrays: tuple[jax.Array, ...], tangents: tuple[jax.Array, ...]
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    return jax.jvp(_plain_backward(move, window), arrays, tangents)


def _blocks(inputs: jax.Array, kernel: jax.Array, move: Window) -> jax.Array:
    """Divides a batch: (blocks, images, ...)."""
    outputs = move.outputs(inputs.shape[1:-1], kernel.shape[:-2])
    size = _images_at_a_time(len(inputs), math.prod(outputs) * kernel.shape[-1] * inputs.dtype.itemsize)
    return inputs.reshape(len(inputs) // size, size, *inputs.shape[1:])


_stage.defvjp(_forward, _backward)
