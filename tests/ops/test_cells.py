"""One step of each recurrence against the textbook's in NumPy, and its factors against JAX's own gradients."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl.ops.cells import GRU, LSTM, SIMPLE, Cell, Factors, Parts, State
from tests.ops.test_recurrence import plain_step

CELLS = {**SIMPLE, "lstm": LSTM, "gru": GRU}
UNITS, BATCH = 3, 2


def gate_values(cell: Cell, seed: int = 0) -> tuple[State, Parts, jax.Array]:
    """Draws a state, the inputs' share of the gates in parts, and that of h."""
    random = np.random.default_rng(seed)
    normal = lambda rows: jnp.asarray(random.standard_normal((rows, BATCH)), jnp.float32)  # noqa: E731
    state = tuple(normal(UNITS) for _ in range(cell.states))
    return state, tuple(normal(count * UNITS) for count in cell.parts), normal(len(cell.halved) * UNITS)


def weights_scale(cell: Cell) -> np.ndarray:
    """What the textbook's gates are multiplied by to be those of the cell, (gates * units, 1)."""
    return np.repeat(np.where(cell.halved, 0.5, 1.0), UNITS)[:, None]


@pytest.mark.parametrize("name", sorted(CELLS))
def test_a_step_is_that_of_the_textbooks(name: str) -> None:
    cell = CELLS[name]
    state, p, q = gate_values(cell)
    got, _ = cell.step(state, p, q)
    scale = weights_scale(cell)
    p_plain = (np.concatenate(p) / scale).T.astype(np.float64)
    q_plain = (np.asarray(q) / scale).T.astype(np.float64)
    before = tuple(np.asarray(array, np.float64).T for array in state)
    # Without a recurrent kernel: q is given as it is, to the textbook's GRU as the recurrent bias.
    nothing = np.zeros((UNITS, q_plain.shape[1]))
    expected = (
        plain_step(name, before, p_plain, nothing, q_plain)
        if name == "gru"
        else plain_step(name, before, p_plain + q_plain, nothing, 0.0)
    )
    assert len(got) == len(expected) == cell.states
    for array, plain in zip(got, expected, strict=True):
        np.testing.assert_allclose(array.T, plain, rtol=1e-5, atol=1e-6)


def passed_back(cell: Cell, factors: Factors, of_state: State) -> tuple[State, jax.Array, jax.Array]:
    """Returns the gradients of the state before, of q and of p from that of the state after, as the factors say."""
    of_h, *of_c = of_state
    if factors.joined is not None:
        of_c = [of_c[0] + of_h * factors.joined]
    arrived = (of_h, *of_c)
    of_q = factors.gates * jnp.concatenate([arrived[source] for source in cell.sources])
    of_p = of_q if factors.apart is None else jnp.concatenate([of_q[:-UNITS], factors.apart * of_h])
    through = (factors.through_h, factors.through_c)[: cell.states]
    of_before = tuple(
        jnp.zeros_like(of) if factor is None else of * factor for of, factor in zip(arrived, through, strict=True)
    )
    return of_before, of_q, of_p


def both_gradients(cell: Cell, is_valid: jax.Array | None) -> tuple[tuple, tuple]:
    """Returns the gradients of (state, q, p) by the factors, and by JAX of a step that is left out if not valid."""
    state, p, q = gate_values(cell, 1)
    of_state = gate_values(cell, 2)[0]

    def chosen(state: State, p: Parts, q: jax.Array) -> State:
        after = cell.step(state, p, q)[0]
        if is_valid is None:
            return after
        return tuple(jnp.where(is_valid, new, old) for new, old in zip(after, state, strict=True))

    of_before, of_parts, of_q = jax.vjp(chosen, state, p, q)[1](of_state)
    after, inner = cell.step(state, p, q)
    factors = cell.factors(state, after, inner).where(is_valid)
    return passed_back(cell, factors, of_state), (of_before, of_q, jnp.concatenate(of_parts))


@pytest.mark.parametrize("is_valid", [None, [[True, False]]], ids=["everywhere", "where-valid"])
@pytest.mark.parametrize("name", sorted(CELLS))
def test_factors_pass_back_the_gradients_of_jax(name: str, is_valid: list[list[bool]] | None) -> None:
    got, expected = both_gradients(CELLS[name], None if is_valid is None else jnp.array(is_valid))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), got, expected)
