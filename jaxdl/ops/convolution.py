"""Convolution whose gradients use the only layout that XLA's CPU backend runs fast everywhere.

JAX's own rules write both gradients with permuted dimension numbers. XLA's CPU backend rewrites such convolutions to
its library's layout only in a program's entry computation; inside `lax.scan`, `lax.fori_loop` and `lax.while_loop` they
run as naive loops, 5 to 170 times slower. Here both gradients are convolutions in the layout of the forward pass, with
transposes around them.

`lax.platform_dependent` selects the form for the CPU or JAX's own when a program is lowered, so that tracing starts no
backend and an exported program has the right form for each platform. It is inside the gradient rule, so first-order
gradients do not differentiate through it. On the CPU oneDNN can compute all three instead (`jaxdl.ops.library`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.ops import onednn
from jaxdl.ops.library import Library, chosen, threads
from jaxdl.ops.window import Sizes, Window, dilated_size, padding_pairs, per_dimension

_MOST_PATCH_ELEMENTS = 9


def convolution(
    inputs: jax.Array,
    kernel: jax.Array,
    *,
    strides: int | Sequence[int] = 1,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> jax.Array:
    """Convolves (cross-correlates) in one or two spatial dimensions, channels last.

    Values and gradients equal those of `jax.lax.conv_general_dilated` up to rounding. `jit`, `vmap`, `scan`, `remat`
    and second derivatives work; forward-mode differentiation (`jvp`, `jacfwd`) does not, unless `groups` is above
    one.

    Args:
        inputs: (batch, width, channels) or (batch, height, width, channels).
        kernel: (width, channels / groups, features) or (height, width, channels / groups, features), of the same dtype.
        strides: step of the window, for all spatial dimensions or for each.
        padding: ``"VALID"``, ``"SAME"`` or (before, after) for each spatial dimension.
        dilation: distance between neighbouring kernel elements, for all spatial dimensions or for each.
        groups: number of groups that channels and features are divided into.

    Returns:
        (batch, width, features) or (batch, height, width, features).

    Raises:
        ValueError: the arrays have the wrong rank, or a setting has the wrong number of spatial dimensions.
    """
    spatial = inputs.ndim - 2
    if spatial not in (1, 2) or kernel.ndim != inputs.ndim:
        raise ValueError(
            f"convolution needs inputs of rank 3 or 4 and a kernel of the same rank, "
            f"got {inputs.shape} and {kernel.shape}"
        )
    steps, holes = per_dimension(strides, spatial, "strides"), per_dimension(dilation, spatial, "dilation")
    reach = dilated_size(kernel.shape[:spatial], holes)
    window = Window(steps, padding_pairs(inputs.shape[1:-1], reach, steps, padding), holes)
    if groups != 1 or 0 in window.outputs(inputs.shape[1:-1], kernel.shape[:spatial]):
        return _library(inputs, kernel, window, groups=groups)
    return canonical(inputs, kernel, window, chosen())


def _library(
    inputs: jax.Array, kernel: jax.Array, window: Window, *, groups: int = 1, input_dilation: Sizes | None = None
) -> jax.Array:
    letters = "HW"[-(inputs.ndim - 2) :]
    padding = window.padding
    if any(n < 0 for pair in padding for n in pair):
        # Crop first: XLA's CPU backend reads beyond an image if the padding is negative.
        holes = input_dilation or (1,) * len(padding)
        lengths = dilated_size(inputs.shape[1:-1], holes)
        cuts = [_cut(pair, length) for pair, length in zip(padding, lengths, strict=True)]
        spread = [(*cut, hole - 1) for cut, hole in zip(cuts, holes, strict=True)]
        inputs = lax.pad(inputs, jnp.zeros((), inputs.dtype), ((0, 0, 0), *spread, (0, 0, 0)))
        padding = tuple((pair[0] - cut[0], pair[1] - cut[1]) for pair, cut in zip(padding, cuts, strict=True))
        input_dilation = None
    return lax.conv_general_dilated(
        inputs,
        kernel,
        window.strides,
        padding,
        lhs_dilation=input_dilation,
        rhs_dilation=window.dilation,
        feature_group_count=groups,
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
    )


def _cut(padding: tuple[int, int], length: int) -> tuple[int, int]:
    """Returns the part of a (before, after) padding that is applied to an image of `length` before the convolution."""
    cut = min(padding[0], 0), min(padding[1], 0)
    # More is cut off than there is: only padding remains, and all of it is put on at once.
    return padding if length + sum(cut) < 0 else cut


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def canonical(inputs: jax.Array, kernel: jax.Array, window: Window, library: Library = "xla") -> jax.Array:
    """`convolution` without groups and with at least one output; the settings are already checked."""
    one, product = partial(_forward, window=window, library=library), partial(_forward_product, window=window)
    return _vectorized(one, product, kernel_at=1)(inputs, kernel)


def _forward(inputs: jax.Array, kernel: jax.Array, window: Window, library: Library) -> jax.Array:
    own = partial(_library, window=window)
    if library == "onednn" and onednn.takes(inputs, kernel, window):
        native = partial(onednn.outputs, window=window, threads=threads())
        computed: jax.Array = lax.platform_dependent(inputs, kernel, cpu=native, default=own)
        return computed
    # Patches of one channel, no larger than the outputs; kernels of 5x5 are no faster as a product.
    if inputs.shape[-1] == 1 and 1 < math.prod(kernel.shape[:-2]) <= min(_MOST_PATCH_ELEMENTS, kernel.shape[-1]):
        product = partial(_forward_product, window=window)
        outputs: jax.Array = lax.platform_dependent(inputs, kernel, cpu=product, default=own)
        return outputs
    return own(inputs, kernel)


def _canonical_forward(
    inputs: jax.Array, kernel: jax.Array, window: Window, library: Library
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return canonical(inputs, kernel, window, library), (inputs, kernel)


def canonical_backward(
    window: Window, library: Library, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns the gradients of inputs and kernel from the outputs' gradient; `residuals` are inputs and kernel."""
    inputs, kernel = residuals
    # Two functions, so that a gradient that is not used is left out of the program.
    return (
        input_gradient(kernel, gradient, inputs.shape[1:-1], window, library),
        kernel_gradient(inputs, gradient, kernel.shape[:-2], window, library),
    )


canonical.defvjp(_canonical_forward, canonical_backward)


# Both gradients are linear in each argument, so their own gradients are again convolutions or these functions.


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def input_gradient(kernel: jax.Array, gradient: jax.Array, size: Sizes, window: Window, library: Library) -> jax.Array:
    """Returns the gradient of the inputs, of spatial size `size`, from the outputs' gradient."""

    def inputs_of(kernel: jax.Array, gradient: jax.Array) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((gradient.shape[0], *size, kernel.shape[-2]), gradient.dtype)

    def own(kernel: jax.Array, gradient: jax.Array) -> jax.Array:
        forward = lambda inputs: _library(inputs, kernel, window)  # noqa: E731
        gradients: tuple[jax.Array] = jax.linear_transpose(forward, inputs_of(kernel, gradient))(gradient)
        return gradients[0]

    def one(kernel: jax.Array, gradient: jax.Array) -> jax.Array:
        turned = partial(_turned_convolution, size=size, window=window)
        if library == "onednn" and onednn.takes(gradient, kernel, window):
            turned = partial(onednn.input_gradient, size=size, window=window, threads=threads())
        of_inputs: jax.Array = lax.platform_dependent(kernel, gradient, cpu=turned, default=own)
        return of_inputs

    def product(kernel: jax.Array, gradient: jax.Array) -> jax.Array:
        columns = gradient @ kernel.reshape(-1, kernel.shape[-1]).T
        patches = lambda inputs: _patches(inputs, kernel.shape[:-2], window)  # noqa: E731
        gradients: tuple[jax.Array] = jax.linear_transpose(patches, inputs_of(kernel, gradient))(columns)
        return gradients[0]

    return _vectorized(one, product, kernel_at=0)(kernel, gradient)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def kernel_gradient(inputs: jax.Array, gradient: jax.Array, size: Sizes, window: Window, library: Library) -> jax.Array:
    """Returns the gradient of the kernel, of spatial size `size`, from the outputs' gradient."""
    shape = jax.ShapeDtypeStruct((*size, inputs.shape[-1], gradient.shape[-1]), gradient.dtype)

    def own(inputs: jax.Array, gradient: jax.Array) -> jax.Array:
        forward = lambda kernel: _library(inputs, kernel, window)  # noqa: E731
        gradients: tuple[jax.Array] = jax.linear_transpose(forward, shape)(gradient)
        return gradients[0]

    def one(inputs: jax.Array, gradient: jax.Array) -> jax.Array:
        convolved = partial(_convolution_over_batch, size=size, window=window)
        if library == "onednn" and onednn.takes(inputs, gradient, window):
            convolved = partial(onednn.kernel_gradient, size=size, window=window, threads=threads())
        of_kernel: jax.Array = lax.platform_dependent(inputs, gradient, cpu=convolved, default=own)
        return of_kernel

    def product(inputs: jax.Array, gradient: jax.Array) -> jax.Array:
        patches = _patches(inputs, size, window)
        rows = patches.reshape(-1, patches.shape[-1])
        return (rows.T @ gradient.reshape(-1, gradient.shape[-1])).reshape(shape.shape)

    return _vectorized(one, product)(inputs, gradient)


def _input_gradient_forward(
    kernel: jax.Array, gradient: jax.Array, size: Sizes, window: Window, library: Library
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return input_gradient(kernel, gradient, size, window, library), (kernel, gradient)


def _input_gradient_backward(
    size: Sizes, window: Window, library: Library, residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    kernel, gradient = residuals
    of_kernel = kernel_gradient(cotangent, gradient, kernel.shape[:-2], window, library)
    return of_kernel, canonical(cotangent, kernel, window, library)


def _kernel_gradient_forward(
    inputs: jax.Array, gradient: jax.Array, size: Sizes, window: Window, library: Library
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return kernel_gradient(inputs, gradient, size, window, library), (inputs, gradient)


def _kernel_gradient_backward(
    size: Sizes, window: Window, library: Library, residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    inputs, gradient = residuals
    of_inputs = input_gradient(cotangent, gradient, inputs.shape[1:-1], window, library)
    return of_inputs, canonical(inputs, cotangent, window, library)


input_gradient.defvjp(_input_gradient_forward, _input_gradient_backward)
kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)


Operation = Callable[[jax.Array, jax.Array], jax.Array]


def _vectorized(one: Operation, product: Operation, kernel_at: int | None = None) -> Operation:
    """Returns an operation with its own `vmap` rule, which trainings that run side by side need.

    JAX would turn kernels with an additional axis into a grouped convolution, which is slow in both Eigen and cuDNN. On
    the CPU they run one after the other; elsewhere all are one batched product over patches.

    Args:
        one: the operation on two arrays.
        product: the same as a product over patches.
        kernel_at: which of the two arrays is the kernel, None if none of them is. With one kernel for all, the
            additional axis of the other array is merged into its batch.
    """
    operation = jax.custom_batching.custom_vmap(one)

    @operation.def_vmap
    def over_first_axis(count: int, batched: Sequence[bool], *arrays: jax.Array) -> tuple[jax.Array, bool]:
        if kernel_at is not None and not batched[kernel_at]:
            joined = [
                a.reshape(-1, *a.shape[2:]) if is_batched else a for a, is_batched in zip(arrays, batched, strict=True)
            ]
            result = operation(*joined)
            return result.reshape(count, -1, *result.shape[1:]), True
        each = [
            a if is_batched else jnp.broadcast_to(a, (count, *a.shape))
            for a, is_batched in zip(arrays, batched, strict=True)
        ]
        in_turn = lambda *arrays: lax.map(lambda pair: operation(*pair), arrays)  # noqa: E731
        return lax.platform_dependent(*each, cpu=in_turn, default=jax.vmap(product)), True

    return operation


def _turned_convolution(kernel: jax.Array, gradient: jax.Array, size: Sizes, window: Window) -> jax.Array:
    """The output gradient, dilated by the strides, convolved with the flipped kernel."""
    spatial = tuple(range(len(size)))
    turned = jnp.swapaxes(lax.rev(kernel, spatial), -1, -2)
    reach = dilated_size(kernel.shape[:-2], window.dilation)
    spread = dilated_size(gradient.shape[1:-1], window.strides)
    before = [reach[axis] - 1 - window.padding[axis][0] for axis in spatial]
    around = tuple((before[axis], size[axis] + reach[axis] - 1 - spread[axis] - before[axis]) for axis in spatial)
    return _library(gradient, turned, Window((1,) * len(size), around, window.dilation), input_dilation=window.strides)


def _convolution_over_batch(inputs: jax.Array, gradient: jax.Array, size: Sizes, window: Window) -> jax.Array:
    """The inputs convolved with the output gradient as a kernel of the image's size; the batch is summed."""
    spatial = range(1, inputs.ndim - 1)
    images = inputs.transpose(inputs.ndim - 1, *spatial, 0)
    filters = gradient.transpose(*spatial, 0, inputs.ndim - 1)
    reach, spread = dilated_size(size, window.dilation), dilated_size(gradient.shape[1:-1], window.strides)
    needed = [a + b - 1 for a, b in zip(reach, spread, strict=True)]
    around = tuple(
        (before, n - length - before)
        for (before, _), n, length in zip(window.padding, needed, inputs.shape[1:-1], strict=True)
    )
    result = _library(images, filters, Window(window.dilation, around, window.strides))
    return result.transpose(*spatial, 0, inputs.ndim - 1)


def _forward_product(inputs: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """One matrix product over patches: on the CPU twice as fast as the library for images of one channel."""
    return _patches(inputs, kernel.shape[:-2], window) @ kernel.reshape(-1, kernel.shape[-1])


def _patches(inputs: jax.Array, size: Sizes, window: Window) -> jax.Array:
    """Returns the patches that a kernel of spatial size `size` covers: (batch, *outputs, kernel size * channels)."""
    around = ((0, 0, 0), *((before, after, 0) for before, after in window.padding), (0, 0, 0))
    padded = lax.pad(inputs, jnp.zeros((), inputs.dtype), around)
    spans = dilated_size(window.outputs(inputs.shape[1:-1], size), window.strides)
    patches = []
    for offset in itertools.product(*map(range, size)):
        start = [place * hole for place, hole in zip(offset, window.dilation, strict=True)]
        stop = [first + span for first, span in zip(start, spans, strict=True)]
        patches.append(padded[(slice(None), *map(slice, start, stop, window.strides))])
    return jnp.concatenate(patches, -1)
