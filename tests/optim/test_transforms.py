"""Gradient transformations against optax's own forms and NumPy."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from jaxdl.optim.transforms import momenta_until, momentum_at, scale_by_adam, scale_by_deviation, with_momentum

STEPS = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)


def directions(transformation: optax.GradientTransformation) -> np.ndarray:
    """Returns what a transformation makes of the gradients of 20 steps, (20, 5)."""
    state, found = transformation.init(np.zeros(5, np.float32)), []
    for gradient in STEPS:
        direction, state = transformation.update(gradient, state)
        found.append(np.asarray(direction))
    return np.array(found)


@pytest.mark.parametrize("nesterov", [False, True])
def test_adam_in_another_order_differs_from_that_of_optax_by_rounding_alone(nesterov: bool) -> None:
    ours = directions(scale_by_adam(0.9, 0.999, 1e-8, nesterov))
    theirs = directions(optax.scale_by_adam(0.9, 0.999, 1e-8, nesterov=nesterov))
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("decay", [1e-6, 0.004, 1.0, 50.0])
@pytest.mark.parametrize("b1", [0.0, 0.9, 0.999])
def test_the_product_of_the_momenta_is_that_of_each_multiplied(decay: float, b1: float) -> None:
    counts = np.arange(1, 301)
    momenta = b1 * (1 - 0.5 * 0.96 ** (counts * decay))
    np.testing.assert_allclose(jax.jit(momentum_at, static_argnums=2)(counts, b1, decay), momenta, rtol=1e-5)
    products = jax.jit(jax.vmap(lambda count: momenta_until(count, b1, decay)))(counts)
    np.testing.assert_allclose(products, np.cumprod(momenta), rtol=1e-4, atol=1e-30)


def test_the_deviation_is_that_of_optax_and_steady_gradients_give_finite_steps() -> None:
    np.testing.assert_allclose(
        directions(scale_by_deviation(0.9, 1e-8)), directions(optax.scale_by_stddev(0.9, 1e-8)), rtol=1e-3
    )
    transformation = scale_by_deviation(0.9, 1e-12)
    state = transformation.init(np.zeros(1, np.float32))
    for _ in range(300):
        direction, state = jax.jit(transformation.update)(np.full(1, 1000.1, np.float32), state)
    assert np.isfinite(direction).all()


def test_momentum_adds_up_earlier_gradients_and_zero_leaves_no_state() -> None:
    expected, velocity = [], np.zeros(5)
    for gradient in STEPS:
        velocity = 0.5 * velocity + gradient
        expected.append(velocity)
    np.testing.assert_allclose(directions(with_momentum(0.5)), expected, rtol=1e-5, atol=1e-6)
    assert jax.tree.leaves(with_momentum(0.0).init(np.zeros(5))) == []
