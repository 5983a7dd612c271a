"""Interprets outputs as answers to yes-or-no questions: one logit for each question.

A logit that is NaN answers neither: it is wrong, whatever the target.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxdl.objectives import counting, losses


def as_answers(boundary: float, outputs: ArrayLike, targets: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Converts outputs and targets to answers.

    Args:
        boundary: logit above which the answer is yes.
        outputs: (..., questions).
        targets: 0, 1 or a probability, above one half for yes; (..., questions), or (...) for a single question.

    Returns:
        The predicted answers, 0 for no, 1 for yes and 2 for NaN, and the right ones; (..., questions) int32 each.

    Raises:
        UserError: the shapes do not match.
    """
    logits, targets = losses.aligned(outputs, targets)
    predicted = jnp.where(jnp.isnan(logits), 2, (logits > boundary).astype(jnp.int32))
    return predicted, (targets > 0.5).astype(jnp.int32)


def right(boundary: float, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
    """Whether each answer is right; (..., questions) bool. Arguments and errors as in `as_answers`."""
    predicted, answers = as_answers(boundary, outputs, targets)
    return predicted == answers


def answer_counts(boundary: float, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> jax.Array:
    """Counts by right answer (rows: no, yes) and predicted answer (columns: no, yes, NaN) over one batch.

    Args:
        boundary, outputs, targets: see `as_answers`.
        mask: bool, False for elements that do not count, or weights; (batch,) or (batch, time).

    Returns:
        (questions, 2, 3) int32; for weights float32.
    """
    predicted, answers = as_answers(boundary, outputs, targets)
    cells = (3 * answers + predicted)[..., None] == jnp.arange(6)
    mask = counting.broadcast_mask(mask, cells.shape)
    return counting.total(cells, mask, tuple(range(cells.ndim - 2))).reshape(-1, 2, 3)
