"""An LSTM over whole sequences as plain loops: for platforms without native operations and derivatives of derivatives.

`jaxdl.ops.fused_lstm` computes the same, on the CPU and much faster; see there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Arrays(NamedTuple):
    """What a recurrence works on.

    Attributes:
        inputs: (batch, time, features).
        kernel: (directions, features, 4 * units), blocks i, f, g, o.
        recurrent: (directions, units, 4 * units).
        bias: (directions, 4 * units).
        h: before the first step, (batch, directions, units).
        c: the same for the cells.
        lengths: (batch,) int32, number of steps that change the state; None for gradients.
    """

    inputs: jax.Array
    kernel: jax.Array
    recurrent: jax.Array
    bias: jax.Array
    h: jax.Array
    c: jax.Array
    lengths: Any


class Kept(NamedTuple):
    """What a forward pass leaves for the backward pass.

    Attributes:
        outputs: h after each step, (batch, time, directions, units).
        gates: (batch, time, directions, 4 * units), blocks i, f, g, o.
        cells: c after each step, as `outputs`.
    """

    outputs: jax.Array
    gates: jax.Array
    cells: jax.Array


# Outputs, and h and c after the last step, (batch, directions, units).
Results = tuple[jax.Array, jax.Array, jax.Array]
# For each direction, whether it runs from the last step to the first.
Reverse = tuple[bool, ...]


def _before(first: jax.Array, states: jax.Array, is_reverse: bool) -> jax.Array:
    """Returns states (batch, time, units) before each step from those after it, and the one before the first."""
    if is_reverse:
        return jnp.concatenate([states[:, 1:], first[:, None]], 1)
    return jnp.concatenate([first[:, None], states[:, :-1]], 1)


def steps(reverse: Reverse, arrays: Arrays) -> tuple[Kept, jax.Array, jax.Array]:
    """Returns what a forward pass leaves, and h and c after the last step, (batch, directions, units)."""
    inputs, kernel, recurrent, bias, h, c, lengths = arrays

    def of_direction(number: int) -> tuple[Any, Any]:
        def step(state: Any, given: Any) -> tuple[Any, Any]:
            projected, t = given
            i, f, g, o = jnp.split(projected + state[0] @ recurrent[number], 4, -1)
            i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
            c = f * state[1] + i * g
            valid = (t < lengths)[:, None]
            state = jnp.where(valid, o * jnp.tanh(c), state[0]), jnp.where(valid, c, state[1])
            return state, (state[0], jnp.concatenate([i, f, g, o], -1), state[1])

        projected = (inputs @ kernel[number] + bias[number]).swapaxes(0, 1)
        given = projected, jnp.arange(len(projected))
        return lax.scan(step, (h[:, number], c[:, number]), given, reverse=reverse[number])

    states, stacks = zip(*map(of_direction, range(len(reverse))), strict=True)
    last_h, last_c = (jnp.stack(each, 1) for each in zip(*states, strict=True))
    kept = [jnp.stack(each, 2).swapaxes(0, 1) for each in zip(*stacks, strict=True)]
    return Kept(*kept), last_h, last_c


def gates_back(
    reverse: Reverse,
    recurrent: jax.Array,
    c: jax.Array,
    lengths: jax.Array,
    gates: jax.Array,
    cells: jax.Array,
    of_outputs: jax.Array,
    of_last_h: jax.Array,
    of_last_c: jax.Array,
) -> Results:
    def of_direction(number: int) -> tuple[Any, Any]:
        def step(of_state: Any, given: Any) -> tuple[Any, jax.Array]:
            of_output, gates, c, before, t = given
            i, f, g, o = jnp.split(gates, 4, -1)
            squashed, of_h = jnp.tanh(c), of_state[0] + of_output
            of_c = of_state[1] + of_h * o * (1 - squashed * squashed)
            ways = [of_c * g * i * (1 - i), of_c * before * f * (1 - f), of_c * i * (1 - g * g)]
            valid = (t < lengths)[:, None]
            here = jnp.where(valid, jnp.concatenate([*ways, of_h * squashed * o * (1 - o)], -1), 0)
            of_before = jnp.where(valid, here @ recurrent[number].T, of_h)
            return (of_before, jnp.where(valid, of_c * f, of_state[1])), here

        before = _before(c[:, number], cells[:, :, number], reverse[number])
        stacks = [each.swapaxes(0, 1) for each in (of_outputs[:, :, number], gates[:, :, number], cells[:, :, number])]
        given = *stacks, before.swapaxes(0, 1), jnp.arange(len(stacks[0]))
        return lax.scan(step, (of_last_h[:, number], of_last_c[:, number]), given, reverse=not reverse[number])

    states, of_gates = zip(*map(of_direction, range(len(reverse))), strict=True)
    of_h, of_c = (jnp.stack(each, 1) for each in zip(*states, strict=True))
    return jnp.stack(of_gates, 2).swapaxes(0, 1), of_h, of_c


def weights_back(reverse: Reverse, inputs: jax.Array, h: jax.Array, outputs: jax.Array, of_gates: jax.Array) -> Results:
    before = jnp.stack([_before(h[:, n], outputs[:, :, n], each) for n, each in enumerate(reverse)], 2)
    of_kernel = jnp.einsum("btx,btdg->dxg", inputs, of_gates)
    return of_kernel, jnp.einsum("btdu,btdg->dug", before, of_gates), of_gates.sum((0, 1))
