"""Mean and variance of activations against NumPy in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl import ops

MOMENTS = jax.jit(ops.moments, static_argnums=(1, 2))


@pytest.mark.parametrize("groups", [None, 1, 3])
@given(mean=st.floats(-10_000, 10_000), seed=st.integers(0, 2**32 - 1))
def test_moments_are_those_of_float64_at_any_mean(groups: int | None, mean: float, seed: int) -> None:
    inputs = np.random.default_rng(seed).normal(mean, 1, (4, 30, 6)).astype(np.float32)
    centered, means, variance = MOMENTS(inputs, (1,), groups)
    split = inputs.astype(np.float64).reshape(4, 30, groups or 6, -1)
    expected_mean = np.repeat(split.mean((1, 3)), 6 // (groups or 6), -1)[:, None]
    expected_variance = np.repeat(split.var((1, 3)), 6 // (groups or 6), -1)[:, None]
    np.testing.assert_allclose(means, expected_mean, atol=2e-6 * abs(mean) + 1e-6)
    np.testing.assert_allclose(centered, inputs - expected_mean, atol=2e-6 * abs(mean) + 1e-5)
    np.testing.assert_allclose(variance, expected_variance, rtol=1e-3)


def test_half_precision_is_averaged_in_float32() -> None:
    found = ops.moments(jnp.full((1000, 2), 3, jnp.bfloat16), (0,))
    assert {array.dtype for array in found} == {jnp.dtype("float32")}
    np.testing.assert_allclose(found[1], [[3, 3]], rtol=1e-6)
