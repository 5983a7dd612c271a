"""The loop over time that all recurrences run in, and its gradient.

The product with the inputs is one matrix product for all steps, outside the recurrence. In the forward pass, each step
stores its factors for the backward pass in the memory of that product. In the backward pass, it multiplies by them and
stores the gradients of its gates there. The gradients of both kernels and of the bias are then one product over all
steps, instead of three small products and their sums in each step. A backward step is therefore one elementwise
operation, one product and one sum.

Inside, batch is the last axis: a gate is then a contiguous block of rows, so that splitting gates and joining their
gradients copies whole blocks, and both products of a step are in the layout that XLA's CPU backend runs fastest.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.ops.cells import Cell, Factors, State


class Arrays(NamedTuple):
    """The arrays of a recurrence, with all gates in one axis: ``gates * units``.

    Attributes:
        inputs: (features, time, batch).
        kernel: (gates * units, features).
        recurrent_kernel: (gates * units, units).
        bias: (gates * units, 1).
        recurrent_bias: (gates * units, 1), or None.
        initial: the state before the first step, each (units, batch).
        valid: (1, time, batch) bool, or None if all steps are valid.
        mask: (units, batch), by which h is multiplied where it enters the gates; or None.
    """

    inputs: jax.Array
    kernel: jax.Array
    recurrent_kernel: jax.Array
    bias: jax.Array
    recurrent_bias: jax.Array | None
    initial: State
    valid: jax.Array | None
    mask: jax.Array | None = None


# What the backward pass needs: what the recurrence worked on, h before the first step and after each, and the factors.
_Residuals = tuple[Arrays, jax.Array, Factors]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def loop(cell: Cell, reverse: bool, arrays: Arrays) -> tuple[jax.Array, State]:
    """Returns h after each step, (units, time, batch), and the final state."""
    history, final, _ = _steps(cell, reverse, arrays, keep=False)
    return _after(history, reverse), final


def _steps(cell: Cell, reverse: bool, arrays: Arrays, *, keep: bool) -> tuple[jax.Array, State, Factors]:
    """Runs all steps.

    Returns:
        h before the first step and after each, (units, time + 1, batch), in the order of time; the final state; and the
        factors of all steps, (..., time, batch), if requested.
    """
    units, time, batch = len(arrays.initial[0]), *arrays.inputs.shape[1:]
    first, _, move = _course(time, reverse)
    projected = jnp.tensordot(arrays.kernel, arrays.inputs, 1)
    history = jnp.zeros((units, time + 1, batch), arrays.initial[0].dtype)
    history = _put(history, arrays.initial[0], time if reverse else 0)

    def step(t: Any, state: State, projected: jax.Array) -> tuple[State, Factors]:
        starts = [sum(cell.parts[:n]) * units for n in range(len(cell.parts))]
        p = tuple(
            _rows_at(projected, t, start, count * units) + arrays.bias[start : start + count * units]
            for start, count in zip(starts, cell.parts, strict=True)
        )
        q = arrays.recurrent_kernel @ (state[0] if arrays.mask is None else arrays.mask * state[0])
        following, inner = cell.step(state, p, q if arrays.recurrent_bias is None else q + arrays.recurrent_bias)
        is_valid = None if arrays.valid is None else _at(arrays.valid, t)
        factors = cell.factors(state, following, inner).where(is_valid)
        if is_valid is not None:
            following = tuple(jnp.where(is_valid, new, old) for new, old in zip(following, state, strict=True))
        return following, factors

    def body(carry: tuple[Any, State, jax.Array, Factors], _: Any) -> tuple[Any, None]:
        t, state, history, kept = carry
        state, factors = step(t, state, kept.gates)
        if keep:
            kept = jax.tree.map(lambda stack, value: _put(stack, value, t), kept, factors)
        history = _put(history, state[0], t if reverse else t + 1)
        return (t + move, state, history, kept), None

    kept = Factors(projected)
    if keep:
        shapes = jax.eval_shape(lambda: step(first, arrays.initial, projected)[1])
        kept = jax.tree.map(lambda shape: jnp.zeros((len(shape), time, batch), shape.dtype), shapes)
        # The memory of the product is reused: a step's part of it is not needed later.
        kept = kept._replace(gates=projected)
    carry = (jnp.int32(first), arrays.initial, history, kept)
    # A length must be a number: an exported program, which does not know it, counts something of that length.
    counted = None if isinstance(time, int) else jnp.arange(time)
    (_, final, history, kept), _ = lax.scan(body, carry, counted, length=time if counted is None else None)
    return history, final, kept


def _course(time: int, reverse: bool) -> tuple[int, int, int]:
    """Returns the first step to run, the last, and the difference between one step and the next."""
    return (time - 1, 0, -1) if reverse else (0, time - 1, 1)


def _at(stack: jax.Array, t: Any) -> jax.Array:
    """The part of a stack (rows, time, batch) for one step."""
    return _rows_at(stack, t, 0, len(stack))


def _rows_at(stack: jax.Array, t: Any, first: int, count: int) -> jax.Array:
    sizes = (count, 1, stack.shape[2])
    return lax.dynamic_slice(stack, _place(first, t), sizes, allow_negative_indices=False)[:, 0]


def _put(stack: jax.Array, value: jax.Array, t: Any) -> jax.Array:
    value = value[:, None].astype(stack.dtype)
    return lax.dynamic_update_slice(stack, value, _place(0, t), allow_negative_indices=False)


def _place(row: int, t: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The place in a stack as int32, whatever the default integer is: all of its indices need the same dtype."""
    return jnp.int32(row), jnp.int32(t), jnp.int32(0)


def _after(history: jax.Array, reverse: bool) -> jax.Array:
    return history[:, :-1] if reverse else history[:, 1:]


def _before(history: jax.Array, reverse: bool) -> jax.Array:
    return history[:, 1:] if reverse else history[:, :-1]


def _forward(cell: Cell, reverse: bool, arrays: Arrays) -> tuple[tuple[jax.Array, State], _Residuals]:
    history, final, factors = _steps(cell, reverse, arrays, keep=True)
    return (_after(history, reverse), final), (arrays, history, factors)


def _backward(cell: Cell, reverse: bool, residuals: _Residuals, gradients: tuple[jax.Array, State]) -> tuple[Arrays]:
    arrays, history, factors = residuals
    of_outputs, of_final = gradients
    time = arrays.inputs.shape[1]
    first, last, move = _course(time, reverse)
    units = len(history)
    turned = arrays.recurrent_kernel.T
    through = (factors.through_h, factors.through_c)[: cell.states]

    def arrive(t: Any, of_state: State) -> State:
        """Completes the gradient of the state after step t."""
        of_h = of_state[0] + _at(of_outputs, t)
        if factors.joined is None:
            return (of_h,)
        return (of_h, of_state[1] + of_h * _at(factors.joined, t))

    def leave(
        t: Any, of_state: State, of_gates: jax.Array, of_apart: jax.Array | None
    ) -> tuple[State, jax.Array, jax.Array | None]:
        """Goes from the gradient of the state after step t to that of the state before."""
        # Each slice is taken where it is used, and once: XLA's CPU backend does not vectorise a loop in which several
        # operations share one.
        blocks = [
            _rows_at(of_gates, t, number * units, units) * of_state[source]
            for number, source in enumerate(cell.sources)
        ]
        here = jnp.concatenate(blocks)
        of_gates = _put(of_gates, here, t)
        if of_apart is not None:
            of_apart = _put(of_apart, _at(of_apart, t) * of_state[0], t)
        of_before = [
            jnp.zeros_like(of) if factor is None else of * _at(factor, t)
            for of, factor in zip(of_state, through, strict=True)
        ]
        through_gates = turned @ here
        of_before[0] = of_before[0] + (through_gates if arrays.mask is None else arrays.mask * through_gates)
        return tuple(of_before), of_gates, of_apart

    def body(carry: tuple[Any, State, jax.Array, jax.Array | None], _: None) -> tuple[Any, None]:
        t, of_state, of_gates, of_apart = carry
        of_before, of_gates, of_apart = leave(t, of_state, of_gates, of_apart)
        return (t - move, arrive(t - move, of_before), of_gates, of_apart), None

    # The factors' memory is reused for the gradients of the gates.
    carry = (jnp.int32(last), arrive(last, of_final), factors.gates, factors.apart)
    carry, _ = lax.scan(body, carry, length=time - 1)
    of_initial, of_gates, of_apart = leave(first, *carry[1:])
    return (_of_arrays(arrays, _before(history, reverse), of_gates, of_apart, of_initial),)


def _of_arrays(
    arrays: Arrays, before: jax.Array, of_q: jax.Array, of_apart: jax.Array | None, of_initial: State
) -> Arrays:
    """Computes the gradients of weights and inputs from the gradients of the gates, (gates * units, time, batch).

    A row of ones added to the inputs makes the bias's gradient part of the product.

    Args:
        arrays: the arrays of the recurrence; its mask gets no gradient.
        before: h before each step, (units, time, batch).
        of_q: gradients of the gates at the input from h.
        of_apart: (units, time, batch), the gradient of the last gate at its input from the inputs, if it is a different
            one.
        of_initial: gradient of the initial state.
    """
    units = len(before)
    before = before if arrays.mask is None else arrays.mask[:, None] * before
    ones = jnp.ones_like(before[:1])
    if of_apart is None:
        of_p, of_recurrent_bias = of_q, None
        both = _over_steps(of_q, [before, arrays.inputs, ones])
        of_recurrent, of_kernel, of_bias = both[:, :units], both[:, units:-1], both[:, -1:]
    else:
        of_p = jnp.concatenate([of_q[:-units], of_apart])
        of_p_weights = _over_steps(of_p, [arrays.inputs, ones])
        of_q_weights = _over_steps(of_q, [before, ones])
        of_kernel, of_bias = of_p_weights[:, :-1], of_p_weights[:, -1:]
        of_recurrent, of_recurrent_bias = of_q_weights[:, :-1], of_q_weights[:, -1:]
    of_inputs = jnp.tensordot(arrays.kernel.T, of_p, 1)
    return Arrays(of_inputs, of_kernel, of_recurrent, of_bias, of_recurrent_bias, of_initial, None)


def _over_steps(gates: jax.Array, rows: list[jax.Array]) -> jax.Array:
    """The product of (gates * units, time, batch) with arrays of (rows, time, batch), over time and batch."""
    return lax.dot_general(gates, jnp.concatenate(rows), (((1, 2), (1, 2)), ((), ())))


loop.defvjp(_forward, _backward)
