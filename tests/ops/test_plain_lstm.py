"""The plain loops of an LSTM against the recurrence, and their backward pass against JAX's of the forward one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl import ops
from jaxdl.ops import plain_lstm
from jaxdl.ops.plain_lstm import Arrays

REVERSE = (False, True)


def arrays_of(batch: int, time: int, features: int, units: int) -> Arrays:
    random = np.random.default_rng(0)
    normal = lambda *shape: jnp.asarray(0.5 * random.standard_normal(shape), jnp.float32)  # noqa: E731
    weights = normal(2, features, 4 * units), normal(2, units, 4 * units), normal(2, 4 * units)
    states = normal(batch, 2, units), normal(batch, 2, units)
    return Arrays(normal(batch, time, features), *weights, *states, jnp.array([time, 0, 2]))


def assert_equal(got, expected) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), got, expected)


def test_each_direction_equals_the_recurrence():
    arrays = arrays_of(3, 4, 2, 5)
    kept, h, c = jax.jit(plain_lstm.steps, static_argnums=0)(REVERSE, arrays)
    for number, is_reverse in enumerate(REVERSE):
        weights = [each[number] for each in (arrays.kernel, arrays.recurrent, arrays.bias)]
        initial = arrays.h[:, number], arrays.c[:, number]
        expected = ops.lstm(arrays.inputs, *weights, initial=initial, lengths=arrays.lengths, reverse=is_reverse)
        assert_equal((kept.outputs[:, :, number], (h[:, number], c[:, number])), expected)


def test_the_backward_pass_equals_jaxs_of_the_forward_one():
    arrays = arrays_of(3, 4, 2, 5)

    @jax.jit
    def both(arrays):
        def results(*known: jax.Array):
            kept, h, c = plain_lstm.steps(
                REVERSE, arrays._replace(**dict(zip(Arrays._fields[1:-1], known, strict=True)))
            )
            return (kept.outputs, h, c), kept

        gradients, pull, kept = jax.vjp(results, *arrays[1:-1], has_aux=True)
        of_gates, of_h, of_c = plain_lstm.gates_back(
            REVERSE, arrays.recurrent, arrays.c, arrays.lengths, kept.gates, kept.cells, *gradients
        )
        of_weights = plain_lstm.weights_back(REVERSE, arrays.inputs, arrays.h, kept.outputs, of_gates)
        return (*of_weights, of_h, of_c), pull(gradients)

    assert_equal(*both(arrays))
