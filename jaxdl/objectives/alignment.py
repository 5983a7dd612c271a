"""Losses of answers that have fewer steps than the outputs, by all ways to align the two."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from jaxdl.errors import UserError

_NEVER = -1e5  # optax's logarithm of a probability of zero


def ctc(logits: ArrayLike, labels: ArrayLike) -> jax.Array:
    """Minus the logarithm of the probability of an answer, summed over all ways to align it (Graves et al. 2006).

    Args:
        logits: (batch, time, classes + 1); the last class is the blank. See `only_blank_beyond` for padding.
        labels: (batch, steps) integers; -1 after the end of an answer.

    Returns:
        (batch,) float32, in nats.

    Raises:
        UserError: outputs have no steps, or labels none.
    """
    logits, labels = jnp.asarray(logits, jnp.float32), jnp.asarray(labels)
    if logits.ndim != 3 or labels.ndim != 2 or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise UserError(
            f"ctc: outputs of shape {logits.shape} and targets of shape {labels.shape}: it needs outputs (batch, time, "
            "classes + 1), as of a recurrent model with every_step, and integer targets (batch, steps)."
        )
    none = jnp.zeros(logits.shape[:2])
    beyond = (labels < 0).astype(jnp.float32)
    losses: jax.Array = optax.losses.ctc_loss(
        logits, none, jnp.maximum(labels, 0), beyond, blank_id=logits.shape[-1] - 1, log_epsilon=_NEVER
    )
    return losses


def only_blank_beyond(logits: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Returns logits in which steps beyond the lengths are blank for sure, so that they change no probability.

    Args:
        logits: (batch, time, classes + 1).
        lengths: (batch,) integers; None: all steps count.
    """
    if lengths is None:
        return logits
    blank = jnp.full(logits.shape[-1:], _NEVER, logits.dtype).at[-1].set(0)
    counts = jnp.arange(logits.shape[1])[None, :, None] < lengths[:, None, None]
    return jnp.where(counts, logits, blank)


def ended(labels: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Returns labels (batch, steps) with -1 at the steps beyond the lengths of their answers."""
    if lengths is None:
        return labels
    return jnp.where(jnp.arange(labels.shape[1])[None] < lengths[:, None], labels, -1)
