"""Dropout: the share that is kept, the scale, and where the random bits come from."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from jaxdl import ops
from jaxdl.ops.dropout import _sixteen_bits


@given(st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_the_share_is_the_rate_and_the_mean_is_kept(rate: float, seed: int) -> None:
    outputs = np.asarray(ops.dropout(jnp.ones(40_001), rate, jax.random.key(seed)))
    kept = np.count_nonzero(outputs)
    # Six standard deviations of a binomial distribution.
    assert abs(kept - (1 - rate) * outputs.size) < 6 * np.sqrt(rate * (1 - rate) * outputs.size) + 1
    levels = np.clip(round((1 - rate) * 2**16), 1, 2**16)
    assert set(np.unique(outputs)) <= {0, np.float32(2**16 / levels)}


def test_the_scale_is_the_inverse_of_the_probability_of_being_kept_exactly() -> None:
    # 0.3 is no multiple of 2**-16: the nearest one is what is kept, and what is scaled by.
    outputs = ops.dropout(jnp.ones(1000), 0.3, jax.random.key(0))
    assert float(outputs.max()) == np.float32(65536 / round(0.7 * 65536))


@pytest.mark.parametrize("rate", [0, 0.0, None])
def test_no_rate_leaves_the_operation_out(rate) -> None:
    inputs = jnp.ones((3, 4))
    assert ops.dropout(inputs, rate, jax.random.key(0)) is inputs


def test_a_traced_rate_needs_no_new_program() -> None:
    compiled = jax.jit(ops.dropout)
    inputs, key = jnp.ones(1000), jax.random.key(0)
    for rate in (0.1, 0.5):
        np.testing.assert_allclose(compiled(inputs, rate, key), ops.dropout(inputs, rate, key), rtol=1e-6)
    np.testing.assert_array_equal(compiled(inputs, 0.0, key), inputs)
    assert compiled._cache_size() == 1  # type: ignore[attr-defined]


def test_the_key_decides_what_is_dropped() -> None:
    inputs = jnp.ones((64, 64))
    first, again, other = (ops.dropout(inputs, 0.5, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert 0.4 < float((first != other).mean()) < 0.6


def test_the_gradient_is_the_mask() -> None:
    inputs, key = jax.random.normal(jax.random.key(1), (50,)), jax.random.key(0)
    gradient = jax.grad(lambda x: ops.dropout(x, 0.25, key).sum())(inputs)
    np.testing.assert_allclose(gradient * inputs, ops.dropout(inputs, 0.25, key), rtol=1e-6)


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey, lambda seed: jax.random.key(seed, impl="rbg")])
def test_the_bits_are_uniform_and_neighbours_and_halves_independent(make) -> None:
    bits = np.asarray(_sixteen_bits(make(7), (1 << 16,)))
    assert bits.max() < 1 << 16
    assert scipy.stats.chisquare(np.bincount(bits >> 8, minlength=256)).pvalue > 1e-4
    assert scipy.stats.chisquare(np.bincount(bits & 255, minlength=256)).pvalue > 1e-4
    for distance in (1, len(bits) // 4, len(bits) // 2):
        assert abs(np.corrcoef(bits[:-distance], bits[distance:])[0, 1]) < 0.03


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5)])
def test_odd_sizes_and_narrow_dtypes_are_kept(shape) -> None:
    outputs = ops.dropout(jnp.ones(shape, jnp.bfloat16), 0.5, jax.random.key(0))
    assert outputs.shape == shape
    assert outputs.dtype == jnp.bfloat16


@pytest.mark.slow
def test_vmap_over_keys_draws_what_each_key_draws() -> None:
    keys, inputs = jax.random.split(jax.random.key(0), 3), jnp.ones(33)
    got = jax.vmap(lambda key: ops.dropout(inputs, 0.5, key))(keys)
    np.testing.assert_array_equal(got, jnp.stack([ops.dropout(inputs, 0.5, key) for key in keys]))
