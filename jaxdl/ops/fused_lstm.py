"""An LSTM over whole sequences, in one or both directions, as one native operation each way.

XLA runs a step of the loop over time as several operations, each of which reads what the last one wrote. The native
operation makes gates and states of a product while it is in the processor's first cache, and its threads share examples
and directions for the whole sequence. Arrays stay as the layers have them.

What it keeps for the backward pass are the gates and the cells of all steps. The gradients of the gates take the place
of the gates, and those of the weights are sums over all examples and steps at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxdl.ops import plain_lstm
from jaxdl.ops.library import chosen, threads
from jaxdl.ops.plain_lstm import Arrays, Kept, Results, Reverse
from jaxdl.ops.product import dot_general
from jaxdl.ops.replicated import of_each_share

# The native operations compute so many units at a time, or half of them.
_UNITS = 16

# Which of `Arrays` have examples as their first axis.
_BATCHED = (True, False, False, False, True, True, True)


def takes(inputs: jax.Array, weights: Sequence[jax.Array], *others: jax.Array) -> bool:
    """Returns whether native operations compute an LSTM of such arrays here: one in float32 of whole registers.

    Args:
        inputs: (batch, time, features).
        weights: kernel, recurrent kernel and bias.
        others: whatever else it has.
    """
    if chosen() != "onednn" or len(weights[1]) % _UNITS:
        return False
    # An exported program has batches of unknown size.
    are_sizes = all(isinstance(size, int) and size > 0 for size in inputs.shape)
    return are_sizes and {np.dtype(array.dtype).name for array in (inputs, *weights, *others)} == {"float32"}


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def run(reverse: Reverse, arrays: Arrays) -> Results:
    """Returns h after each step, (batch, time, directions, units), and h and c after the last one.

    Reverse-mode derivatives of any order work, also with `vmap` and `scan`; forward-mode ones do not. The same arrays
    give the same bits, whatever the number of threads.

    Args:
        reverse: for each direction, whether it runs from the last step to the first.
        arrays: see there; all float32.
    """
    kept, h, c = _steps(reverse, arrays, keep=False)
    return kept.outputs, h, c


def _forward(reverse: Reverse, arrays: Arrays) -> tuple[Results, tuple[Arrays, Kept]]:
    kept, h, c = _keeping(reverse, arrays)
    return (kept.outputs, h, c), (arrays, kept)


def _backward(reverse: Reverse, residuals: tuple[Arrays, Kept], gradients: Results) -> tuple[Arrays]:
    return (_gradients(reverse, *residuals, gradients),)


run.defvjp(_forward, _backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _keeping(reverse: Reverse, arrays: Arrays) -> tuple[Kept, jax.Array, jax.Array]:
    """The forward pass with what the backward pass needs.

    Its own gradient is that of `run`: `_gradients` passes on none to what is kept.
    """
    return _steps(reverse, arrays, keep=True)


def _keeping_forward(reverse: Reverse, arrays: Arrays) -> tuple[Any, tuple[Arrays, Kept]]:
    results = _keeping(reverse, arrays)
    return results, (arrays, results[0])


def _keeping_backward(reverse: Reverse, residuals: tuple[Arrays, Kept], gradients: Any) -> tuple[Arrays]:
    of_kept, of_h, of_c = gradients
    return _backward(reverse, residuals, (of_kept.outputs, of_h, of_c))


_keeping.defvjp(_keeping_forward, _keeping_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gradients(reverse: Reverse, arrays: Arrays, kept: Kept, gradients: Results) -> Arrays:
    of_gates, of_h, of_c = _gates_back(reverse, arrays, kept, gradients)
    of_kernel, of_recurrent, of_bias = _weights_back(reverse, arrays, kept.outputs, of_gates)
    joined = of_gates.reshape(-1, arrays.bias.size)
    turned = arrays.kernel.swapaxes(1, 2).reshape(arrays.bias.size, -1)
    of_inputs = dot_general(joined, turned, (((1,), (0,)), ((), ()))).reshape(arrays.inputs.shape)
    return Arrays(of_inputs, of_kernel, of_recurrent, of_bias, of_h, of_c, None)


def _gradients_forward(
    reverse: Reverse, arrays: Arrays, kept: Kept, gradients: Results
) -> tuple[Arrays, tuple[Arrays, Results]]:
    return _gradients(reverse, arrays, kept, gradients), (arrays, gradients)


def _gradients_backward(
    reverse: Reverse, residuals: tuple[Arrays, Results], of_gradients: Arrays
) -> tuple[Arrays, None, Results]:
    """Derivatives of derivatives are JAX's own, of the plain loop; as functions of its arrays, nothing was kept."""
    arrays, gradients = residuals

    def results(known: Arrays) -> Results:
        kept, h, c = plain_lstm.steps(reverse, known._replace(lengths=arrays.lengths))
        return kept.outputs, h, c

    def once(known: Arrays, gradients: Results) -> Arrays:
        found: tuple[Arrays] = jax.vjp(results, known)[1](gradients)
        return found[0]

    of_arrays, of_results = jax.vjp(once, arrays._replace(lengths=None), gradients)[1](of_gradients)
    return of_arrays, None, of_results


_gradients.defvjp(_gradients_forward, _gradients_backward)


def _steps(reverse: Reverse, arrays: Arrays, *, keep: bool) -> tuple[Kept, jax.Array, jax.Array]:
    def of_share(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        known = Arrays(*arrays)
        (batch, time, _), (directions, units, gates) = known.inputs.shape, known.recurrent.shape
        states, kept = (batch, directions, units), (batch, time if keep else 0, directions)
        shapes = [(batch, time, directions, units), states, states, (*kept, gates), (*kept, units)]
        return _call("jaxdl_lstm", shapes, reverse, arrays)

    def native(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        return of_each_share(of_share, arrays, _BATCHED, (True,) * 5)

    def plain(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        kept, h, c = plain_lstm.steps(reverse, Arrays(*arrays))
        end = None if keep else 0
        return kept.outputs, h, c, kept.gates[:, :end], kept.cells[:, :end]

    outputs, h, c, gates, cells = lax.platform_dependent(*arrays, cpu=native, default=plain)
    return Kept(outputs, gates, cells), h, c


def _gates_back(reverse: Reverse, arrays: Arrays, kept: Kept, gradients: Results) -> Results:
    """Returns the gradients of the gates before their activation, (batch, time, directions, 4 * units), and of h and c
    before the first step."""

    def of_share(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        shapes = [arrays[3].shape, arrays[1].shape, arrays[1].shape]
        return _call("jaxdl_lstm_gates", shapes, reverse, arrays, aliases={3: 0})

    def native(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        return of_each_share(of_share, arrays, (False, *[True] * 7), (True,) * 3)

    given = arrays.recurrent, arrays.c, arrays.lengths, kept.gates, kept.cells, *gradients
    of_gates, of_h, of_c = lax.platform_dependent(*given, cpu=native, default=partial(plain_lstm.gates_back, reverse))
    return of_gates, of_h, of_c


def _weights_back(reverse: Reverse, arrays: Arrays, outputs: jax.Array, of_gates: jax.Array) -> Results:
    """Returns the gradients of kernel, recurrent kernel and bias."""
    shapes = [arrays.kernel.shape, arrays.recurrent.shape, arrays.bias.shape]

    def of_share(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        return _call("jaxdl_lstm_weights", shapes, reverse, arrays)

    def native(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        return of_each_share(of_share, arrays, (True,) * 4, (False,) * 3)

    given = arrays.inputs, arrays.h, outputs, of_gates
    of_kernel, of_recurrent, of_bias = lax.platform_dependent(
        *given, cpu=native, default=partial(plain_lstm.weights_back, reverse)
    )
    return of_kernel, of_recurrent, of_bias


def _call(
    name: str,
    shapes: Sequence[tuple[int, ...]],
    reverse: Reverse,
    arrays: Sequence[jax.Array],
    aliases: dict[int, int] | None = None,
) -> tuple[jax.Array, ...]:
    results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    call = jax.ffi.ffi_call(name, results, vmap_method="sequential", input_output_aliases=aliases)
    return tuple(call(*arrays, reverse=np.array(reverse, np.int64), threads=np.int64(threads())))
