"""Dropout that draws 16 random bits for each element instead of 64."""

from __future__ import annotations

import functools
import math

import jax
import jax.extend
import jax.numpy as jnp

from jaxdl import fields
from jaxdl.ops.replicated import replicated, rows_of_batch

_LEVELS = 1 << 16


def dropout(inputs: jax.Array, rate: float | jax.Array, key: jax.Array) -> jax.Array:
    """Sets each element to zero with probability `rate` and scales the others so that the mean is kept.

    The kept fraction is 1 - `rate`, rounded to a multiple of 2**-16 and at least 2**-16. The scale is the inverse of
    the rounded fraction, so that the mean is kept exactly. Source: Srivastava et al., "Dropout: a simple way to prevent
    neural networks from overfitting", JMLR 2014 (there the scaling is at test time).

    Args:
        inputs: any shape, floating dtype; where devices share a batch, (batch, ...).
        rate: probability in [0, 1); may be a tracer. The Python number 0 (or None) leaves dropout out of the program.
        key: random key.

    Returns:
        The shape and dtype of `inputs`.
    """
    if not fields.enabled(rate):
        return inputs
    kept = jnp.clip(jnp.round((1 - jnp.asarray(rate, jnp.float32)) * _LEVELS), 1, _LEVELS)
    numbers = rows_of_batch(functools.partial(_sixteen_bits, key), inputs.shape)
    keep = numbers < kept.astype(jnp.uint32)
    return jnp.where(keep, inputs * (_LEVELS / kept).astype(inputs.dtype), jnp.zeros((), inputs.dtype))


def _sixteen_bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Uniform integers below 2**16, as uint32: two from each random word."""
    size = math.prod(shape)
    words = _words(key, (size + 1) // 2)
    numbers = jnp.concatenate([words & (_LEVELS - 1), words >> 16])[:size]
    # Two distant numbers come from one word: each device computes all, or they would have to tell each other.
    return replicated(numbers).reshape(shape)


def _words(key: jax.Array, count: int) -> jax.Array:
    """Uniform uint32. Threefry makes two words at a time, and `jax.random.bits` returns only their exclusive or."""
    if str(jax.random.key_impl(key)) == "threefry2x32":
        data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
        words: jax.Array = jax.extend.random.threefry_2x32(data, jnp.arange(count, dtype=jnp.uint32))
        return words
    return jax.random.bits(key, (count,), jnp.uint32)
