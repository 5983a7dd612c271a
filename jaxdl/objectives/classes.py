"""Interprets outputs as a choice between classes: the predicted class and the true class.

Outputs that hold NaN choose no class: they are wrong, whatever the label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from jaxdl.errors import UserError
from jaxdl.objectives import counting


def as_classes(outputs: ArrayLike, targets: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Converts outputs and targets to logits and labels.

    Returns:
        Logits (..., classes) float32 and labels (...) int32; one-hot rows or probabilities give the class of their
        largest entry.

    Raises:
        UserError: the shapes do not match, or there is only one output.
    """
    outputs, targets = jnp.asarray(outputs, jnp.float32), jnp.asarray(targets)
    labels = jnp.argmax(targets, -1) if targets.shape == outputs.shape else targets
    if labels.shape != outputs.shape[:-1] or outputs.shape[-1] < 2:
        raise UserError(
            f"outputs of shape {outputs.shape} do not fit class targets of shape {targets.shape}: choose an objective "
            "and metrics for this kind of target, or another number of outputs."
        )
    return outputs, labels.astype(jnp.int32)


def correct(outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Whether the class of the largest logit is the label; (...) bool. Of equal logits, the lower class counts."""
    # Not by argmax, which XLA's processor backend does not vectorise: with 2,000 classes it takes ten times as long.
    return _behind(*as_classes(outputs, targets)).all(-1)


def in_top(k: int, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Whether the label is among the `k` classes of largest logit; equal logits rank by class number, lowest first.

    Returns (...) bool. So top_1 is the accuracy, and a constant model gets no advantage from equal logits.
    """
    logits, labels = as_classes(outputs, targets)
    ahead = logits.shape[-1] - jnp.sum(_behind(logits, labels), -1)
    return (ahead < k) & ~jnp.isnan(logits).any(-1)


def _behind(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Whether each class ranks behind the label or is it; (..., classes) bool. NaN is behind nothing, nor before it."""
    label = labels[..., None]
    own = jnp.take_along_axis(logits, label, -1)
    return (logits < own) | (
        (logits == own) & (lax.broadcasted_iota(label.dtype, logits.shape, logits.ndim - 1) >= label)
    )


def confusion_counts(outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> jax.Array:
    """Counts by true class (rows) and predicted class (columns) over one batch.

    Args:
        outputs: (batch, ..., classes).
        targets: see `as_classes`.
        mask: bool, False for elements that do not count, or weights; (batch,) or (batch, time).

    Returns:
        (classes, classes + 1) int32, for weights float32; the last column counts outputs with NaN.
    """
    logits, labels = as_classes(outputs, targets)
    classes = logits.shape[-1]
    predicted = jnp.where(jnp.isnan(logits).any(-1), classes, jnp.argmax(logits, -1))
    mask = counting.broadcast_mask(mask, labels.shape)
    counted = mask.astype(jnp.int32) if mask.dtype == bool else mask
    return jnp.zeros((classes, classes + 1), counted.dtype).at[labels, predicted].add(counted)


def class_figures(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Returns precision, recall, F1 and intersection over union of each class; zero divided by zero is 0.

    Args:
        confusion: (..., classes, classes) counts, or sums of weights, by true class (rows) and predicted class
            (columns); with one more column for outputs with NaN, which lower the recall of their class and count
            against no precision.

    Returns:
        ``precision``, ``recall``, ``f1`` and ``iou``, (..., classes) float64 each.
    """
    counted = counted_classes(confusion)
    return {name: figure(*counted) for name, figure in _FIGURES.items()}


def class_figure(name: str, confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns one of `class_figures`, (..., classes) float64, and `occurring`: after each epoch no other is needed."""
    hits, predicted, actual = counted_classes(confusion)
    return _FIGURES[name](hits, predicted, actual), predicted + actual > 0


def occurring(confusion: np.ndarray) -> np.ndarray:
    """Returns which classes occur among labels or predictions, (..., classes) bool; see `class_figures`."""
    _, predicted, actual = counted_classes(confusion)
    return np.asarray(predicted + actual > 0)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Returns what share of counts, or of sums of weights, others are; zero divided by zero is 0."""
    shares: np.ndarray = part / np.where(whole > 0, whole, 1)
    return shares


# From hits, predictions and labels of each class.
_FIGURES: Mapping[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "precision": lambda hits, predicted, actual: share(hits, predicted),
    "recall": lambda hits, predicted, actual: share(hits, actual),
    "f1": lambda hits, predicted, actual: share(2 * hits, predicted + actual),
    "iou": lambda hits, predicted, actual: share(hits, predicted + actual - hits),
}


def counted_classes(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns how often each class was predicted rightly, was predicted, and was the label; see `class_figures`."""
    predicted = confusion.sum(axis=-2)[..., : confusion.shape[-2]]
    return np.diagonal(confusion, axis1=-2, axis2=-1), predicted, confusion.sum(axis=-1)
