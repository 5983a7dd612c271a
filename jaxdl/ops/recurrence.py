"""Recurrent layers over whole sequences: simple, LSTM and GRU.

The product with the inputs is one matrix product for all steps, outside the recurrence. Backwards, the loop only makes
the gradients of the gates and keeps them; the gradients of both kernels and of the bias are then one product over all
steps, instead of three small ones and their sums in each.

Inside, batch is the last axis: a gate is then a contiguous block of rows, so that taking gates apart and putting their
gradients together copies whole blocks, and both products of a step are in the one layout that XLA's CPU backend runs
fastest. On the CPU a train step of the LSTM takes 0.6 to 0.85 of what it takes with batch first.

All functions share the rules for sequences of different lengths: a step at or beyond a sequence's length changes
nothing, so the state is carried through unchanged, whatever the inputs hold there; with `reverse` a sequence
therefore starts at its own last valid step. Forward-mode differentiation does not work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.ops.cells import GRU, LSTM, SIMPLE, Cell, State

_LONG = 64


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
    if activation not in SIMPLE:
        raise ValueError(f"activation={activation!r}: must be 'tanh' or 'relu'")
    return _run(SIMPLE[activation], inputs, kernel, recurrent_kernel, bias, None, lengths, reverse, initial)


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
    return _run(LSTM, inputs, kernel, recurrent_kernel, bias, None, lengths, reverse, initial)


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
    return _run(GRU, inputs, kernel, recurrent_kernel, bias, recurrent_bias, lengths, reverse, initial)


def bidirectional(
    run: Callable[..., tuple[jax.Array, State]],
    inputs: jax.Array,
    forward: Sequence[jax.Array],
    backward: Sequence[jax.Array],
    *,
    lengths: jax.Array | None = None,
) -> tuple[tuple[jax.Array, State], tuple[jax.Array, State]]:
    """Runs one recurrence from the first step to the last and another one back, side by side in one loop.

    At the valid steps equals ``run(inputs, *forward, lengths=lengths)`` and ``run(inputs, *backward, lengths=lengths,
    reverse=True)`` up to rounding; half the steps of twice the size take about 0.8 of the time on the CPU.

    Args:
        run: `lstm`, `gru` or `simple_rnn`.
        inputs: (batch, time, features).
        forward: the weights of the first, in the order of its arguments.
        backward: those of the second, of the same shapes.
        lengths: (batch,) integers, number of valid steps; None: all are valid.

    Returns:
        What each of the two calls returns.
    """
    both = jnp.stack([inputs, _turned(inputs, lengths)])
    weights = [jnp.stack(pair) for pair in zip(forward, backward, strict=True)]
    outputs, final = jax.vmap(lambda x, w: run(x, *w, lengths=lengths))(both, weights)
    ahead, back = (tuple(state[direction] for state in final) for direction in (0, 1))
    return (outputs[0], ahead), (_turned(outputs[1], lengths), back)


def _turned(sequences: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Turns the valid steps of (batch, time, ...) around; past them each step repeats the one that is valid last."""
    if lengths is None:
        return sequences[:, ::-1]
    places = jnp.maximum(lengths[:, None] - 1 - jnp.arange(sequences.shape[1]), 0)
    return jnp.take_along_axis(sequences, places[:, :, None], 1)


class _Arrays(NamedTuple):
    """What a recurrence works on, sizes of gates joined: ``gates * units``.

    Attributes:
        inputs: (features, time, batch).
        kernel: (gates * units, features).
        recurrent_kernel: (gates * units, units).
        bias: (gates * units, 1).
        recurrent_bias: (gates * units, 1), or None.
        initial: the state before the first step, each (units, batch).
        valid: (time, 1, batch) bool, or None where all steps are valid.
    """

    inputs: jax.Array
    kernel: jax.Array
    recurrent_kernel: jax.Array
    bias: jax.Array
    recurrent_bias: jax.Array | None
    initial: State
    valid: jax.Array | None


def _run(
    cell: Cell,
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
    inputs = inputs.transpose(2, 1, 0)
    valid = None
    if lengths is not None:
        valid = jnp.arange(time)[:, None, None] < lengths[None, None, :]
        # Whatever stands in the padding, NaN included, must not reach the kernel's gradient as NaN times zero.
        inputs = jnp.where(valid[:, 0], inputs, 0)
    if initial is None:
        initial = (jnp.zeros((batch, units), jnp.result_type(inputs, kernel)),) * cell.states
    factors = jnp.repeat(jnp.array([0.5 if halved else 1.0 for halved in cell.halved], kernel.dtype), units)
    arrays = _Arrays(
        inputs,
        (kernel * factors).T,
        (recurrent_kernel * factors).T,
        (bias * factors)[:, None],
        None if recurrent_bias is None else (recurrent_bias * factors)[:, None],
        tuple(state.T for state in initial),
        valid,
    )
    outputs, final = _loop(cell, reverse, arrays)
    return outputs.transpose(2, 0, 1), tuple(state.T for state in final)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _loop(cell: Cell, reverse: bool, arrays: _Arrays) -> tuple[jax.Array, State]:
    """Returns h after each step, (time, units, batch), and the final state."""
    states, final, _ = _scan(cell, reverse, arrays)
    return states[0], final


def _scan(cell: Cell, reverse: bool, arrays: _Arrays) -> tuple[State, State, Any]:
    """Returns the states after each step, the final state, and what the pullback needs of each step besides."""
    time = arrays.inputs.shape[1]
    projected = jnp.tensordot(arrays.kernel, arrays.inputs, 1)

    def body(state: State, at_step: tuple[jax.Array, jax.Array | None]) -> tuple[State, tuple[State, Any]]:
        number, is_valid = at_step
        p = lax.dynamic_index_in_dim(projected, number, 1, keepdims=False) + arrays.bias
        q = arrays.recurrent_kernel @ state[0]
        following, kept = cell.step(state, p, q if arrays.recurrent_bias is None else q + arrays.recurrent_bias)
        following = _select(is_valid, following, state)
        return following, (following, kept)

    steps = (jnp.arange(time), arrays.valid)
    final, (states, kept) = lax.scan(body, arrays.initial, steps, reverse=reverse, unroll=_unroll(time))
    return states, final, kept


def _unroll(time: int) -> int:
    """Two steps to an iteration save some of the loop's own cost; for short sequences there is nothing to save."""
    return 2 if time >= _LONG else 1


def _select(condition: jax.Array | None, chosen: State, other: State) -> State:
    if condition is None:
        return chosen
    return tuple(jnp.where(condition, a, b) for a, b in zip(chosen, other, strict=True))


def _forward(cell: Cell, reverse: bool, arrays: _Arrays) -> tuple[tuple[jax.Array, State], tuple]:
    states, final, kept = _scan(cell, reverse, arrays)
    return (states[0], final), (arrays, states, kept)


def _backward(cell: Cell, reverse: bool, residuals: tuple, gradients: tuple[jax.Array, State]) -> tuple[_Arrays]:
    arrays, after, kept = residuals
    of_outputs, of_final = gradients
    before = tuple(_shifted(states, first, reverse) for states, first in zip(after, arrays.initial, strict=True))
    turned = arrays.recurrent_kernel.T

    def body(of_state: State, at_step: tuple) -> tuple[State, tuple[jax.Array, jax.Array | None]]:
        of_output, before_here, after_here, kept_here, is_valid = at_step
        of_state = (of_state[0] + of_output, *of_state[1:])
        counted = _select(is_valid, of_state, tuple(map(jnp.zeros_like, of_state)))
        of_before, of_p, of_q = cell.pullback(before_here, after_here, kept_here, counted)
        through_product = turned @ (of_p if of_q is None else of_q)
        of_before = (of_before[0] + through_product, *of_before[1:])
        return _select(is_valid, of_before, of_state), (of_p, of_q)

    steps = (of_outputs, before, after, kept, arrays.valid)
    of_initial, (of_p, of_q) = lax.scan(body, of_final, steps, reverse=not reverse, unroll=_unroll(len(of_outputs)))
    return (_of_arrays(arrays, before[0], of_p, of_q, of_initial),)


def _shifted(states: jax.Array, first: jax.Array, reverse: bool) -> jax.Array:
    """The state before each step from those after each."""
    return jnp.concatenate([states[1:], first[None]] if reverse else [first[None], states[:-1]])


def _of_arrays(
    arrays: _Arrays, before: jax.Array, of_p: jax.Array, of_q: jax.Array | None, of_initial: State
) -> _Arrays:
    """Forms the gradients of weights and inputs from those of the gates, (time, gates * units, batch).

    A row of ones beside the inputs makes the bias's gradient part of the product.
    """
    units = before.shape[1]
    ones = jnp.ones_like(before[:, :1])
    inputs = arrays.inputs.transpose(1, 0, 2)
    of_p = of_p.transpose(1, 0, 2)
    of_recurrent_bias = None
    if of_q is None:
        both = _over_steps(of_p, [before, inputs, ones])
        of_recurrent, of_kernel, of_bias = both[:, :units], both[:, units:-1], both[:, -1:]
    else:
        of_p_weights = _over_steps(of_p, [inputs, ones])
        of_q_weights = _over_steps(of_q.transpose(1, 0, 2), [before, ones])
        of_kernel, of_bias = of_p_weights[:, :-1], of_p_weights[:, -1:]
        of_recurrent, of_recurrent_bias = of_q_weights[:, :-1], of_q_weights[:, -1:]
    of_inputs = jnp.tensordot(arrays.kernel.T, of_p, 1)
    return _Arrays(of_inputs, of_kernel, of_recurrent, of_bias, of_recurrent_bias, of_initial, None)


def _over_steps(gates: jax.Array, rows: list[jax.Array]) -> jax.Array:
    """The product of (gates * units, time, batch) with arrays of (time, rows, batch), over time and batch."""
    return jnp.tensordot(gates, jnp.concatenate(rows, 1).transpose(0, 2, 1), 2)


_loop.defvjp(_forward, _backward)
