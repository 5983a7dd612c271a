"""Calls of the native operations in the folder ``native``, most of which oneDNN computes on the CPU.

Its convolutions, above all the gradient of the kernel and those in bfloat16 on processors with AMX, take a half to a
quarter of the time of XLA's; a train step with large dense layers takes 0.9 to 0.6 of the time with its products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend import extension
from jaxdl.backend.cores import processor_identity
from jaxdl.ops.replicated import of_each_share
from jaxdl.ops.window import Sizes, Window

SOURCE = Path(__file__).parent / "native" / "operations.cc"
_NAMES = (
    *("jaxdl_outputs", "jaxdl_inputs", "jaxdl_kernel", "jaxdl_pooled", "jaxdl_pooled_inputs", "jaxdl_pooled_kernel"),
    *("jaxdl_product", "jaxdl_lstm", "jaxdl_lstm_gates", "jaxdl_lstm_weights", "jaxdl_adam"),
)
# What a convolution gives a thread at a time before pooling; with inputs and kernel it fits a second-level cache.
_BLOCK_BYTES = 2**18
# A kernel's gradient is added up once for each block: the block's result is to have this many times its numbers.
_MOST_KERNEL = 4


def load() -> None:
    """Builds the native operations if they are not built yet, and loads them.

    Raises:
        jaxdl.backend.extension.NotBuilt: they cannot be had here.
    """
    extension.load(extension.build(SOURCE), _NAMES)


def takes(inputs: jax.Array, other: jax.Array, window: Window) -> bool:
    """Returns whether oneDNN computes a convolution of such arrays, or a gradient of one: those of images."""
    # Negative padding crops.
    is_known = (
        inputs.ndim == 4 and _are_sizes(inputs.shape) and all(size >= 0 for pair in window.padding for size in pair)
    )
    return is_known and _are_numbers(inputs, other)


def takes_product(a: jax.Array, b: jax.Array, least: int) -> bool:
    """Returns whether oneDNN computes a product of such matrices: one of `least` multiply-adds or more."""
    is_known = a.ndim == b.ndim == 2 and _are_sizes(a.shape)
    return is_known and len(a) * b.size >= least and _are_numbers(a, b)


def _are_sizes(shape: Sequence[Any]) -> bool:
    """Returns whether sizes are known: an exported program has batches of unknown size."""
    return all(isinstance(size, int) and size > 0 for size in shape)


def _are_numbers(a: jax.Array, b: jax.Array) -> bool:
    dtypes = {np.dtype(a.dtype).name, np.dtype(b.dtype).name}
    return dtypes == {"float32"} or (dtypes == {"bfloat16"} and "avx512bw" in processor_identity())


def outputs(inputs: jax.Array, kernel: jax.Array, window: Window, threads: int) -> jax.Array:
    """Returns a convolution: (batch, ..., features), see `jaxdl.ops.convolution`."""

    def of_share(inputs: jax.Array, kernel: jax.Array) -> tuple[jax.Array]:
        shape = (len(inputs), *window.outputs(inputs.shape[1:-1], kernel.shape[:-2]), kernel.shape[-1])
        return (_call("jaxdl_outputs", shape, inputs, kernel, window=window, threads=threads),)

    return of_each_share(of_share, (inputs, kernel), (True, False), (True,))[0]


def input_gradient(kernel: jax.Array, gradient: jax.Array, size: Sizes, window: Window, threads: int) -> jax.Array:
    """Returns the gradient of the inputs, of spatial size `size`, from that of the outputs."""

    def of_share(kernel: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
        shape = len(gradient), *size, kernel.shape[-2]
        return (_call("jaxdl_inputs", shape, kernel, gradient, window=window, threads=threads),)

    return of_each_share(of_share, (kernel, gradient), (False, True), (True,))[0]


def kernel_gradient(inputs: jax.Array, gradient: jax.Array, size: Sizes, window: Window, threads: int) -> jax.Array:
    """Returns the gradient of the kernel, of spatial size `size`, from that of the outputs."""

    def of_share(inputs: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
        shape = *size, inputs.shape[-1], gradient.shape[-1]
        return (_call("jaxdl_kernel", shape, inputs, gradient, window=window, threads=threads, dtype=jnp.float32),)

    return of_each_share(of_share, (inputs, gradient), (True, True), (False,))[0].astype(inputs.dtype)


def pooled(
    inputs: jax.Array, kernel: jax.Array, window: Window, pool: Sizes, threads: int
) -> tuple[jax.Array, jax.Array]:
    """Returns the maxima of a convolution in windows that do not overlap, and which element each is, uint8."""
    size = window.outputs(inputs.shape[1:-1], kernel.shape[:-2])
    shape = len(inputs), *(n // wide for n, wide in zip(size, pool, strict=True)), kernel.shape[-1]
    stage = _stage(len(inputs), size, kernel.shape, pool, inputs.dtype, threads)
    found = [jax.ShapeDtypeStruct(shape, dtype) for dtype in (inputs.dtype, jnp.uint8)]
    call = jax.ffi.ffi_call("jaxdl_pooled", found, vmap_method="sequential")
    greatest, places = call(inputs, kernel, **_window(window), **stage)
    return greatest, places


def pooled_input_gradient(
    kernel: jax.Array,
    places: jax.Array,
    gradient: jax.Array,
    *,
    size: Sizes,
    window: Window,
    pool: Sizes,
    threads: int,
) -> jax.Array:
    """Returns the gradient of the inputs of `pooled`, of spatial size `size`, from that of the maxima."""
    outputs = window.outputs(size, kernel.shape[:-2])
    stage = _stage(len(gradient), outputs, kernel.shape, pool, gradient.dtype, threads, sums=False)
    shape = len(gradient), *size, kernel.shape[-2]
    return _call("jaxdl_pooled_inputs", shape, kernel, places, gradient, window=window, dtype=gradient.dtype, **stage)


def pooled_kernel_gradient(
    inputs: jax.Array,
    places: jax.Array,
    gradient: jax.Array,
    *,
    size: Sizes,
    window: Window,
    pool: Sizes,
    threads: int,
) -> jax.Array:
    """Returns the gradient of the kernel of `pooled`, of spatial size `size`, from that of the maxima."""
    shape = *size, inputs.shape[-1], gradient.shape[-1]
    outputs = window.outputs(inputs.shape[1:-1], size)
    stage = _stage(len(inputs), outputs, shape, pool, inputs.dtype, threads, sums=True)
    found = _call("jaxdl_pooled_kernel", shape, inputs, places, gradient, window=window, dtype=jnp.float32, **stage)
    return found.astype(inputs.dtype)


def product(a: jax.Array, b: jax.Array, turned: tuple[bool, bool], threads: int) -> jax.Array:
    """Returns the product of two matrices of one dtype, each of them transposed first where asked for."""
    shape = a.shape[1 if turned[0] else 0], b.shape[0 if turned[1] else 1]
    call = jax.ffi.ffi_call("jaxdl_product", jax.ShapeDtypeStruct(shape, a.dtype), vmap_method="sequential")
    turn_a, turn_b = map(np.int64, turned)
    result: jax.Array = call(a, b, turn_a=turn_a, turn_b=turn_b, threads=np.int64(threads))
    return result


def adam(
    numbers: jax.Array, arrays: Sequence[jax.Array], decays: Sequence[bool], threads: int
) -> tuple[jax.Array, ...]:
    """Returns the parameters and the two kinds of running means after a step, see `jaxdl.ops.adam`.

    Args:
        numbers: (7,) float32, those of the step.
        arrays: all gradients, all parameters, all running means of gradients, and all those of squared gradients, of
            which the last three are overwritten.
        decays: of which parameters decay.
        threads: that compute it.
    """
    changed = arrays[len(decays) :]
    call = jax.ffi.ffi_call(
        "jaxdl_adam",
        [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in changed],
        input_output_aliases={1 + len(decays) + place: place for place in range(len(changed))},
        vmap_method="sequential",
    )
    return tuple(call(numbers, *arrays, decays=np.array(decays, np.int64), threads=np.int64(threads)))


def _call(
    name: str, shape: Sequence[int], *arrays: jax.Array, window: Window, threads: int, dtype: Any = None, **stage: Any
) -> jax.Array:
    result = jax.ShapeDtypeStruct(tuple(shape), dtype or arrays[0].dtype)
    call = jax.ffi.ffi_call(name, result, vmap_method="sequential")
    found: jax.Array = call(*arrays, **_window(window), **stage, threads=np.int64(threads))
    return found


def _stage(
    batch: int,
    size: Sequence[int],
    kernel: Sequence[int],
    pool: Sizes,
    dtype: Any,
    threads: int,
    *,
    sums: bool = False,
) -> dict[str, Any]:
    """Returns how `pooled` and its gradients proceed.

    Args:
        batch: number of images.
        size: spatial size of the convolution's result.
        kernel: shape of the kernel.
        pool: size of the windows.
        dtype: of the result.
        threads: that compute it.
        sums: whether a kernel's gradient is added up.
    """
    image = math.prod(size) * kernel[-1]
    wanted = max(1, _BLOCK_BYTES // (image * jnp.dtype(dtype).itemsize))
    if sums:
        wanted = max(wanted, -(-_MOST_KERNEL * math.prod(kernel) // image))
    return {
        "size": np.array(size, np.int64),
        "pool": np.array(pool, np.int64),
        "block": np.int64(_block(batch, min(wanted, -(-batch // threads)))),
        "threads": np.int64(threads),
    }


def _block(batch: int, wanted: int) -> int:
    """Returns how many images are in a block: the divisor of the batch that is nearest to what is wanted, by factor."""
    divisors = [n for n in range(1, batch + 1) if batch % n == 0]
    return min(divisors, key=lambda n: max(n, wanted) / min(n, wanted))


def _window(window: Window) -> dict[str, Any]:
    before, after = zip(*window.padding, strict=True)
    return {"window": np.array([*window.strides, *window.dilation, *before, *after], np.int64)}
