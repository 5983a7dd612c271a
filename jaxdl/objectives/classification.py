"""Objectives whose targets are classes, or answers to yes-or-no questions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl import fields
from jaxdl.objectives import alignment, losses
from jaxdl.objectives.objective import Kind, Objective

_SMOOTHING = "fraction of the target probability spread evenly over the classes"
_GAMMA = "power of the probability of being wrong, by which the loss is multiplied; 0: none"


_WORDS = {"SoftmaxCrossEntropy": "softmax cross-entropy", "SigmoidCrossEntropy": "sigmoid cross-entropy"}


def _called(objective: Objective) -> str:
    name = type(objective).__name__
    return _WORDS.get(name, name)


class _OfClasses(Objective):
    """One class out of several; outputs are logits."""

    kind: ClassVar[Kind] = "classes"

    def problem(self, targets: np.ndarray, rows: bool) -> str | None:
        if not rows or np.allclose(targets.sum(-1), 1, atol=1e-3):
            return None
        return (
            f"{_called(self)} needs rows of probabilities that add up to 1; for several yes-no questions take "
            "sigmoid_cross_entropy"
        )

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return jax.nn.softmax(jnp.asarray(outputs, jnp.float32))


@fields.described
@dataclass(frozen=True)
class SoftmaxCrossEntropy(_OfClasses):
    """One class out of several; predicts class probabilities (batch, ..., classes)."""

    bounded_by_entropy: ClassVar[bool] = True
    label_smoothing: float = fields.traced(0.0, _SMOOTHING, optional=True, check=fields.fraction)

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.softmax_cross_entropy(outputs, targets, self.label_smoothing)


@fields.described
@dataclass(frozen=True)
class Focal(_OfClasses):
    """One class out of several, where most examples are easy: the loss of what is sure already counts less.

    Lin et al. 2017, "Focal loss for dense object detection", arXiv:1708.02002; the balance alpha there is
    ``class_weight``.
    """

    gamma: float = fields.traced(2.0, _GAMMA, check=fields.at_least(0))

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.focal(outputs, targets, self.gamma)


@dataclass(frozen=True)
class KLDivergence(_OfClasses):
    """Probabilities of classes: how far the predicted ones are from the targets; 0 where they are equal.

    The softmax cross-entropy less the targets' own entropy, so with the same gradients.
    """

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.kl_divergence(outputs, targets)


@fields.described
@dataclass(frozen=True)
class MulticlassHinge(_OfClasses):
    """One class out of several: its score is to be above all others by 1 (Crammer and Singer 2001).

    Predicts the softmax of the scores: the order of the classes is meant, no probability is.
    """

    squared: bool = fields.static(False, "square the loss")

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        found = losses.multiclass_hinge(outputs, targets)
        return found**2 if self.squared else found


def _check_threshold(value: float) -> str | None:
    return None if 0 < value < 1 else "must be above 0 and below 1"


def _threshold(since: str = "") -> Any:
    text = "probability above which metrics take the answer for yes; the loss does not depend on it"
    return fields.static(0.5, text, check=_check_threshold, since=since)


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


class _OfQuestions(Objective):
    """Yes or no, once or for several questions at a time; outputs are logits."""

    kind: ClassVar[Kind] = "questions"

    def outputs(self, needed: int, classes: int) -> int:
        return 1 if classes == 2 else needed

    def problem(self, targets: np.ndarray, rows: bool) -> str | None:
        right = targets.size == 0 or (targets.min() >= 0 and targets.max() <= 1)
        return None if right else f"{_called(self)} needs 0, 1 or probabilities; for classes take softmax_cross_entropy"

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return jax.nn.sigmoid(losses.without_axis_of_one(outputs))


@fields.described
@dataclass(frozen=True)
class SigmoidCrossEntropy(_OfQuestions):
    """Yes or no, once or for several questions at a time; predicts the probability of yes."""

    bounded_by_entropy: ClassVar[bool] = True
    label_smoothing: float = fields.traced(0.0, _SMOOTHING, optional=True, check=fields.fraction)
    threshold: float = _threshold("0.2.0")

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.sigmoid_cross_entropy(outputs, targets, self.label_smoothing)

    def boundary(self) -> float:
        return _logit(self.threshold)


@fields.described
@dataclass(frozen=True)
class SigmoidFocal(_OfQuestions):
    """Yes or no, where most answers are easy: the loss of what is sure already counts less; see `Focal`."""

    gamma: float = fields.traced(2.0, _GAMMA, check=fields.at_least(0))
    threshold: float = _threshold()

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.sigmoid_focal(outputs, targets, self.gamma)

    def boundary(self) -> float:
        return _logit(self.threshold)


@fields.described
@dataclass(frozen=True)
class Hinge(_OfQuestions):
    """Yes or no: the score is to be above 1 for yes and below -1 for no (Cortes and Vapnik 1995).

    Predicts the sigmoid of the scores, which is above one half for yes and no probability.
    """

    squared: bool = fields.static(False, "square the loss")

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.hinge(outputs, targets, self.squared)


@dataclass(frozen=True)
class CTC(Objective):
    """The classes of a shorter answer, in order, without saying at which steps; by all ways to align the two.

    Graves et al. 2006, "Connectionist temporal classification". Outputs are logits for every step, (batch, time,
    classes + 1): the last is the blank. Targets are (batch, steps) labels with ``target_lengths``. The model needs as
    many steps as the answer, and one more between two equal labels; an answer that does not fit costs about 1e5.
    Predicts probabilities (batch, time, classes + 1).
    """

    kind: ClassVar[Kind] = "answers"
    aligns: ClassVar[bool] = True

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return alignment.ctc(outputs, targets)

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return jax.nn.softmax(jnp.asarray(outputs, jnp.float32))

    def outputs(self, needed: int, classes: int) -> int:
        return needed + 1

    def problem(self, targets: np.ndarray, rows: bool) -> str | None:
        fits = targets.ndim == 2 and np.issubdtype(targets.dtype, np.integer)
        return None if fits else "ctc needs answers of several steps: integers (examples, steps)"
