"""Interprets outputs as a choice between classes: the predicted class and the true class."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl.errors import UserError
from jaxdl.objectives import losses


def as_classes(outputs: ArrayLike, targets: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Converts outputs and targets to logits and labels of two classes or more.

    A single logit is the logit of class 1, and class 0 gets the logit 0: softmax then equals the sigmoid, and the
    logit's sign decides, with 0 meaning class 0.

    Returns:
        Logits (..., classes) float32 and labels (...) int32; one-hot rows or probabilities give the class of their
        largest entry; for a single logit, a probability above one half gives class 1.

    Raises:
        UserError: the shapes do not match.
    """
    outputs, targets = jnp.asarray(outputs, jnp.float32), jnp.asarray(targets)
    if outputs.shape[-1] == 1:
        logit, answer = losses.aligned(outputs, targets)
        return jnp.concatenate([jnp.zeros_like(logit), logit], -1), (answer[..., 0] > 0.5).astype(jnp.int32)
    labels = jnp.argmax(targets, -1) if targets.shape == outputs.shape else targets
    if labels.shape != outputs.shape[:-1]:
        raise UserError(
            f"outputs of shape {outputs.shape} do not fit class targets of shape {targets.shape}: "
            "choose metrics for this kind of target, or another number of outputs."
        )
    return outputs, labels.astype(jnp.int32)


def correct(outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Whether the class of the largest logit is the label; (...) bool. Of equal logits, the lower class counts."""
    logits, labels = as_classes(outputs, targets)
    return jnp.argmax(logits, -1) == labels


def in_top(k: int, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Whether the label is among the `k` classes of largest logit; equal logits rank by class number, lowest first.

    Returns (...) bool. So top_1 is the accuracy, a constant model gets no advantage from equal logits, and NaN ranks
    last.
    """
    logits, labels = as_classes(outputs, targets)
    label = labels[..., None]
    own = jnp.take_along_axis(logits, label, -1)
    classes = jnp.arange(logits.shape[-1])
    behind = (logits < own) | ((logits == own) & (classes >= label))
    return logits.shape[-1] - jnp.sum(behind, -1) < k


def confusion_counts(outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
    """Counts by true class (rows) and predicted class (columns) over one batch, as ``confusion``.

    Args:
        outputs: (batch, ..., outputs).
        targets: see `as_classes`.
        mask: bool, False for elements that do not count; (batch,) or (batch, time).

    Returns:
        ``{"confusion": (classes, classes) int32}``.
    """
    logits, labels = as_classes(outputs, targets)
    classes = logits.shape[-1]
    ones = losses.broadcast_mask(mask, labels.shape).astype(jnp.int32)
    return {"confusion": jnp.zeros((classes, classes), jnp.int32).at[labels, jnp.argmax(logits, -1)].add(ones)}


def class_figures(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Returns precision, recall and F1 of each class; zero divided by zero is 0.

    Args:
        confusion: (classes, classes) counts by true class (rows) and predicted class (columns).

    Returns:
        ``precision``, ``recall`` and ``f1``, (classes,) float64 each.
    """
    hits, predicted, actual = np.diagonal(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    return {
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(actual, 1),
        "f1": 2 * hits / np.maximum(predicted + actual, 1),
    }
