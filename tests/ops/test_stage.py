"""Convolution with pooling after it, against JAX's own two operations."""

from __future__ import annotations

from functools import partial

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given
from jax import lax

from jaxdl import ops


def own(inputs, kernel, window, padding):
    """JAX's convolution and Flax's pooling."""
    letters = "HW"[-(inputs.ndim - 2) :]
    numbers = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    ones = (1,) * (inputs.ndim - 2)
    outputs = lax.conv_general_dilated(inputs, kernel, ones, padding, dimension_numbers=numbers)
    return nn.max_pool(outputs, window, strides=window)


def values_and_gradients(function, inputs, kernel, window, padding):
    def loss(inputs, kernel):
        outputs = function(inputs, kernel, window, padding=padding)
        weights = jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32)).reshape(outputs.shape)
        return (weights * outputs).sum(), outputs

    (_, outputs), gradients = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(inputs, kernel)
    return outputs, gradients


def arrays(batch: int, size: tuple[int, ...], channels: int, reach: tuple[int, ...], features: int, seed: int = 0):
    random = np.random.default_rng(seed)
    normal = lambda *shape: jnp.asarray(random.standard_normal(shape), jnp.float32)  # noqa: E731
    return normal(batch, *size, channels), normal(*reach, channels, features)


@st.composite
def cases(draw):
    spatial = draw(st.sampled_from([1, 2]))
    each = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(spatial))  # noqa: E731
    reach, window = each(1, 3), each(1, 3)
    size = tuple(r + w - 1 + more for r, w, more in zip(reach, window, each(0, 5), strict=True))
    channels, features = draw(st.sampled_from([1, 3])), draw(st.sampled_from([2, 9]))
    padding = draw(st.sampled_from(["VALID", "SAME", [(1, 0)] * spatial]))
    return arrays(draw(st.integers(1, 4)), size, channels, reach, features, draw(st.integers(0, 99))), window, padding


@pytest.mark.slow
@given(cases())
def test_values_and_both_gradients_equal_those_of_jax(case) -> None:
    (inputs, kernel), window, padding = case
    got = values_and_gradients(ops.convolution_max_pool, inputs, kernel, window, padding)
    expected = values_and_gradients(own, inputs, kernel, window, padding)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), got, expected)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [128, 127])
def test_images_that_do_not_fit_the_cache_together_give_the_same(batch: int) -> None:
    """128 are worked on in blocks, 127 cannot be divided."""
    inputs, kernel = arrays(batch, (33, 33), 3, (3, 3), 64)
    got = values_and_gradients(ops.convolution_max_pool, inputs, kernel, (2, 2), "VALID")
    expected = values_and_gradients(own, inputs, kernel, (2, 2), "VALID")
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-3), got, expected)
    text = jax.jit(lambda x, k: ops.convolution_max_pool(x, k, 2)).lower(inputs, kernel).as_text()
    assert ("while" in text) == (batch == 128)


@pytest.mark.slow
def test_second_derivatives_equal_those_of_jax() -> None:
    inputs, kernel = arrays(2, (6, 6), 2, (3, 3), 3)

    def penalty(function, kernel):
        gradient = jax.grad(lambda k: (function(inputs, k, (2, 2), padding="SAME") ** 2).sum())(kernel)
        return (gradient**2).sum()

    got, expected = (jax.jit(jax.grad(partial(penalty, f)))(kernel) for f in (ops.convolution_max_pool, own))
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-2)


def test_vmap_over_kernels_gives_what_one_call_after_the_other_gives() -> None:
    inputs, kernel = arrays(4, (8, 8), 2, (3, 3), 3)
    kernels = jnp.stack([kernel, 2 * kernel])
    gradient = jax.grad(lambda k: (ops.convolution_max_pool(inputs, k, 2) ** 2).sum())
    got = jax.jit(jax.vmap(gradient))(kernels)
    for number in range(2):
        np.testing.assert_allclose(got[number], gradient(kernels[number]), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_remat_and_scan_change_nothing() -> None:
    inputs, kernel = arrays(4, (8, 8), 2, (3, 3), 3)
    loss = lambda k: (ops.convolution_max_pool(inputs, k, 2) ** 2).sum()  # noqa: E731
    expected = jax.grad(loss)(kernel)
    np.testing.assert_allclose(jax.grad(jax.checkpoint(loss))(kernel), expected, rtol=1e-5)
    _, scanned = jax.jit(lambda k: lax.scan(lambda c, _: (c, jax.grad(loss)(c)), k, length=2))(kernel)
    np.testing.assert_allclose(scanned[1], expected, rtol=1e-4, atol=1e-4)


def test_bfloat16_stays_bfloat16() -> None:
    inputs, kernel = (array.astype(jnp.bfloat16) for array in arrays(128, (33, 33), 3, (3, 3), 64))
    outputs, gradients = values_and_gradients(ops.convolution_max_pool, inputs, kernel, 2, "VALID")
    assert {outputs.dtype, *(g.dtype for g in gradients)} == {jnp.dtype("bfloat16")}


def test_a_window_larger_than_the_result_gives_an_empty_image() -> None:
    inputs, kernel = arrays(2, (4, 4), 2, (3, 3), 3)
    assert ops.convolution_max_pool(inputs, kernel, 3).shape == (2, 0, 0, 3)
