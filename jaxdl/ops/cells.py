"""The elementwise parts of the recurrences, one step forwards and back, on arrays with batch last."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

State = tuple[jax.Array, ...]


@dataclasses.dataclass(frozen=True)
class Cell:
    """The elementwise part of a recurrence; a state is (units, batch), gates are (gates * units, batch).

    Where a gate is a sigmoid, its weights come halved: sigmoid(x) = (1 + tanh(x / 2)) / 2, so that one tanh serves all
    gates.

    Attributes:
        halved: for each gate whether its weights come halved.
        states: number of arrays in the state; the first is h.
        step: (state, inputs' share of the gates, that of h) to the next state and what `pullback` needs besides.
        pullback: (state before, state after, what was kept, gradient of the state after) to the gradients of the state
            before without the share that goes through the product, of the inputs' share, and of h's share, the last
            None where it equals the one before.
    """

    halved: tuple[bool, ...]
    states: int
    step: Callable[[State, jax.Array, jax.Array], tuple[State, Any]]
    pullback: Callable[[State, State, Any, State], tuple[State, jax.Array, jax.Array | None]]


def _tanh_step(state: State, p: jax.Array, q: jax.Array) -> tuple[State, None]:
    return (jnp.tanh(p + q),), None


def _tanh_pullback(before: State, after: State, kept: None, of_after: State) -> tuple[State, jax.Array, None]:
    return (jnp.zeros_like(before[0]),), of_after[0] * (1 - after[0] * after[0]), None


def _relu_step(state: State, p: jax.Array, q: jax.Array) -> tuple[State, None]:
    return (jax.nn.relu(p + q),), None


def _relu_pullback(before: State, after: State, kept: None, of_after: State) -> tuple[State, jax.Array, None]:
    return (jnp.zeros_like(before[0]),), jnp.where(after[0] > 0, of_after[0], 0), None


def _lstm_step(state: State, p: jax.Array, q: jax.Array) -> tuple[State, jax.Array]:
    gates = jnp.tanh(p + q)
    i, f, g, o = jnp.split(gates, 4)
    c = 0.5 * ((1 + f) * state[1] + (1 + i) * g)
    return (0.5 * (1 + o) * jnp.tanh(c), c), gates


def _lstm_pullback(before: State, after: State, gates: jax.Array, of_after: State) -> tuple[State, jax.Array, None]:
    of_h, of_c = of_after
    i, f, g, o = jnp.split(gates, 4)
    squashed = jnp.tanh(after[1])
    of_c = of_c + 0.5 * of_h * (1 + o) * (1 - squashed * squashed)
    of_gates = jnp.concatenate(
        [
            0.5 * of_c * g * (1 - i * i),
            0.5 * of_c * before[1] * (1 - f * f),
            0.5 * of_c * (1 + i) * (1 - g * g),
            0.5 * of_h * squashed * (1 - o * o),
        ]
    )
    return (jnp.zeros_like(of_h), 0.5 * of_c * (1 + f)), of_gates, None


def _gru_step(state: State, p: jax.Array, q: jax.Array) -> tuple[State, tuple[jax.Array, ...]]:
    (h,) = state
    units = h.shape[0]
    gates = jnp.tanh(p[: 2 * units] + q[: 2 * units])
    r, z = jnp.split(0.5 + 0.5 * gates, 2)
    candidate = q[2 * units :]
    n = jnp.tanh(p[2 * units :] + r * candidate)
    return (n + z * (h - n),), (gates, n, candidate)


def _gru_pullback(
    before: State, after: State, kept: tuple[jax.Array, ...], of_after: State
) -> tuple[State, jax.Array, jax.Array]:
    gates, n, candidate = kept
    ((h,), (of_h,)) = before, of_after
    tanh_r, tanh_z = jnp.split(gates, 2)
    r, z = 0.5 + 0.5 * tanh_r, 0.5 + 0.5 * tanh_z
    of_n = of_h * (1 - z) * (1 - n * n)
    of_r = 0.5 * of_n * candidate * (1 - tanh_r * tanh_r)
    of_z = 0.5 * of_h * (h - n) * (1 - tanh_z * tanh_z)
    return (of_h * z,), jnp.concatenate([of_r, of_z, of_n]), jnp.concatenate([of_r, of_z, of_n * r])


SIMPLE = {
    "tanh": Cell((False,), 1, _tanh_step, _tanh_pullback),
    "relu": Cell((False,), 1, _relu_step, _relu_pullback),
}
LSTM = Cell((True, True, False, True), 2, _lstm_step, _lstm_pullback)
GRU = Cell((True, True, False), 1, _gru_step, _gru_pullback)
