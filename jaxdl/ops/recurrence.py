"""Recurrent layers over whole sequences: simple, LSTM and GRU.

The product with the inputs is one matrix product for all steps, outside the recurrence. Backwards through LSTM and
GRU, the loop only makes the gradients of the gates and keeps them; the gradient of the recurrent kernel is then one
product over all steps, instead of one small product and one sum in each. The simple recurrence gains nothing by that
and has JAX's own gradient.

All functions share the rules for sequences of different lengths: a step at or beyond a sequence's length changes
nothing, so the state is carried through unchanged, whatever the inputs hold there; with `reverse` a sequence
therefore starts at its own last valid step. Forward-mode differentiation works for the simple recurrence only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

State = tuple[jax.Array, ...]


def simple_rnn(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array,
    *,
    activation: str = "tanh",
    lengths: jax.Array | None = None,
    reverse: bool = False,
    initial: State | None = None,
) -> tuple[jax.Array, State]:
    """Runs h' = activation(x W + h U + b) (Elman, "Finding structure in time", 1990).

    Args:
        inputs: (batch, time, features).
        kernel: W, (features, units).
        recurrent_kernel: U, (units, units).
        bias: b, (units,).
        activation: ``"tanh"`` or ``"relu"``.
        lengths: (batch,) integers, number of valid steps; None: all are valid.
        reverse: whether to run from the last valid step to the first.
        initial: (h,) before the first step, (batch, units); None: zeros.

    Returns:
        h after each step, (batch, time, units), in the order of the inputs; and the final state (h,).

    Raises:
        ValueError: `activation` is neither of the two.
    """
    if activation not in _SIMPLE:
        raise ValueError(f"activation={activation!r}: must be 'tanh' or 'relu'")
    return _run(_SIMPLE[activation], inputs, kernel, recurrent_kernel, bias, None, lengths, reverse, initial)


def lstm(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array,
    *,
    lengths: jax.Array | None = None,
    reverse: bool = False,
    initial: State | None = None,
) -> tuple[jax.Array, State]:
    """Runs a long short-term memory without peepholes (Hochreiter and Schmidhuber 1997; forget gate of Gers et al.
    2000).

    With i, f, g, o the four blocks of x W + h U + b: c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c').

    Args:
        inputs: (batch, time, features).
        kernel: W, (features, 4 * units), blocks i, f, g, o.
        recurrent_kernel: U, (units, 4 * units), blocks i, f, g, o.
        bias: b, (4 * units,), blocks i, f, g, o.
        lengths: (batch,) integers, number of valid steps; None: all are valid.
        reverse: whether to run from the last valid step to the first.
        initial: (h, c) before the first step, each (batch, units); None: zeros.

    Returns:
        h after each step, (batch, time, units), in the order of the inputs; and the final state (h, c).
    """
    return _run(_LSTM, inputs, kernel, recurrent_kernel, bias, None, lengths, reverse, initial)


def gru(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array,
    recurrent_bias: jax.Array,
    *,
    lengths: jax.Array | None = None,
    reverse: bool = False,
    initial: State | None = None,
) -> tuple[jax.Array, State]:
    """Runs a gated recurrent unit (Cho et al. 2014) in cuDNN's variant, reset after the product (``reset_after`` in
    Keras).

    With r, z, n the three blocks of p = x W + b and of q = h U + d: r = sigmoid(p_r + q_r), z = sigmoid(p_z + q_z),
    n = tanh(p_n + r q_n), h' = (1 - z) n + z h.

    Args:
        inputs: (batch, time, features).
        kernel: W, (features, 3 * units), blocks r, z, n.
        recurrent_kernel: U, (units, 3 * units), blocks r, z, n.
        bias: b, (3 * units,), blocks r, z, n.
        recurrent_bias: d, (3 * units,), blocks r, z, n.
        lengths: (batch,) integers, number of valid steps; None: all are valid.
        reverse: whether to run from the last valid step to the first.
        initial: (h,) before the first step, (batch, units); None: zeros.

    Returns:
        h after each step, (batch, time, units), in the order of the inputs; and the final state (h,).
    """
    return _run(_GRU, inputs, kernel, recurrent_kernel, bias, recurrent_bias, lengths, reverse, initial)


@dataclasses.dataclass(frozen=True)
class _Cell:
    """The elementwise part of a recurrence; `p` is the inputs' share of the gates at one step, `q` that of h.

    Attributes:
        states: number of arrays in the state; the first is h.
        step: (state, p, q) to the next state and what `pullback` needs.
        pullback: (what was kept, gradient of the next state) to the gradients of the state, of p and of q, the last
            None where it equals that of p; or None for JAX's own gradient of the loop.
    """

    states: int
    step: Callable[[State, jax.Array, jax.Array], tuple[State, Any]]
    pullback: Callable[[Any, State], tuple[State, jax.Array, jax.Array | None]] | None = None


def _run(
    cell: _Cell,
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array,
    recurrent_bias: jax.Array | None,
    lengths: jax.Array | None,
    reverse: bool,
    initial: State | None,
) -> tuple[jax.Array, State]:
    batch, time, _ = inputs.shape
    units = recurrent_kernel.shape[0]
    valid = None
    if lengths is not None:
        valid = jnp.arange(time)[:, None, None] < lengths[None, :, None]
        # Whatever stands in the padding, NaN included, must not reach the kernel's gradient as NaN times zero.
        inputs = jnp.where(jnp.swapaxes(valid, 0, 1), inputs, 0)
    projected = jnp.swapaxes(inputs, 0, 1) @ kernel + bias
    if initial is None:
        initial = (jnp.zeros((batch, units), projected.dtype),) * cell.states
    run = _loop if cell.pullback is None else _loop_with_pullback
    outputs, final = run(cell, reverse, _Arrays(projected, recurrent_kernel, recurrent_bias, initial, valid))
    return jnp.swapaxes(outputs, 0, 1), final


class _Arrays(NamedTuple):
    """What the loop over time works on.

    Attributes:
        projected: x W + b, (time, batch, gates * units).
        kernel: the recurrent kernel, (units, gates * units).
        bias: the recurrent bias, (gates * units,), or None.
        initial: the state before the first step.
        valid: (time, batch, 1) bool, or None where all steps are valid.
    """

    projected: jax.Array
    kernel: jax.Array
    bias: jax.Array | None
    initial: State
    valid: jax.Array | None


def _loop(cell: _Cell, reverse: bool, arrays: _Arrays) -> tuple[jax.Array, State]:
    """Returns h after each step, (time, batch, units), and the final state."""
    results, _ = _scan(cell, reverse, arrays, keep=False)
    return results


def _scan(cell: _Cell, reverse: bool, arrays: _Arrays, keep: bool) -> tuple[tuple[jax.Array, State], Any]:
    """Returns the results of the loop, and what the pullback needs of each step if it is to be kept."""

    def body(state: State, at_step: tuple[jax.Array, jax.Array | None]) -> tuple[State, tuple[jax.Array, Any]]:
        p, is_valid = at_step
        q = state[0] @ arrays.kernel
        following, kept = cell.step(state, p, q if arrays.bias is None else q + arrays.bias)
        following = _select(is_valid, following, state)
        return following, (following[0], kept if keep else None)

    final, (outputs, kept) = lax.scan(body, arrays.initial, (arrays.projected, arrays.valid), reverse=reverse)
    return (outputs, final), kept


def _select(condition: jax.Array | None, chosen: State, other: State) -> State:
    if condition is None:
        return chosen
    return tuple(jnp.where(condition, a, b) for a, b in zip(chosen, other, strict=True))


_loop_with_pullback = jax.custom_vjp(_loop, nondiff_argnums=(0, 1))


def _forward(cell: _Cell, reverse: bool, arrays: _Arrays) -> tuple[tuple[jax.Array, State], tuple]:
    results, kept = _scan(cell, reverse, arrays, keep=True)
    return results, (kept, results[0], *arrays[1:])


def _backward(cell: _Cell, reverse: bool, residuals: tuple, gradients: tuple[jax.Array, State]) -> tuple[_Arrays]:
    kept, outputs, kernel, bias, initial, valid = residuals
    of_outputs, of_final = gradients
    turned = kernel.T
    pullback: Callable = cell.pullback  # type: ignore[assignment]

    def body(of_state: State, at_step: tuple) -> tuple[State, tuple[jax.Array, jax.Array | None]]:
        of_output, kept_here, is_valid = at_step
        of_state = (of_state[0] + of_output, *of_state[1:])
        nothing = tuple(map(jnp.zeros_like, of_state))
        of_previous, of_p, of_q = pullback(kept_here, _select(is_valid, of_state, nothing))
        through_product = (of_p if of_q is None else of_q) @ turned
        of_previous = (of_previous[0] + through_product, *of_previous[1:])
        return _select(is_valid, of_previous, of_state), (of_p, of_q)

    of_initial, (of_p, of_q) = lax.scan(body, of_final, (of_outputs, kept, valid), reverse=not reverse)
    of_q = of_p if of_q is None else of_q
    first = initial[0][None]
    before = jnp.concatenate([outputs[1:], first] if reverse else [first, outputs[:-1]])
    of_kernel = jnp.einsum("tbu,tbg->ug", before, of_q)
    of_bias = None if bias is None else of_q.sum((0, 1))
    return (_Arrays(of_p, of_kernel, of_bias, of_initial, None),)


_loop_with_pullback.defvjp(_forward, _backward)


def _tanh_step(state: State, p: jax.Array, q: jax.Array) -> tuple[State, None]:
    return (jnp.tanh(p + q),), None


def _relu_step(state: State, p: jax.Array, q: jax.Array) -> tuple[State, None]:
    return (jax.nn.relu(p + q),), None


def _lstm_step(state: State, p: jax.Array, q: jax.Array) -> tuple[State, tuple[jax.Array, ...]]:
    c = state[1]
    # sigmoid(x) = (1 + tanh(x / 2)) / 2: one tanh over all four gates at once is cheaper than four separate passes.
    half, units = jnp.array(0.5, p.dtype), c.shape[-1]
    scale = jnp.repeat(jnp.array([0.5, 0.5, 1.0, 0.5], p.dtype), units)
    gates = jnp.tanh((p + q) * scale)
    i, f, g, o = jnp.split(gates, 4, -1)
    i, f, o = half + half * i, half + half * f, half + half * o
    following = f * c + i * g
    squashed = jnp.tanh(following)
    return (o * squashed, following), (i, f, g, o, c, squashed)


def _lstm_pullback(kept: tuple[jax.Array, ...], of_next: State) -> tuple[State, jax.Array, None]:
    i, f, g, o, c, squashed = kept
    of_h, of_c = of_next
    of_c = of_c + of_h * o * (1 - squashed * squashed)
    of_gates = jnp.concatenate(
        [of_c * g * i * (1 - i), of_c * c * f * (1 - f), of_c * i * (1 - g * g), of_h * squashed * o * (1 - o)], -1
    )
    return (jnp.zeros_like(of_h), of_c * f), of_gates, None


def _gru_step(state: State, p: jax.Array, q: jax.Array) -> tuple[State, tuple[jax.Array, ...]]:
    (h,) = state
    units = h.shape[-1]
    r, z = jnp.split(jax.nn.sigmoid(p[..., : 2 * units] + q[..., : 2 * units]), 2, -1)
    candidate = q[..., 2 * units :]
    n = jnp.tanh(p[..., 2 * units :] + r * candidate)
    return ((1 - z) * n + z * h,), (r, z, n, candidate, h)


def _gru_pullback(kept: tuple[jax.Array, ...], of_next: State) -> tuple[State, jax.Array, jax.Array]:
    r, z, n, candidate, h = kept
    (of_h,) = of_next
    of_n = of_h * (1 - z) * (1 - n * n)
    of_r = of_n * candidate * r * (1 - r)
    of_z = of_h * (h - n) * z * (1 - z)
    of_p = jnp.concatenate([of_r, of_z, of_n], -1)
    return (of_h * z,), of_p, jnp.concatenate([of_r, of_z, of_n * r], -1)


_SIMPLE = {"tanh": _Cell(1, _tanh_step), "relu": _Cell(1, _relu_step)}
_LSTM = _Cell(2, _lstm_step, _lstm_pullback)
_GRU = _Cell(1, _gru_step, _gru_pullback)
