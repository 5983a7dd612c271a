"""Sums and means over the elements of a batch that count: all of one mask, or each by its weight.

An element with the weight 2 counts as two equal ones would, and one with the weight 0 as if it were not there. So a
mask is the special case of weights 0 and 1, and figures do not depend on the scale of the weights. The same holds for
the loss that training minimises: the sum of weighted losses is divided by the sum of the weights, as
`torch.nn.CrossEntropyLoss` does, and not by the number of examples, as Keras does. In this way another scale of the
weights is no other learning rate, and padding is nothing but a weight of 0.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def masked_mean(values: ArrayLike, mask: ArrayLike) -> jax.Array:
    """Mean of the values that count; 0 if none does.

    Args:
        values: (batch, ...).
        mask: bool, or floating-point weights of at least 0; (batch,) or with more of the axes of `values`, from the
            left.

    Returns:
        () of the dtype of `values`; for weights ``sum(weights * values) / sum(weights)``.
    """
    values = jnp.asarray(values)
    mask = broadcast_mask(mask, values.shape)
    if mask.dtype != bool:
        return ratio(total(values, mask), count(mask)).astype(values.dtype)
    number = jnp.maximum(count(mask), 1)
    return jnp.sum(jnp.where(mask, values, 0)) / number.astype(values.dtype)


def broadcast_mask(mask: ArrayLike, shape: tuple[int, ...]) -> jax.Array:
    """Repeats a mask, or weights, over missing last axes, such as (batch,) for values of shape (batch, time).

    Returns:
        `shape`, bool; float32 for weights.
    """
    mask = jnp.asarray(mask)
    mask = mask.astype(jnp.float32 if jnp.issubdtype(mask.dtype, jnp.floating) else bool)
    return jnp.broadcast_to(mask.reshape(mask.shape + (1,) * (len(shape) - mask.ndim)), shape)


def total(values: jax.Array, mask: jax.Array, axes: int | tuple[int, ...] | None = None) -> jax.Array:
    """Sum of the values that count, over some axes or all.

    Args:
        values: (...); those that do not count may be NaN.
        mask: bool, or float32 weights; of a shape that broadcasts against that of `values`.
        axes: None: all.

    Returns:
        For a mask int32 sums of bool values, and otherwise sums of the dtype of `values`; for weights float32.
    """
    if mask.dtype != bool:
        return jnp.sum(jnp.where(mask > 0, mask * values, 0.0), axes)
    return jnp.sum(jnp.where(mask, values, jnp.zeros_like(values)), axes)


def count(mask: jax.Array) -> jax.Array:
    """How many elements count, () int32; for weights their sum, () float32."""
    return jnp.sum(mask, dtype=jnp.int32 if mask.dtype == bool else jnp.float32)


def ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """A sum divided by `count`: 0 where nothing counts."""
    whole = jnp.issubdtype(denominator.dtype, jnp.integer)
    return numerator / (jnp.maximum(denominator, 1) if whole else jnp.where(denominator > 0, denominator, 1))
