"""Typed PRNG keys beside ordinary arrays: told apart, and turned into plain uint32 words and back."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def is_key(leaf: Any) -> bool:
    """Returns whether a leaf of a pytree, an array or the mere shape of one, holds typed PRNG keys."""
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)


def without_keys(leaf: Any) -> Any:
    """Returns the words of typed PRNG keys, (..., words) uint32; any other leaf as it is."""
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def with_keys(like: Any, leaf: Any) -> Any:
    """Returns what `without_keys` was given, from what it returned.

    Args:
        like: an array or the shape of one; where it holds keys, the result does, of the same implementation.
        leaf: the words of the keys, or any other array, which is returned as it is.
    """
    if not is_key(like):
        return leaf
    implementations: list[Any] = []

    def note(key: jax.Array) -> jax.Array:
        implementations.append(jax.random.key_impl(key))  # it takes an array, and `like` may be a mere shape
        return key

    jax.eval_shape(note, jax.ShapeDtypeStruct(like.shape, like.dtype))
    return jax.random.wrap_key_data(leaf, impl=implementations[0])
