"""How wrong answers are that were aligned with more steps: the labels to change for the right ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl.objectives import counting
from jaxdl.objectives.measures import Metric


@dataclass(frozen=True)
class LabelErrorRate(Metric):
    """Labels to insert, remove or replace in the predicted answers, as a share of all labels of the right ones.

    An answer is read from the likeliest class at each step: repeated ones count once, and blanks are left out (best
    path decoding, Graves et al. 2006).
    """

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        targets = jnp.asarray(targets)
        mask = counting.broadcast_mask(mask, targets.shape[:1])
        lengths = jnp.sum(targets >= 0, 1, dtype=jnp.int32)
        distances = edit_distances(jnp.asarray(outputs, jnp.float32), targets)
        return {"label_errors": counting.total(distances, mask), "labels": counting.total(lengths, mask)}

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        errors, labels = (partials[key].sum(dtype=np.float64) for key in ("label_errors", "labels"))
        return {self.name: float(errors / labels) if labels else math.nan}


def ctc_decode(probabilities: ArrayLike, lengths: ArrayLike | None = None) -> list[np.ndarray]:
    """Returns the answers of a model that was trained with `CTC`, by best path decoding (Graves et al. 2006).

    Each step says its likeliest class; repeated ones count once, and blanks are left out.

    Args:
        probabilities: (examples, time, classes + 1), what the model predicts, or its outputs; the last class is the
            blank.
        lengths: (examples,) integers, the valid steps of each; None: all.

    Returns:
        For each example its labels, (steps,) int64.
    """
    best = np.asarray(probabilities).argmax(-1)
    blank = np.shape(probabilities)[-1] - 1
    if lengths is not None:
        best = np.where(np.arange(best.shape[1]) < np.asarray(lengths)[:, None], best, blank)
    before = np.concatenate([np.full_like(best[:, :1], blank), best[:, :-1]], 1)
    kept = (best != blank) & (best != before)
    return [row[said] for row, said in zip(best, kept, strict=True)]


def edit_distances(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Returns Levenshtein's distance between each right answer and the one that is read from the likeliest classes.

    Args:
        logits: (batch, time, classes + 1), the last class is the blank; NaN counts as a class of its own.
        labels: (batch, steps) integers; -1 after the end of an answer.

    Returns:
        (batch,) int32.
    """
    blank, steps = logits.shape[-1] - 1, jnp.arange(labels.shape[1] + 1, dtype=jnp.int32)
    best = jnp.where(jnp.isnan(logits).any(-1), blank + 1, jnp.argmax(logits, -1)).astype(jnp.int32)
    before = jnp.concatenate([jnp.full_like(best[:, :1], blank), best[:, :-1]], 1)
    is_label = (best != blank) & (best != before)

    def read(row: jax.Array, given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        """Goes from the distances of the answers so far, from each start of the right ones, to one label more."""
        label, counts = given
        replaced = row[:, :-1] + (labels != label[:, None])
        least = jnp.concatenate([row[:, :1] + 1, jnp.minimum(row[:, 1:] + 1, replaced)], 1)
        # Labels to insert cost 1 each: least[j] - j, its smallest value so far, and + j again.
        following = jax.lax.cummin(least - steps, axis=1) + steps
        return jnp.where(counts[:, None], following, row), None

    first = jnp.broadcast_to(steps, (len(labels), len(steps)))
    row, _ = jax.lax.scan(read, first, (best.T, is_label.T))
    return jnp.take_along_axis(row, jnp.sum(labels >= 0, 1, dtype=jnp.int32)[:, None], 1)[:, 0]
