"""The elementwise parts of the recurrences: one step forwards, and the factors by which it passes gradients back.

All arrays have batch last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

State = tuple[jax.Array, ...]
Parts = tuple[jax.Array, ...]


class Factors(NamedTuple):
    """What a step multiplies gradients by on the way back: elementwise it is linear in them.

    Attributes:
        gates: (gates * units, batch); block k times the gradient of the state's array ``sources[k]`` is that of gate k,
            where h enters it.
        apart: (units, batch); times the gradient of h, that of the last gate where the inputs enter it, for a cell
            where it is another one there.
        joined: (units, batch); what the gradient of h adds, times this, to that of c.
        through_h: (units, batch); the share of its gradient that h passes on beside the product; None: nothing.
        through_c: (units, batch); that of c.
    """

    gates: jax.Array
    apart: jax.Array | None = None
    joined: jax.Array | None = None
    through_h: jax.Array | None = None
    through_c: jax.Array | None = None

    def where(self, is_valid: jax.Array | None) -> Factors:
        """Those of a step that changes nothing where it is not valid, (1, batch); None: it is valid everywhere."""
        if is_valid is None:
            return self
        through_h = jnp.zeros_like(self.gates[:1]) if self.through_h is None else self.through_h
        return Factors(
            jnp.where(is_valid, self.gates, 0),
            None if self.apart is None else jnp.where(is_valid, self.apart, 0),
            None if self.joined is None else jnp.where(is_valid, self.joined, 0),
            jnp.where(is_valid, through_h, 1),
            None if self.through_c is None else jnp.where(is_valid, self.through_c, 1),
        )


@dataclasses.dataclass(frozen=True)
class Cell:
    """The elementwise part of a recurrence; a state is (units, batch), gates are (gates * units, batch).

    Where a gate is a sigmoid, its weights come halved: sigmoid(x) = (1 + tanh(x / 2)) / 2, so that one tanh serves all
    gates.

    Attributes:
        halved: for each gate whether its weights come halved.
        parts: into how many gates each the inputs' share comes divided, as `step` uses it.
        states: number of arrays in the state; the first is h.
        sources: for each gate the array of the state after the step that its gradient comes from.
        step: (state, inputs' share of the gates in parts, that of h) to the next state and what `factors` needs more.
        factors: (state before, state after, what `step` gave more) to the factors.
    """

    halved: tuple[bool, ...]
    parts: tuple[int, ...]
    states: int
    sources: tuple[int, ...]
    step: Callable[[State, Parts, jax.Array], tuple[State, Any]]
    factors: Callable[[State, State, Any], Factors]


def _tanh_step(state: State, p: Parts, q: jax.Array) -> tuple[State, None]:
    return (jnp.tanh(p[0] + q),), None


def _tanh_factors(before: State, after: State, inner: None) -> Factors:
    return Factors(1 - after[0] * after[0])


def _relu_step(state: State, p: Parts, q: jax.Array) -> tuple[State, None]:
    return (jax.nn.relu(p[0] + q),), None


def _relu_factors(before: State, after: State, inner: None) -> Factors:
    return Factors((after[0] > 0).astype(after[0].dtype))


def _lstm_step(state: State, p: Parts, q: jax.Array) -> tuple[State, tuple[jax.Array, jax.Array]]:
    gates = jnp.tanh(p[0] + q)
    i, f, g, o = jnp.split(gates, 4)
    c = 0.5 * ((1 + f) * state[1] + (1 + i) * g)
    squashed = jnp.tanh(c)
    return (0.5 * (1 + o) * squashed, c), (gates, squashed)


def _lstm_factors(before: State, after: State, inner: tuple[jax.Array, jax.Array]) -> Factors:
    gates, squashed = inner
    i, f, g, o = jnp.split(gates, 4)
    of_gates = [
        0.5 * g * (1 - i * i),
        0.5 * before[1] * (1 - f * f),
        0.5 * (1 + i) * (1 - g * g),
        0.5 * squashed * (1 - o * o),
    ]
    joined = 0.5 * (1 + o) * (1 - squashed * squashed)
    return Factors(jnp.concatenate(of_gates), joined=joined, through_c=0.5 * (1 + f))


def _gru_step(state: State, p: Parts, q: jax.Array) -> tuple[State, tuple[jax.Array, ...]]:
    (h,) = state
    q_r, q_z, candidate = jnp.split(q, 3)
    tanh_r, tanh_z = jnp.tanh(p[0] + q_r), jnp.tanh(p[1] + q_z)
    n = jnp.tanh(p[2] + (0.5 + 0.5 * tanh_r) * candidate)
    return (h + (0.5 - 0.5 * tanh_z) * (n - h),), (tanh_r, tanh_z, n, candidate)


def _gru_factors(before: State, after: State, inner: tuple[jax.Array, ...]) -> Factors:
    tanh_r, tanh_z, n, candidate = inner
    (h,) = before
    r, z = 0.5 + 0.5 * tanh_r, 0.5 + 0.5 * tanh_z
    of_n = (1 - z) * (1 - n * n)
    of_r = 0.5 * of_n * candidate * (1 - tanh_r * tanh_r)
    of_z = 0.5 * (h - n) * (1 - tanh_z * tanh_z)
    return Factors(jnp.concatenate([of_r, of_z, of_n * r]), apart=of_n, through_h=z)


SIMPLE = {
    "tanh": Cell((False,), (1,), 1, (0,), _tanh_step, _tanh_factors),
    "relu": Cell((False,), (1,), 1, (0,), _relu_step, _relu_factors),
}
LSTM = Cell((True, True, False, True), (4,), 2, (1, 1, 1, 0), _lstm_step, _lstm_factors)
GRU = Cell((True, True, False), (1, 1, 1), 1, (0, 0, 0), _gru_step, _gru_factors)
