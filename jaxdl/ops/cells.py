"""The elementwise parts of the recurrences: one step forwards, and the factors for its backward pass.

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
    """The factors that a step multiplies gradients by in the backward pass, which is elementwise and linear in them.

    Attributes:
        gates: (gates * units, batch); block k times the gradient of the state's array ``sources[k]`` is the gradient of
            gate k, at the input from h.
        apart: (units, batch); times the gradient of h, this is the gradient of the last gate at its input from the
            inputs, for a cell in which it differs from the one at the input from h.
        joined: (units, batch); times the gradient of h, this is added to the gradient of c.
        through_h: (units, batch); the factor with which h passes on its gradient, in addition to the matrix product;
            None: not at all.
        through_c: (units, batch); the same factor for c.
    """

    gates: jax.Array
    apart: jax.Array | None = None
    joined: jax.Array | None = None
    through_h: jax.Array | None = None
    through_c: jax.Array | None = None

    def where(self, is_valid: jax.Array | None) -> Factors:
        """The factors of a step that changes nothing where `valid` (1, batch) is False; None: valid everywhere."""
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

    If a gate is a sigmoid, its weights are given halved: sigmoid(x) = (1 + tanh(x / 2)) / 2, so that one tanh serves
    all gates.

    Attributes:
        halved: for each gate, whether its weights are given halved.
        parts: the number of gates in each part of the inputs' product, as `step` takes it.
        states: number of arrays in the state; the first is h.
        sources: for each gate, the array of the state after the step from which its gradient comes.
        step: from (state, the inputs' product in parts, the product with h) to the next state and extra values for
            `factors`.
        factors: from (state before, state after, the extra values of `step`) to the factors.
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
