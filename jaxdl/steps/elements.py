"""Which elements of a batch count in the loss and in the metrics, and how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdl.objectives import broadcast_mask

Batch = Mapping[str, jax.Array]


class Losses(NamedTuple):
    """The loss of a batch in training.

    Attributes:
        loss: () float32.
        mask: which elements count in metrics, or how much; see `jaxdl.steps.elements`. Several by output.
        parts: of several outputs the loss of each, () float32, by ``OUTPUT/loss``.
    """

    loss: jax.Array
    mask: Any
    parts: dict[str, jax.Array]


class Shares(NamedTuple):
    """What is needed to compute the loss of a batch part by part; several by output.

    Attributes:
        targets: (batch, ...), those of mixed examples mixed.
        shares: (batch, ...) float32, by how much each loss enters their mean; their sum is 1, or 0 if none counts.
        mask: which elements count in metrics, or how much.
        weight: () float32, how much an element counts in the loss on average; 1 where all count.
    """

    targets: Any
    shares: Any
    mask: Any
    weight: Any


class Compared(NamedTuple):
    """What is compared with outputs in evaluation; several by output.

    Attributes:
        targets: (batch, ...), in their own unit.
        standard: the same as the loss compares them with outputs.
        mask: which elements count, or how much.
    """

    targets: Any
    standard: Any
    mask: Any


def element_mask(batch: Batch, shape: tuple[int, ...]) -> jax.Array:
    """Returns which losses count: (batch,), or (batch, time) for one loss per step; steps past `lengths` do not count.

    A batch is ``inputs`` (batch, ...), ``targets`` (batch, ...), and optionally ``mask`` (batch,) bool, False for
    padding examples, and ``lengths`` (batch,) int32, the valid time steps of each sequence. Where the targets have
    lengths of their own, ``target_lengths`` (batch,) int32, these decide. ``counted``, bool of the shape of the
    targets, is False where there is no label.

    Args:
        batch: the batch.
        shape: shape of the losses, (batch,) or (batch, time).
    """
    mask = batch.get("mask")
    if mask is None:
        mask = jnp.ones(shape[:1], bool)
    lengths = batch.get("target_lengths", batch.get("lengths"))
    if lengths is not None and len(shape) >= 2:
        mask = mask[:, None] & (jnp.arange(shape[1]) < lengths[:, None])
    if "counted" in batch:
        mask = broadcast_mask(mask, shape) & batch["counted"]
    return mask


def element_weights(
    batch: Batch, mask: jax.Array, shape: tuple[int, ...], class_weights: Sequence[float] | None
) -> jax.Array:
    """Returns how much each loss counts: the mask, where no weights are given.

    Args:
        batch: the batch, see `element_mask`; optionally with ``weights`` (batch,) float32.
        mask: the result of `element_mask`.
        shape: shape of the losses, (batch, ...).
        class_weights: the weight of each class; None: no class has another weight than the others.

    Returns:
        `mask`, or `shape` float32: the weight of the example times that of the class, and 0 where the mask is
        False.
    """
    if "weights" not in batch and class_weights is None:
        return mask
    weights = broadcast_mask(mask, shape).astype(jnp.float32)
    if "weights" in batch:
        weights *= broadcast_mask(batch["weights"], shape)
    if class_weights is not None:
        weights *= _of_classes(batch["targets"], shape, jnp.asarray(class_weights, jnp.float32))
    return weights


def _of_classes(targets: jax.Array, shape: tuple[int, ...], class_weights: jax.Array) -> jax.Array:
    """Returns the weight of each target's class, `shape` float32; of a mixture of classes it is their mean."""
    if targets.shape != shape:
        return targets[..., : len(class_weights)].astype(jnp.float32) @ class_weights  # a model may have more outputs
    if jnp.issubdtype(targets.dtype, jnp.integer):
        return class_weights[targets]
    return class_weights[0] + targets * (class_weights[1] - class_weights[0])  # the probability of yes
