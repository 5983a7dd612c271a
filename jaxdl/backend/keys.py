"""Typed PRNG keys among ordinary arrays: how to recognise them, and their conversion to uint32 words and back."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def is_key(leaf: Any) -> bool:
    """Returns whether a leaf of a pytree, an array or a `jax.ShapeDtypeStruct`, holds typed PRNG keys."""
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)


def without_keys(leaf: Any) -> Any:
    """Returns the words of typed PRNG keys, (..., words) uint32; any other leaf unchanged."""
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def with_keys(like: Any, leaf: Any) -> Any:
    """Returns the argument of `without_keys` from its result.

    Args:
        like: an array or its `jax.ShapeDtypeStruct`; if it holds keys, so does the result, of the same implementation.
        leaf: the words of the keys, or any other array, which is returned unchanged.
    """
    if not is_key(like):
        return leaf
    implementations: list[Any] = []

    def note(key: jax.Array) -> jax.Array:
        implementations.append(jax.random.key_impl(key))  # it takes an array, and `like` may have only a shape
        return key

    jax.eval_shape(note, jax.ShapeDtypeStruct(like.shape, like.dtype))
    return jax.random.wrap_key_data(leaf, impl=implementations[0])
