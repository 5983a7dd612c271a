"""Layers for sequences: vectors for ids, one block of attention, and one vector for a whole sequence."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxdl.fields import at_least, described, fraction, static, traced
from jaxdl.models.layers import Dropout, Initializer, LayerNorm, initial_values, initializer_field

Pooling = Literal["last", "mean", "max"]
_WIDER = 4  # the feed-forward layer of Vaswani et al. 2017 has four times the units of the block


@described
class Embed(nn.Module):
    """A learnt vector for each id, such as that of a word; ``embedding`` (vocabulary, features)."""

    vocabulary: int = static(1000, "number of ids, which count from 0", check=at_least(1))
    features: int = static(64, "size of each vector", check=at_least(1))

    @nn.compact
    def __call__(self, ids: jax.Array) -> jax.Array:
        """Returns (..., features) for ids (...) integers.

        In a compiled program, whose ids are not known before it runs, the vector of an id beyond the vocabulary is NaN.

        Raises:
            ValueError: the ids are no integers, or one is not from 0 to below `vocabulary`.
        """
        if not jnp.issubdtype(ids.dtype, jnp.integer):
            raise ValueError(f"Embed takes ids, which are integers, got {ids.dtype} of shape {ids.shape}")
        if not isinstance(ids, jax.core.Tracer) and ids.size:
            known = np.asarray(ids)  # while something is traced, jnp.min would give a tracer
            least, most = int(known.min()), int(known.max())
            if least < 0 or most >= self.vocabulary:
                raise ValueError(
                    f"Embed: ids are from {least} to {most}, but must be from 0 to {self.vocabulary - 1}; "
                    f"give vocabulary={most + 1} or more, and map others to an id for unknown ones"
                )
        initial = nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
        embedding: jax.Array = self.param("embedding", initial, (self.vocabulary, self.features), jnp.float32)
        ids = ids.astype(jnp.int32)
        # An index below 0 would count from the end.
        return jnp.take(embedding, jnp.where(ids < 0, self.vocabulary, ids), axis=0, mode="fill", fill_value=jnp.nan)


@described
class Attention(nn.Module):
    """One block of multi-head attention of Vaswani et al. 2017 (arXiv:1706.03762, section 3), each step to all others.

    Attention, added to the inputs and normalised by layer; then two dense layers, the first of four times the units
    with ReLU, added and normalised again. The block itself knows no order: it needs a recurrence before it, or
    positions in its inputs.
    """

    heads: int = static(4, "number of heads, which divides the units", check=at_least(1))
    causal: bool = static(False, "whether a step attends only to itself and the steps before it")
    dropout: float = traced(
        0.0, "fraction of what is added to the inputs that is dropped in training", optional=True, check=fraction
    )
    initializer: Initializer = initializer_field()

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        """Returns an array of the shape of `inputs`.

        Args:
            inputs: (batch, time, units).
            train: whether to drop activations.
            lengths: (batch,) integers, number of valid steps; no valid step attends to another one. None: all are
                valid.

        Raises:
            ValueError: the inputs have another number of axes, or units that `heads` does not divide.
        """
        if inputs.ndim != 3 or inputs.shape[-1] % self.heads:
            raise ValueError(
                f"Attention takes inputs of shape (batch, time, units), with units that are a multiple of the "
                f"{self.heads} heads, got {inputs.shape}"
            )
        attended = self._dense(inputs.shape[-1], "output")(self._attended(inputs, lengths))
        hidden = inputs + Dropout(self.dropout, name="dropout")(attended, train)
        hidden = LayerNorm(name="normalize")(hidden)
        wide = nn.relu(self._dense(_WIDER * inputs.shape[-1], "dense_1")(hidden))
        added = Dropout(self.dropout, name="dropout_dense")(self._dense(inputs.shape[-1], "dense_2")(wide), train)
        return LayerNorm(name="normalize_dense")(hidden + added)

    def _dense(self, units: int, name: str) -> nn.Dense:
        return nn.Dense(units, kernel_init=initial_values(self.initializer), name=name)

    def _attended(self, inputs: jax.Array, lengths: jax.Array | None) -> jax.Array:
        batch, time, units = inputs.shape
        size = units // self.heads
        query, key, value = (
            self._dense(units, name)(inputs).reshape(batch, time, self.heads, size)
            for name in ("query", "key", "value")
        )
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(size).astype(np.float32)
        scores = scores.astype(jnp.float32)  # the sum of exponentials needs more than bfloat16's 8 bits
        steps = jnp.arange(time)
        if self.causal:
            scores = _where(steps[:, None] >= steps[None, :], (1, 1, time, time), scores)
        if lengths is not None:
            scores = _where(steps[None, :] < lengths[:, None], (batch, 1, 1, time), scores)
        weights = jax.nn.softmax(scores, axis=-1).astype(value.dtype)
        return jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(batch, time, units)


def _where(attend: jax.Array, shape: tuple[int, ...], scores: jax.Array) -> jax.Array:
    """Returns scores, float32, that become weights of 0 where a step does not attend to another one.

    Not minus infinity, of which a sequence without a valid step would have only NaN.
    """
    return jnp.where(attend.reshape(shape), scores, np.finfo(np.float32).min)


def pool_time(inputs: jax.Array, lengths: jax.Array | None = None, kind: Pooling = "mean") -> jax.Array:
    """Returns one vector for each sequence: the mean or the largest value over its valid steps, or the last of them.

    Args:
        inputs: (batch, time, ...).
        lengths: (batch,) integers, number of valid steps, which come first; a sequence without one gives 0. None: all
            are valid.
        kind: ``"mean"``, ``"max"`` or ``"last"``.

    Returns:
        (batch, ...) of the dtype of `inputs`.

    Raises:
        ValueError: there is no such kind.
    """
    batch, time = inputs.shape[:2]
    if kind not in ("last", "mean", "max"):
        raise ValueError(f"pooling over time: {kind!r}: must be last, mean or max")
    counts = jnp.full((batch,), time, jnp.int32) if lengths is None else lengths.astype(jnp.int32)
    rest = (1,) * (inputs.ndim - 2)
    valid = (jnp.arange(time)[None, :] < counts[:, None]).reshape(batch, time, *rest)
    if kind == "mean":
        # In float32: a mean of many steps needs more than bfloat16's 8 bits.
        total = jnp.sum(jnp.where(valid, inputs, jnp.zeros_like(inputs)), 1, dtype=jnp.float32)
        mean = total / jnp.maximum(counts, 1).astype(jnp.float32).reshape(batch, *rest)
        return mean.astype(inputs.dtype)
    if kind == "max":
        largest = jnp.max(jnp.where(valid, inputs, jnp.full_like(inputs, -jnp.inf)), 1)
    else:
        place = jnp.maximum(counts - 1, 0).reshape(batch, 1, *rest)
        largest = jnp.take_along_axis(inputs, place, 1)[:, 0]
    return jnp.where((counts > 0).reshape(batch, *rest), largest, jnp.zeros_like(largest))
