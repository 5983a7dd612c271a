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
from scipy.special import log_softmax

from jaxdl.errors import UserError
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


def ctc_decode(probabilities: ArrayLike, lengths: ArrayLike | None = None, beam: int = 0) -> list[np.ndarray]:
    """Returns the answers of a model that was trained with `CTC`.

    By best path decoding (Graves et al. 2006) each step says its likeliest class; repeated ones count once, and blanks
    are left out. By prefix beam search (Hannun et al. 2014, arXiv:1408.2873, algorithm 1, without a language model) the
    answer is the likeliest one, over all ways to align it, among the beginnings that were kept at each step.

    Args:
        probabilities: (examples, time, classes + 1), what the model predicts, or its outputs; the last class is the
            blank. Rows that are not probabilities, at least 0 with the sum 1, are taken as logits.
        lengths: (examples,) integers, the valid steps of each; None: all.
        beam: how many beginnings of answers the search keeps at each step, such as 10; 0: best path decoding.

    Returns:
        For each example its labels, (steps,) int64.

    Raises:
        UserError: `beam` is below 0.
    """
    given = np.asarray(probabilities)
    counts = np.full(len(given), given.shape[1]) if lengths is None else np.asarray(lengths)
    if beam < 0:
        raise UserError(f"ctc_decode: beam={beam}: give a number of beginnings to keep, or 0 for the best path.")
    if beam:
        logs = _log_probabilities(given)
        return [_likeliest(steps[:count], beam) for steps, count in zip(logs, counts, strict=True)]
    best, blank = given.argmax(-1), given.shape[-1] - 1
    best = np.where(np.arange(best.shape[1]) < counts[:, None], best, blank)
    before = np.concatenate([np.full_like(best[:, :1], blank), best[:, :-1]], 1)
    kept = (best != blank) & (best != before)
    return [row[said] for row, said in zip(best, kept, strict=True)]


def _log_probabilities(given: np.ndarray) -> np.ndarray:
    """Returns the logarithms of probabilities, or of the softmax of logits, (..., classes) float64."""
    values = given.astype(np.float64)
    if values.size and (values >= 0).all() and np.allclose(values.sum(-1), 1, atol=1e-3):
        with np.errstate(divide="ignore"):
            return np.log(values)
    found: np.ndarray = log_softmax(values, axis=-1)
    return found


def _likeliest(logs: np.ndarray, beam: int) -> np.ndarray:
    """Returns the answer that a prefix beam search finds, (steps,) int64.

    Args:
        logs: (time, classes + 1) logarithms of probabilities.
        beam: how many prefixes are kept.
    """
    blank = logs.shape[1] - 1
    prefixes: list[tuple[int, ...]] = [()]
    # Of each prefix the probability of all alignments so far that end with a blank, and of those that do not.
    of_blank, of_label = np.zeros(1), np.full(1, -np.inf)
    for step in logs:
        last = np.array([prefix[-1] if prefix else blank for prefix in prefixes])
        both = np.logaddexp(of_blank, of_label)
        longer = both[:, None] + step[:blank]
        ended = np.flatnonzero(last != blank)
        # The same label again is a new one only after a blank.
        longer[ended, last[ended]] = of_blank[ended] + step[last[ended]]
        same_blank, same_label = both + step[blank], np.where(last == blank, -np.inf, of_label + step[last])
        where = {prefix: number for number, prefix in enumerate(prefixes)}
        for number, prefix in enumerate(prefixes):
            parent = where.get(prefix[:-1]) if prefix else None
            if parent is not None:  # one label more after it is a prefix that is kept already
                same_label[number] = np.logaddexp(same_label[number], longer[parent, prefix[-1]])
                longer[parent, prefix[-1]] = -np.inf
        scores = np.concatenate([np.logaddexp(same_blank, same_label), longer.reshape(-1)])
        best = np.argsort(-scores, kind="stable")[:beam]
        best = best[scores[best] > -np.inf] if np.isfinite(scores).any() else best[:1]
        prefixes = [
            prefixes[each]
            if each < len(where)
            else (*prefixes[(each - len(where)) // blank], (each - len(where)) % blank)
            for each in map(int, best)
        ]
        of_blank = np.concatenate([same_blank, np.full(longer.size, -np.inf)])[best]
        of_label = np.concatenate([same_label, longer.reshape(-1)])[best]
    return np.array(prefixes[int(np.logaddexp(of_blank, of_label).argmax())], np.int64)


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
