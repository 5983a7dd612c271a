"""Recurrences against a plain NumPy loop, and their gradients against JAX's own of a plain scan."""

from __future__ import annotations

import functools
from functools import partial
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax import lax

from jaxdl import ops

CELLS = {
    "tanh": (1, 1, ops.simple_rnn),
    "relu": (1, 1, partial(ops.simple_rnn, activation="relu")),
    "lstm": (4, 2, ops.lstm),
    "gru": (3, 1, ops.gru),
    "gru_reset_before": (3, 1, ops.gru_reset_before),
}


def sigmoid(x, np=np):
    return 1 / (1 + np.exp(-x))


def plain_step(cell, state, p, recurrent_kernel, recurrent_bias, np=np, mask=1.0):
    """One step as the textbooks write it, for NumPy or for JAX."""
    h = state[0]
    q = (mask * h) @ recurrent_kernel
    if cell == "tanh":
        return (np.tanh(p + q),)
    if cell == "relu":
        return (np.maximum(p + q, 0),)
    if cell == "lstm":
        i, f, g, o = np.split(p + q, 4, -1)
        c = sigmoid(f, np) * state[1] + sigmoid(i, np) * np.tanh(g)
        return sigmoid(o, np) * np.tanh(c), c
    (p_r, p_z, p_n), (q_r, q_z, q_n) = np.split(p, 3, -1), np.split(q + recurrent_bias, 3, -1)
    r, z = sigmoid(p_r + q_r, np), sigmoid(p_z + q_z, np)
    if cell == "gru_reset_before":
        q_n, r = (r * mask * h) @ recurrent_kernel[:, -h.shape[-1] :], 1
    n = np.tanh(p_n + r * q_n)
    return ((1 - z) * n + z * h,)


def numpy_loop(cell, parameters, inputs, lengths, reverse, initial):
    kernel, recurrent_kernel, bias, *rest = [np.asarray(p, np.float64) for p in parameters]
    batch, time, _ = inputs.shape
    outputs = np.zeros((batch, time, recurrent_kernel.shape[0]))
    finals = []
    for example in range(batch):
        state = tuple(np.asarray(s[example], np.float64) for s in initial)
        for step in reversed(range(time)) if reverse else range(time):
            if step < lengths[example]:
                p = np.asarray(inputs[example, step], np.float64) @ kernel + bias
                state = plain_step(cell, state, p, recurrent_kernel, *(rest or [0.0]))  # type: ignore[list-item]
            outputs[example, step] = state[0]
        finals.append(state)
    return outputs, tuple(np.stack(s) for s in zip(*finals, strict=True))


def plain_scan(cell, parameters, inputs, lengths, reverse, initial, mask=1.0):
    """The recurrence without any of what the package adds: masks by selection, gradients by JAX."""
    kernel, recurrent_kernel, bias, *rest = parameters

    def body(state, at_step):
        x, valid = at_step
        following = plain_step(cell, state, x @ kernel + bias, recurrent_kernel, *(rest or [0.0]), jnp, mask)  # type: ignore[misc,call-arg]
        state = tuple(jnp.where(valid[:, None], a, b) for a, b in zip(following, state, strict=True))
        return state, state[0]

    valid = jnp.arange(inputs.shape[1])[:, None] < lengths
    final, outputs = lax.scan(body, initial, (jnp.swapaxes(inputs, 0, 1), valid), reverse=reverse)
    return jnp.swapaxes(outputs, 0, 1), final


def make_case(cell, batch, time, features, units, seed):
    gates, states, run = CELLS[cell]
    random = np.random.default_rng(seed)
    normal = lambda *shape: jnp.asarray(0.5 * random.standard_normal(shape), jnp.float32)  # noqa: E731
    shapes = [(features, gates * units), (units, gates * units), (gates * units,)] + [(gates * units,)] * (
        cell == "gru"
    )
    parameters = [normal(*shape) for shape in shapes]
    return run, parameters, normal(batch, time, features), tuple(normal(batch, units) for _ in range(states))


@st.composite
def cases(draw):
    # One shape, so that each cell is compiled once a direction.
    batch, time, features, units = 3, 5, 2, 4
    cell = draw(st.sampled_from(sorted(CELLS)))
    lengths = jnp.array(draw(st.lists(st.integers(0, time), min_size=batch, max_size=batch)))
    case = make_case(cell, batch, time, features, units, draw(st.integers(0, 99)))
    return cell, case[1:], lengths, draw(st.booleans())


@functools.cache
def values_and_gradients(recur, cell: str, reverse: bool):
    """Compiles outputs, final state and the gradients of a weighted sum of them."""

    def loss(parameters, inputs, initial, lengths):
        outputs, final = recur(cell, parameters, inputs, lengths, reverse, initial)
        weights = jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32)).reshape(outputs.shape)
        return (weights * outputs).sum() + sum((state**2).sum() for state in final), (outputs, final)

    return jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))


def own(cell, parameters, inputs, lengths, reverse, initial):
    run: Any = CELLS[cell][2]
    return run(inputs, *parameters, lengths=lengths, reverse=reverse, initial=initial)


@pytest.mark.slow
@given(cases())
def test_values_equal_a_numpy_loop_and_gradients_those_of_jax_for_a_plain_scan(case) -> None:
    cell, (parameters, inputs, initial), lengths, reverse = case
    gradients, results = values_and_gradients(own, cell, reverse)(parameters, inputs, initial, lengths)
    expected = numpy_loop(cell, parameters, inputs, lengths, reverse, initial)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), results, expected)
    plain, _ = values_and_gradients(plain_scan, cell, reverse)(parameters, inputs, initial, lengths)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), gradients, plain)


@pytest.mark.parametrize("shape", [(2, 4, 3, 5), (1, 1, 1, 1)])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_without_lengths_and_initial_state_all_steps_run_from_zero(cell: str, shape) -> None:
    run, parameters, inputs, initial = make_case(cell, *shape, 0)  # type: ignore[call-arg]
    zeros = jax.tree.map(jnp.zeros_like, initial)
    expected = numpy_loop(cell, parameters, inputs, [shape[1]] * shape[0], False, zeros)
    got = jax.jit(run)(inputs, *parameters)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), got, expected)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_padded_sequence_gives_what_it_gives_alone(cell: str, reverse: bool) -> None:
    run, parameters, inputs, _ = make_case(cell, 3, 6, 2, 4, 1)
    lengths = jnp.array([2, 6, 4])
    run = jax.jit(run, static_argnames="reverse")
    outputs, final = run(inputs, *parameters, lengths=lengths, reverse=reverse)
    for example, length in enumerate(lengths.tolist()):
        alone, last = run(inputs[example : example + 1, :length], *parameters, reverse=reverse)
        np.testing.assert_allclose(outputs[example, :length], alone[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(final[0][example], last[0][0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_not_even_nan_in_the_padding_reaches_results_or_gradients(cell: str) -> None:
    run, parameters, inputs, _ = make_case(cell, 2, 5, 2, 4, 2)
    lengths = jnp.array([2, 5])
    spoiled = inputs.at[0, 2:].set(jnp.nan)

    def loss(parameters, inputs):
        outputs, final = run(inputs, *parameters, lengths=lengths)
        return (outputs**2).sum() + (final[0] ** 2).sum()

    compiled = jax.jit(jax.value_and_grad(loss))
    got, expected = compiled(parameters, spoiled), compiled(parameters, inputs)
    jax.tree.map(np.testing.assert_array_equal, got, expected)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_mask_is_for_the_state_that_enters_the_gates_alone(cell: str) -> None:
    run, parameters, inputs, initial = make_case(cell, 3, 5, 2, 4, 5)
    mask, lengths = jnp.asarray(np.random.default_rng(0).choice([0, 2], (3, 4)), jnp.float32), jnp.array([5, 3, 0])

    def loss(parameters, inputs, initial, own):
        if own:
            outputs, final = run(inputs, *parameters, lengths=lengths, initial=initial, recurrent_mask=mask)
        else:
            outputs, final = plain_scan(cell, parameters, inputs, lengths, False, initial, mask)
        return (outputs**2).sum() + sum(state.sum() for state in final)

    got, expected = (
        jax.jit(jax.value_and_grad(partial(loss, own=own), (0, 1, 2)))(parameters, inputs, initial)
        for own in (True, False)
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), got, expected)


@pytest.mark.slow
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_second_derivatives_equal_those_of_jax(cell: str) -> None:
    _, parameters, inputs, initial = make_case(cell, 2, 3, 2, 3, 3)
    lengths = jnp.array([3, 2])

    def penalty(recur, parameters):
        gradients = jax.grad(lambda p: (recur(p) ** 2).sum())(parameters)
        return sum((g**2).sum() for g in gradients)

    recurrences = [lambda p, f=f: f(cell, p, inputs, lengths, False, initial)[0] for f in (own, plain_scan)]
    got, expected = (jax.jit(jax.grad(partial(penalty, recur)))(parameters) for recur in recurrences)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4), got, expected)


@pytest.mark.slow
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_vmap_over_parameters_gives_what_one_call_after_the_other_gives(cell: str) -> None:
    run, parameters, inputs, _ = make_case(cell, 2, 3, 2, 3, 4)
    several = [jnp.stack([p, 0.5 * p]) for p in parameters]
    gradient = jax.jit(jax.grad(lambda p: (run(inputs, *p)[0] ** 2).sum()))
    got = jax.jit(jax.vmap(gradient))(several)
    for number in range(2):
        expected = gradient([p[number] for p in several])
        jax.tree.map(
            partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5),
            jax.tree.map(lambda g, n=number: g[n], got),
            expected,
        )


@pytest.mark.slow
@pytest.mark.parametrize("lengths", [None, [2, 6, 4]])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_both_directions_in_one_loop_equal_two_loops(cell: str, lengths: list[int] | None) -> None:
    run, forward, inputs, _ = make_case(cell, 3, 6, 2, 4, 7)
    backward = make_case(cell, 3, 6, 2, 4, 8)[1]
    known = None if lengths is None else jnp.array(lengths)
    counted = jnp.ones((3, 6, 1)) if known is None else (jnp.arange(6) < known[:, None])[..., None]

    def loss(run_both, weights, inputs):
        results = run_both(*weights, inputs)
        return sum((counted * jnp.cos(outputs)).sum() + (final[0] ** 2).sum() for outputs, final in results)

    def one_loop(ahead, back, inputs):
        return ops.bidirectional(run, inputs, ahead, back, lengths=known)

    def two_loops(ahead, back, inputs):
        return run(inputs, *ahead, lengths=known), run(inputs, *back, lengths=known, reverse=True)

    got, expected = (
        jax.jit(jax.value_and_grad(partial(loss, both), (0, 1)))((forward, backward), inputs)
        for both in (one_loop, two_loops)
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), got, expected)


@pytest.mark.slow
def test_remat_changes_nothing() -> None:
    run, parameters, inputs, _ = make_case("lstm", 2, 3, 2, 3, 5)
    loss = lambda p: (run(inputs, *p)[0] ** 2).sum()  # noqa: E731
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
        jax.grad(jax.checkpoint(loss))(parameters),
        jax.grad(loss)(parameters),
    )


def test_an_unknown_activation_is_named() -> None:
    _, parameters, inputs, _ = make_case("tanh", 1, 2, 2, 3, 0)
    with pytest.raises(ValueError, match="sine"):
        ops.simple_rnn(inputs, *parameters, activation="sine")
