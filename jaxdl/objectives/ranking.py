"""Figures of how scores order what is so and what is not: areas under curves over all thresholds.

Where each example has one answer, or one for each question, they are exact: evaluation keeps the score of every
example, and the host sorts those of the whole split. Where steps or pixels have classes these are too many, and scores
are counted in 2,048 bins of equal width in log-odds from -16 to 16 (a 64th each; what is beyond counts in the last
bin). Scores in one bin, as equal scores, are neither before nor behind each other.

A score that is NaN is on the wrong side of all others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl.objectives import counting, losses
from jaxdl.objectives.classes import as_classes
from jaxdl.objectives.measures import Metric

_BINS, _MOST = 2048, 16.0
# From how much is yes and how much is no among the scores from each distinct one up, highest first: a figure.
Area = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Ranking(Metric):
    """An area for each class against all others, or for each question, and their mean.

    Gives ``NAME``, the mean over those that occur and are not all, NaN if there is none; of more than two classes or
    several questions also ``NAME_per_class`` or ``NAME_per_question``. Two classes are one question.

    Attributes:
        area: see `Area`.
    """

    area: Area

    def partial(self, outputs: ArrayLike, targets: ArrayLike, mask: ArrayLike) -> dict[str, jax.Array]:
        of_kind = _as_answers if self.objective.kind == "questions" else _as_scores
        scores, yes = of_kind(outputs, targets)
        scores = jnp.where(jnp.isnan(scores), jnp.where(yes, -jnp.inf, jnp.inf), scores)
        mask = counting.broadcast_mask(mask, scores.shape[:-1])
        if scores.ndim == 2:
            return {"scores": scores, "scored_yes": yes, "scored": mask.astype(jnp.float32)}
        if self.objective.kind != "questions" and scores.shape[-1] > 1:
            scores = scores - jnp.log(-jnp.expm1(jnp.minimum(scores, -1e-7)))  # log p - log(1 - p)
        return {"binned": _binned(scores, yes, mask)}

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        if "binned" in partials:
            sums = partials["binned"].sum(0, dtype=np.float64)  # (questions, no and yes, bins)
            values = [self._value(np.arange(_BINS), *each) for each in sums]
        else:
            scores, yes, weights = (_joined(partials[key]) for key in ("scores", "scored_yes", "scored"))
            columns = zip(scores.T, yes.T, strict=True)
            values = [self._value(column, weights * ~answers, weights * answers) for column, answers in columns]
        known = [value for value in values if not math.isnan(value)]
        mean = {self.name: float(np.mean(known)) if known else math.nan}
        each = "question" if self.objective.kind == "questions" else "class"
        return mean | ({f"{self.name}_per_{each}": values} if len(values) > 1 else {})

    def _value(self, scores: np.ndarray, no: np.ndarray, yes: np.ndarray) -> float:
        """Returns the area for one question from the weights of no and yes at each score; NaN if all are the same."""
        if not no.any() or not yes.any():
            return math.nan
        counts = no + yes > 0
        scores, no, yes = scores[counts], no[counts].astype(np.float64), yes[counts].astype(np.float64)
        order = np.argsort(-scores, kind="stable")
        last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of equal scores
        return float(self.area(np.cumsum(yes[order])[last], np.cumsum(no[order])[last]))


def roc_area(yes: np.ndarray, no: np.ndarray) -> float:
    """The area under the share of yes that is found over that of no: how often a yes is above a no."""
    return _under(np.append(0, no / no[-1]), np.append(0, yes / yes[-1]))


def precision_recall_area(yes: np.ndarray, no: np.ndarray) -> float:
    """The area under straight lines between the points (recall, precision), from (0, 1)."""
    return _under(np.append(0, yes / yes[-1]), np.append(1, yes / (yes + no)))


def _under(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the area under straight lines between points."""
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())


def average_precision(yes: np.ndarray, no: np.ndarray) -> float:
    """The mean of the precision at each threshold, weighted by the recall that it adds."""
    return float((np.diff(np.append(0, yes / yes[-1])) * yes / (yes + no)).sum())


def _as_scores(outputs: ArrayLike, targets: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Returns the logarithm of the probability of each class, (..., classes), and whether it is the label.

    Of two classes only for the second: the difference of the logits, which does not round to 1 as a probability does.
    """
    logits, labels = as_classes(outputs, targets)
    if logits.shape[-1] == 2:
        return logits[..., 1:] - logits[..., :1], labels[..., None] == 1
    return jax.nn.log_softmax(logits), labels[..., None] == jnp.arange(logits.shape[-1])


def _as_answers(outputs: ArrayLike, targets: ArrayLike) -> tuple[jax.Array, jax.Array]:
    logits, targets = losses.aligned(outputs, targets)
    return logits, targets > 0.5


def _binned(scores: jax.Array, yes: jax.Array, mask: jax.Array) -> jax.Array:
    """Counts, or adds the weights of, no and yes in bins of the log-odds of scores; (questions, 2, bins).

    Args:
        scores: (..., questions) log-odds.
        yes: of this shape.
        mask: (...).
    """
    questions = scores.shape[-1]
    bins = jnp.clip((scores + _MOST) * (_BINS / 2 / _MOST), 0, _BINS - 1).astype(jnp.int32)
    weights = mask.astype(jnp.int32) if mask.dtype == bool else mask
    weights = jnp.broadcast_to(weights[..., None], scores.shape)
    column = jnp.broadcast_to(jnp.arange(questions), scores.shape)
    return jnp.zeros((questions, 2, _BINS), weights.dtype).at[column, yes.astype(jnp.int32), bins].add(weights)


def _joined(partial: np.ndarray) -> np.ndarray:
    return partial.reshape(-1, *partial.shape[2:])
