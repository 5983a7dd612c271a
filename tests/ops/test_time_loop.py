"""The loop over time by itself, batch last: what it computes, and what its gradient leaves behind."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxdl.ops.cells import GRU, LSTM, SIMPLE, Cell
from jaxdl.ops.time_loop import Arrays, loop

CELLS = {"tanh": SIMPLE["tanh"], "lstm": LSTM, "gru": GRU}
FEATURES, UNITS, TIME, BATCH = 2, 3, 4, 2


def make_arrays(cell: Cell, lengths: tuple[int, ...] | None = None) -> Arrays:
    random = np.random.default_rng(0)
    normal = lambda *shape: jnp.asarray(0.5 * random.standard_normal(shape), jnp.float32)  # noqa: E731
    rows = len(cell.halved) * UNITS
    return Arrays(
        inputs=normal(FEATURES, TIME, BATCH),
        kernel=normal(rows, FEATURES),
        recurrent_kernel=normal(rows, UNITS),
        bias=normal(rows, 1),
        recurrent_bias=normal(rows, 1) if cell is GRU else None,
        initial=tuple(normal(UNITS, BATCH) for _ in range(cell.states)),
        valid=None if lengths is None else jnp.arange(TIME)[None, :, None] < jnp.array(lengths),
    )


def step_by_step(cell: Cell, reverse: bool, arrays: Arrays) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """The same in a Python loop over single steps, which keeps nothing and leaves gradients to JAX."""
    state, outputs = arrays.initial, {}
    for t in reversed(range(TIME)) if reverse else range(TIME):
        p = arrays.kernel @ arrays.inputs[:, t] + arrays.bias
        parts = jnp.split(p, np.cumsum(cell.parts)[:-1] * UNITS)
        q = arrays.recurrent_kernel @ state[0]
        after, _ = cell.step(state, tuple(parts), q if arrays.recurrent_bias is None else q + arrays.recurrent_bias)
        if arrays.valid is not None:
            is_valid = arrays.valid[:, t]
            after = tuple(jnp.where(is_valid, new, old) for new, old in zip(after, state, strict=True))
        state, outputs[t] = after, after[0]
    return jnp.stack([outputs[t] for t in range(TIME)], 1), state


@pytest.mark.parametrize(("reverse", "lengths"), [(False, None), (True, (4, 0))])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_results_and_all_gradients_equal_those_of_single_steps(
    name: str, reverse: bool, lengths: tuple[int, ...] | None
) -> None:
    cell = CELLS[name]
    arrays = make_arrays(cell, lengths)
    valid = arrays.valid

    def results(run, arrays):
        (outputs, final), backward = jax.vjp(lambda a: run(cell, reverse, a._replace(valid=valid)), arrays)
        weights = jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32)).reshape(outputs.shape)
        return outputs, final, backward((weights, tuple(2 * state for state in final)))

    without = arrays._replace(valid=None)
    got, expected = (jax.jit(partial(results, run))(without) for run in (loop, step_by_step))
    assert got[0].shape == (UNITS, TIME, BATCH)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), got, expected)


@pytest.mark.parametrize("name", sorted(CELLS))
def test_each_step_makes_one_matrix_product_forwards_and_one_back(name: str) -> None:
    """The gradients of the weights are products over all steps at once, outside the loops."""
    cell = CELLS[name]
    gradient = jax.grad(lambda arrays: loop(cell, False, arrays)[0].sum())
    program = jax.make_jaxpr(gradient)(make_arrays(cell))
    assert products_in_loops(program.jaxpr) == [1, 1]


def products_in_loops(jaxpr) -> list[int]:
    """Counts the matrix products in the body of each scan of a program."""
    found = []
    for equation in jaxpr.eqns:
        bodies = [getattr(value, "jaxpr", value) for value in equation.params.values()]
        bodies = [body for body in bodies if hasattr(body, "eqns")]
        if equation.primitive is lax.scan_p:
            found.append(str(bodies[0]).count("dot_general["))
        else:
            found += [count for body in bodies for count in products_in_loops(body)]
    return found
