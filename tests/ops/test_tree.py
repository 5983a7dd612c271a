"""The recursion over trees: one loop for a batch against one node at a time, and its gradient against JAX's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import ops

UNITS = 3
# Three leaves and two inner nodes at most: (0, (1, 2)); ((0, 1), 2); only (1, 2), of which leaf 0 is not used.
CHILDREN = [[(1, 2), (0, 3)], [(0, 1), (3, 2)], [(1, 2), (0, 0)]]
COUNTS = [2, 2, 1]


def forest() -> ops.Forest:
    return ops.Forest(jnp.asarray(np.transpose(CHILDREN, (1, 2, 0)), jnp.int32), jnp.asarray(COUNTS, jnp.int32))


def drawn() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    shapes = ((3, 3, UNITS), (3, 3, UNITS), (2 * UNITS, 5 * UNITS), (5 * UNITS,))
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def one_node_at_a_time(h: Any, c: Any, kernel: Any, bias: Any) -> list[list[Any]]:
    """Returns h of each tree's leaves and inner nodes."""
    found = []
    for tree, (pairs, count) in enumerate(zip(CHILDREN, COUNTS, strict=True)):
        states = [(h[leaf, tree], c[leaf, tree]) for leaf in range(3)]
        for left, right in pairs[:count]:
            (h_l, c_l), (h_r, c_r) = states[left], states[right]
            i, f_l, f_r, o, u = jnp.split(jnp.concatenate([h_l, h_r]) @ kernel + bias, 5)
            new = jax.nn.sigmoid(i) * jnp.tanh(u) + jax.nn.sigmoid(f_l) * c_l + jax.nn.sigmoid(f_r) * c_r
            states.append((jax.nn.sigmoid(o) * jnp.tanh(new), new))
        found.append([state for state, _ in states])
    return found


def test_states_and_gradients_are_those_of_one_node_at_a_time() -> None:
    h, c, kernel, bias = drawn()
    weights = np.random.default_rng(1).normal(size=(5, 3, UNITS)).astype(np.float32)
    weights[4, 2] = 0  # the third tree has one inner node

    def of_loop(h: Any, c: Any, kernel: Any, bias: Any) -> Any:
        return jnp.sum(weights * ops.tree_lstm(h, c, forest(), kernel, bias))

    def of_nodes(h: Any, c: Any, kernel: Any, bias: Any) -> Any:
        states = one_node_at_a_time(h, c, kernel, bias)
        return sum(jnp.vdot(weights[n, tree], h) for tree, own in enumerate(states) for n, h in enumerate(own))

    def both(function: Callable[..., Any]) -> Any:
        return jax.jit(jax.value_and_grad(function, (0, 1, 2, 3)))(h, c, kernel, bias)

    jax.tree.map(
        lambda own, other: np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-6), *map(both, (of_loop, of_nodes))
    )
    rows = jax.jit(ops.tree_lstm)(h, c, forest(), kernel, bias)
    for tree, own in enumerate(one_node_at_a_time(h, c, kernel, bias)):
        np.testing.assert_allclose(rows[: len(own), tree], own, rtol=1e-5, atol=1e-6)


def test_a_batch_of_leaves_has_no_steps() -> None:
    h, c, kernel, bias = drawn()
    none = ops.Forest(jnp.zeros((2, 2, 3), jnp.int32), jnp.zeros(3, jnp.int32))
    np.testing.assert_array_equal(ops.tree_lstm(h, c, none, kernel, bias)[:3], h)
    empty = ops.Forest(jnp.zeros((0, 2, 3), jnp.int32), jnp.zeros(3, jnp.int32))
    np.testing.assert_array_equal(ops.tree_lstm(h, c, empty, kernel, bias), h)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_dtype_is_that_of_the_states(dtype: Any) -> None:
    given = [jnp.asarray(array, dtype) for array in drawn()]
    slope = jax.jit(
        jax.grad(lambda h, c, kernel, bias: ops.tree_lstm(h, c, forest(), kernel, bias).astype(jnp.float32).sum())
    )
    assert slope(*given).dtype == dtype
