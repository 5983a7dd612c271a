"""Recurrent layers over whole sequences: simple, LSTM and GRU.

All functions treat sequences of different lengths alike: a step at or beyond a sequence's length does not change the
state, whatever the inputs are there. With `reverse`, a sequence therefore starts at its own last valid step.
Forward-mode differentiation does not work.

`jaxdl.ops.time_loop` explains why they are fast, and `jaxdl.ops.fused_lstm` how the CPU computes an LSTM natively.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from jaxdl.ops import fused_lstm, plain_lstm
from jaxdl.ops.cells import GRU, LSTM, SIMPLE, Cell, State
from jaxdl.ops.time_loop import Arrays, loop


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
    recurrent_mask: jax.Array | None = None,
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
        recurrent_mask: (batch, units), multiplies h where it enters the gates, at every step; None: nothing does.

    Returns:
        h after each step, (batch, time, units), in the order of the inputs; and the final state (h,).

    Raises:
        ValueError: `activation` is unknown.
    """
    if activation not in SIMPLE:
        raise ValueError(f"activation={activation!r}: must be 'tanh' or 'relu'")
    return _run(
        SIMPLE[activation], inputs, kernel, recurrent_kernel, bias, None, lengths, reverse, initial, recurrent_mask
    )


def lstm(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array,
    *,
    lengths: jax.Array | None = None,
    reverse: bool = False,
    initial: State | None = None,
    recurrent_mask: jax.Array | None = None,
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
        recurrent_mask: (batch, units), multiplies h where it enters the gates, at every step; None: nothing does.

    Returns:
        h after each step, (batch, time, units), in the order of the inputs; and the final state (h, c).
    """
    weights = (kernel, recurrent_kernel, bias)
    if recurrent_mask is None and fused_lstm.takes(inputs, weights, *(initial or ())):
        return _fused(inputs, [weights], (reverse,), lengths, initial)[0]
    return _run(LSTM, inputs, kernel, recurrent_kernel, bias, None, lengths, reverse, initial, recurrent_mask)


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
    recurrent_mask: jax.Array | None = None,
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
        recurrent_mask: (batch, units), multiplies h where it enters the gates, at every step; None: nothing does.

    Returns:
        h after each step, (batch, time, units), in the order of the inputs; and the final state (h,).
    """
    return _run(GRU, inputs, kernel, recurrent_kernel, bias, recurrent_bias, lengths, reverse, initial, recurrent_mask)


def gru_reset_before(
    inputs: jax.Array,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array,
    *,
    lengths: jax.Array | None = None,
    reverse: bool = False,
    initial: State | None = None,
    recurrent_mask: jax.Array | None = None,
) -> tuple[jax.Array, State]:
    """Runs a gated recurrent unit as first published (Cho et al. 2014, arXiv:1406.1078v3): reset before the product.

    As `gru`, but with n = tanh(p_n + (r h) U_n) and without d. Its step has two products, one after the other, so that
    it is a plain scan, which takes longer. (``reset_after=False`` in Keras.)

    Args:
        inputs: (batch, time, features).
        kernel: W, (features, 3 * units), blocks r, z, n.
        recurrent_kernel: U, (units, 3 * units), blocks r, z, n.
        bias: b, (3 * units,), blocks r, z, n.
        lengths: (batch,) integers, number of valid steps; None: all are valid.
        reverse: whether to run from the last valid step to the first.
        initial: (h,) before the first step, (batch, units); None: zeros.
        recurrent_mask: (batch, units), multiplies h where it enters the gates, at every step; None: nothing does.

    Returns:
        h after each step, (batch, time, units), in the order of the inputs; and the final state (h,).
    """
    batch, time, _ = inputs.shape
    units = recurrent_kernel.shape[0]
    valid = jnp.ones((batch, time), bool) if lengths is None else jnp.arange(time)[None] < lengths[:, None]
    projected = jnp.where(valid[:, :, None], inputs, 0) @ kernel + bias
    of_gates, of_candidate = recurrent_kernel[:, : 2 * units], recurrent_kernel[:, 2 * units :]

    def step(h: jax.Array, given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        p, is_valid = given
        entering = h if recurrent_mask is None else recurrent_mask.astype(h.dtype) * h
        gates = p[:, : 2 * units] + entering @ of_gates
        r, z = jnp.split(jax.nn.sigmoid(gates), 2, -1)
        n = jnp.tanh(p[:, 2 * units :] + (r * entering) @ of_candidate)
        after = jnp.where(is_valid[:, None], (1 - z) * n + z * h, h)
        return after, after

    first = jnp.zeros((batch, units), projected.dtype) if initial is None else initial[0]
    final, outputs = jax.lax.scan(step, first, (projected.swapaxes(0, 1), valid.T), reverse=reverse)
    return outputs.swapaxes(0, 1), (final,)


def bidirectional(
    run: Callable[..., tuple[jax.Array, State]],
    inputs: jax.Array,
    forward: Sequence[jax.Array],
    backward: Sequence[jax.Array],
    *,
    lengths: jax.Array | None = None,
    recurrent_masks: tuple[jax.Array, jax.Array] | None = None,
) -> tuple[tuple[jax.Array, State], tuple[jax.Array, State]]:
    """Runs one recurrence forward in time and another one backward, together in one loop.

    The result at valid steps equals ``run(inputs, *forward, lengths=lengths)`` and ``run(inputs, *backward,
    lengths=lengths, reverse=True)`` up to rounding; on the CPU, half as many steps of twice the size take 0.9 to 1
    times the time.

    Args:
        run: `lstm`, `gru`, `gru_reset_before` or `simple_rnn`.
        inputs: (batch, time, features).
        forward: the weights of the first, in the order of the arguments of `run`.
        backward: the weights of the second, of the same shapes.
        lengths: (batch,) integers, number of valid steps; None: all are valid.
        recurrent_masks: that of each of the two, see `lstm`; None: there are none.

    Returns:
        The results of the two calls.
    """
    if run is lstm and recurrent_masks is None and fused_lstm.takes(inputs, forward, *backward):
        ahead, back = _fused(inputs, [forward, backward], (False, True), lengths)
        return ahead, back
    both = jnp.stack([inputs, _turned(inputs, lengths)])
    weights = [jnp.stack(pair) for pair in zip(forward, backward, strict=True)]
    given = {} if recurrent_masks is None else {"recurrent_mask": jnp.stack(recurrent_masks)}
    outputs, final = jax.vmap(lambda x, w, masks: run(x, *w, lengths=lengths, **masks))(both, weights, given)
    of_ahead, of_back = (tuple(state[direction] for state in final) for direction in (0, 1))
    return (outputs[0], of_ahead), (_turned(outputs[1], lengths), of_back)


def _fused(
    inputs: jax.Array,
    weights: Sequence[Sequence[jax.Array]],
    reverse: tuple[bool, ...],
    lengths: jax.Array | None,
    initial: State | None = None,
) -> list[tuple[jax.Array, State]]:
    """Returns the results of `lstm` for one or two directions, computed by one native operation."""
    batch, time, _ = inputs.shape
    if lengths is None:
        lengths = jnp.full(batch, time, jnp.int32)
    else:
        inputs = jnp.where(jnp.arange(time)[None, :, None] < lengths[:, None, None], inputs, 0)
    kernel, recurrent, bias = (jnp.stack(each) for each in zip(*weights, strict=True))
    zeros = jnp.zeros((batch, *recurrent.shape[:2]), recurrent.dtype)
    h, c = (zeros, zeros) if initial is None else (state[:, None] for state in initial)
    arrays = plain_lstm.Arrays(inputs, kernel, recurrent, bias, h, c, lengths.astype(jnp.int32))
    outputs, h, c = fused_lstm.run(reverse, arrays)
    return [(outputs[:, :, number], (h[:, number], c[:, number])) for number in range(len(weights))]


def _turned(sequences: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Reverses the valid steps of (batch, time, ...); each later step repeats the last valid one."""
    if lengths is None:
        return sequences[:, ::-1]
    places = jnp.maximum(lengths[:, None] - 1 - jnp.arange(sequences.shape[1])[None], 0)
    return jnp.take_along_axis(sequences, places[:, :, None], 1)


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
    recurrent_mask: jax.Array | None,
) -> tuple[jax.Array, State]:
    batch, time, _ = inputs.shape
    units = recurrent_kernel.shape[0]
    inputs = inputs.transpose(2, 1, 0)
    valid = None
    if lengths is not None:
        valid = jnp.arange(time)[None, :, None] < lengths[None, None, :]
        # Values in the padding, such as NaN, must not reach the kernel's gradient as NaN times zero.
        inputs = jnp.where(valid, inputs, 0)
    if initial is None:
        initial = (jnp.zeros((batch, units), jnp.result_type(inputs, kernel)),) * cell.states
    if time == 0:
        return jnp.zeros((batch, 0, units), initial[0].dtype), initial
    factors = jnp.repeat(jnp.array([0.5 if halved else 1.0 for halved in cell.halved], kernel.dtype), units)
    arrays = Arrays(
        inputs,
        (kernel * factors[None]).T,
        (recurrent_kernel * factors[None]).T,
        (bias * factors)[:, None],
        None if recurrent_bias is None else (recurrent_bias * factors)[:, None],
        tuple(state.T for state in initial),
        valid,
        None if recurrent_mask is None else recurrent_mask.astype(kernel.dtype).T,
    )
    outputs, final = loop(cell, reverse, arrays)
    return outputs.transpose(2, 1, 0), tuple(state.T for state in final)
