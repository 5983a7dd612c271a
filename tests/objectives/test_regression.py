"""Losses of numbers, against formulas in NumPy in float64."""

from __future__ import annotations

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

from jaxdl.objectives import CosineSimilarity, LogCosh, Poisson, cosine_distance, log_cosh, poisson

LEADING = st.sampled_from([(4,), (3, 5)])
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, leading: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(*leading, 3)).astype(np.float32), random.normal(size=(*leading, 3)).astype(np.float32)


def close(actual: jax.Array, expected: np.ndarray) -> None:
    assert actual.dtype == jnp.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@given(leading=LEADING, seed=SEEDS)
def test_losses_of_numbers_follow_their_formulas(leading: tuple[int, ...], seed: int) -> None:
    outputs, targets = drawn(seed, leading)
    o, t = outputs.astype(np.float64), targets.astype(np.float64)
    close(log_cosh(outputs, targets), np.log(np.cosh(o - t)).mean(-1))
    close(LogCosh().losses(outputs[..., :1], targets[..., 0]), np.log(np.cosh(o - t))[..., 0])
    counts = np.abs(np.rint(3 * t))
    close(poisson(outputs, counts), (np.exp(o) - counts * o).mean(-1))
    cosine = (o * t).sum(-1) / np.linalg.norm(o, axis=-1) / np.linalg.norm(t, axis=-1)
    close(cosine_distance(outputs, targets), 1 - cosine)


def test_large_errors_and_no_direction_give_finite_gradients() -> None:
    gradient = jax.grad(lambda outputs: LogCosh().losses(outputs, jnp.zeros(2)).sum())(jnp.array([[1e30], [-1e30]]))
    np.testing.assert_allclose(gradient, [[1.0], [-1.0]])
    nowhere = jax.grad(lambda outputs: CosineSimilarity().losses(outputs, jnp.ones((1, 3))).sum())(jnp.zeros((1, 3)))
    assert np.isfinite(nowhere).all()


def test_counts_are_predicted_from_their_logarithms() -> None:
    outputs = np.log([[2.0], [5.0]]).astype(np.float32)
    np.testing.assert_allclose(Poisson().predictions(outputs), [2, 5], rtol=1e-6)
    np.testing.assert_allclose(Poisson().measured(jnp.asarray(outputs)), [[2], [5]], rtol=1e-6)
    assert Poisson().problem(np.array([-1.0]), False) and Poisson().problem(np.array([0.0, 3]), False) is None
    assert CosineSimilarity().problem(np.zeros(3), False) and CosineSimilarity().problem(np.zeros((3, 2)), True) is None
