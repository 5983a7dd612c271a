"""Pooling against flax.linen's and NumPy's; small whole numbers, so that there are many equal maxima."""

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


def few_values(shape: tuple[int, ...], seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).integers(-1, 2, shape), jnp.float32)


@st.composite
def cases(draw):
    spatial = draw(st.sampled_from([1, 2, 2, 2, 3]))
    each = lambda values: draw(st.tuples(*[values] * spatial))  # noqa: E731
    window = each(st.integers(1, 3 if spatial < 3 else 2))
    strides = draw(st.sampled_from([None, window, each(st.integers(1, 3))]))
    size = [least + draw(st.integers(0, 4)) for least in window]
    # A window that lies in the padding alone has no maximum, so less is padded than a window is wide.
    pairs = tuple((draw(st.integers(0, wide - 1)), draw(st.integers(0, wide - 1))) for wide in window)
    padding = draw(st.sampled_from(["VALID", "SAME", pairs]))
    inputs = few_values((draw(st.integers(1, 2)), *size, draw(st.integers(1, 3))), draw(st.integers(0, 99)))
    return inputs, window, strides, padding


def outputs_and_gradient(pool, inputs):
    @jax.jit
    def run(inputs):
        outputs, backward = jax.vjp(pool, inputs)
        weights = jnp.arange(1, outputs.size + 1, dtype=jnp.float32).reshape(outputs.shape)
        return outputs, backward(weights)[0]

    return run(inputs)


@given(cases())
def test_max_pool_equals_flax_equal_maxima_included(case) -> None:
    inputs, window, strides, padding = case
    got = outputs_and_gradient(lambda x: ops.max_pool(x, window, strides, padding), inputs)
    own = outputs_and_gradient(lambda x: nn.max_pool(x, window, strides or window, padding), inputs)
    np.testing.assert_array_equal(got[0], own[0])
    np.testing.assert_array_equal(got[1], own[1])


@given(cases())
def test_average_pool_equals_flax(case) -> None:
    inputs, window, strides, padding = case
    got = outputs_and_gradient(lambda x: ops.average_pool(x, window, strides, padding), inputs)
    own = outputs_and_gradient(lambda x: nn.avg_pool(x, window, strides or window, padding), inputs)
    np.testing.assert_allclose(got[0], own[0], rtol=1e-6)
    np.testing.assert_allclose(got[1], own[1], rtol=1e-6)


@pytest.mark.parametrize(("window", "strides"), [((2, 2), None), ((3, 3), (2, 2)), ((5, 4), (1, 2))])
def test_both_equal_numpy(window, strides) -> None:
    inputs = jax.random.normal(jax.random.key(0), (2, 9, 10, 3))
    views = np.lib.stride_tricks.sliding_window_view(inputs, window, (1, 2))
    rows, columns = strides or window
    views = views[:, ::rows, ::columns]
    np.testing.assert_array_equal(ops.max_pool(inputs, window, strides), views.max((-1, -2)))
    np.testing.assert_allclose(ops.average_pool(inputs, window, strides), views.mean((-1, -2)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("strides", [(2, 2), (1, 1)])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_treated_as_jax_treats_them(special: float, strides) -> None:
    values = np.random.default_rng(0).integers(-1, 2, (2, 6, 6, 3)).astype(np.float32)
    values[np.random.default_rng(1).random(values.shape) < 0.4] = special
    values[0, :2, :2] = special
    inputs = jnp.asarray(values)
    got = outputs_and_gradient(lambda x: ops.max_pool(x, (2, 2), strides, "SAME"), inputs)
    own = outputs_and_gradient(lambda x: nn.max_pool(x, (2, 2), strides, "SAME"), inputs)
    np.testing.assert_array_equal(got[0], own[0])
    np.testing.assert_array_equal(got[1], own[1])


@pytest.mark.slow
def test_second_derivatives_equal_those_of_jax() -> None:
    inputs = jax.random.normal(jax.random.key(0), (2, 6, 6, 3))

    def penalty(pool, inputs):
        return (jax.grad(lambda x: (pool(x) ** 3).sum())(inputs) ** 2).sum()

    got = jax.grad(partial(penalty, lambda x: ops.max_pool(x, 2)))(inputs)
    np.testing.assert_allclose(
        got, jax.grad(partial(penalty, lambda x: nn.max_pool(x, (2, 2), (2, 2))))(inputs), rtol=1e-5
    )


@pytest.mark.slow
def test_vmap_scan_and_remat_change_nothing() -> None:
    inputs = few_values((4, 2, 6, 6, 3))
    gradient = jax.grad(lambda x: (ops.max_pool(x, 2) ** 2).sum())
    expected = jnp.stack([gradient(x) for x in inputs])
    np.testing.assert_array_equal(jax.vmap(gradient)(inputs), expected)
    np.testing.assert_array_equal(lax.scan(lambda c, x: (c, gradient(x)), 0, inputs)[1], expected)
    remat = jax.grad(lambda x: (jax.checkpoint(lambda x: ops.max_pool(x, 2))(x) ** 2).sum())
    np.testing.assert_array_equal(remat(inputs[0]), expected[0])


def test_the_gradient_of_small_windows_needs_no_select_and_scatter() -> None:
    program = jax.jit(jax.grad(lambda x: ops.max_pool(x, 2).sum())).lower(few_values((2, 6, 6, 3)))
    assert "select_and_scatter" not in program.as_text()


@pytest.mark.parametrize("pool", [ops.max_pool, ops.average_pool])
def test_bfloat16_stays_bfloat16(pool) -> None:
    inputs = jnp.ones((2, 4, 4, 1), jnp.bfloat16)
    assert pool(inputs, 2).dtype == jnp.bfloat16
    assert jax.grad(lambda x: pool(x, 2).sum())(inputs).dtype == jnp.bfloat16


@pytest.mark.parametrize("pool", [ops.max_pool, ops.average_pool])
def test_a_wrong_setting_is_named(pool) -> None:
    with pytest.raises(ValueError, match="rank 3 or more"):
        pool(jnp.zeros((2, 4)), 2)
    with pytest.raises(ValueError, match="window"):
        pool(jnp.zeros((2, 4, 4, 1)), (2, 2, 2))
    with pytest.raises(ValueError, match="strides"):
        pool(jnp.zeros((2, 4, 4, 1)), 2, (1,))
