"""What training minimises, as values: an objective says what targets and outputs mean, and has a loss."""

from __future__ import annotations

import abc
import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl import fields
from jaxdl.objectives.losses import (
    absolute_error,
    huber,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_error,
)

Kind = Literal["classes", "questions", "values"]
"""What targets are: one class out of several, yes or no to each of some questions, or numbers."""


@dataclass(frozen=True)
class Objective(abc.ABC):
    """What training minimises, and what the outputs mean.

    Attributes:
        kind: what targets are, which decides what metrics are defined; None for an objective that does not say, for
            which none is.
        of_inputs: whether the targets are the inputs themselves, whatever targets the data have.
        bounded_by_entropy: whether the loss is a cross-entropy in nats. No model can have a lower expected one than the
            entropy of the targets, which is the best loss of a data source (`jaxdl.data.Spec`).
    """

    kind: ClassVar[Kind | None] = None
    of_inputs: ClassVar[bool] = False
    bounded_by_entropy: ClassVar[bool] = False

    @abc.abstractmethod
    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        """Returns one loss for each example or each of its time steps, (batch, ...) float32.

        Raises:
            UserError: the shapes do not match.
        """

    @abc.abstractmethod
    def predictions(self, outputs: ArrayLike) -> jax.Array:
        """Returns what outputs (batch, ..., outputs) predict, float32; a single output has no last axis."""

    def outputs(self, needed: int, classes: int) -> int:
        """Returns the size of a model's last layer for this objective.

        Args:
            needed: the size that the data name: that of the classes, or of the targets.
            classes: number of classes in the data, 0 if the targets are no classes.
        """
        return needed

    def mixed(self, targets: jax.Array, others: jax.Array, share: jax.Array, outputs: int) -> jax.Array:
        """Returns the targets of examples that are mixtures of two; see `jaxdl.augment.mixing`.

        Numbers and answers to yes-no questions are mixed as numbers, classes become probabilities.

        Args:
            targets: (batch, ...).
            others: those of the other examples, (batch, ...).
            share: how much the own targets count, in [0, 1]: (batch,), or with more of the axes of `targets`.
            outputs: number of classes, where targets are classes.

        Returns:
            float32 of the shape of `targets`; for labels (...) probabilities (..., outputs).
        """
        if self.kind == "classes" and share.ndim == targets.ndim and jnp.issubdtype(targets.dtype, jnp.integer):
            targets, others = (jax.nn.one_hot(labels, outputs, dtype=jnp.float32) for labels in (targets, others))
        share = share.reshape(share.shape + (1,) * (targets.ndim - share.ndim))
        return share * targets + (1 - share) * others

    def problem(self, targets: np.ndarray, rows: bool) -> str | None:
        """Returns what targets must be for this objective, None if they are; checked on the host before training.

        Args:
            targets: of a whole split.
            rows: whether the last axis is that of the outputs, as in one-hot rows.
        """
        return None

    def boundary(self) -> float:
        """Returns the logit above which the answer to a question is yes; 0 is a probability of one half."""
        return 0.0

    def for_evaluation(self) -> Objective:
        """Returns the objective for evaluation: without label smoothing, so that the losses of runs can be compared."""
        regularisation = {f.path: 0.0 for f in fields.own_fields(self) if f.declaration.optional}
        return dataclasses.replace(self, **regularisation)


def _check_threshold(value: float) -> str | None:
    return None if 0 < value < 1 else "must be above 0 and below 1"


_SMOOTHING = "fraction of the target probability spread evenly over the classes"


@fields.described
@dataclass(frozen=True)
class SoftmaxCrossEntropy(Objective):
    """One class out of several; predicts class probabilities (batch, ..., classes)."""

    kind: ClassVar[Kind] = "classes"
    bounded_by_entropy: ClassVar[bool] = True
    label_smoothing: float = fields.traced(0.0, _SMOOTHING, optional=True, check=fields.fraction)

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return softmax_cross_entropy(outputs, targets, self.label_smoothing)

    def problem(self, targets: np.ndarray, rows: bool) -> str | None:
        if not rows or np.allclose(targets.sum(-1), 1, atol=1e-3):
            return None
        return (
            "softmax cross-entropy needs rows of probabilities that add up to 1; for several yes-no questions take "
            "sigmoid_cross_entropy"
        )

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return jax.nn.softmax(jnp.asarray(outputs, jnp.float32))


@fields.described
@dataclass(frozen=True)
class SigmoidCrossEntropy(Objective):
    """Yes or no, once or for several questions at a time; predicts the probability of yes."""

    kind: ClassVar[Kind] = "questions"
    bounded_by_entropy: ClassVar[bool] = True
    label_smoothing: float = fields.traced(0.0, _SMOOTHING, optional=True, check=fields.fraction)
    threshold: float = fields.static(
        0.5,
        "probability above which metrics take the answer for yes; the loss does not depend on it",
        check=_check_threshold,
        since="0.2.0",
    )

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return sigmoid_cross_entropy(outputs, targets, self.label_smoothing)

    def outputs(self, needed: int, classes: int) -> int:
        return 1 if classes == 2 else needed

    def problem(self, targets: np.ndarray, rows: bool) -> str | None:
        right = targets.size == 0 or (targets.min() >= 0 and targets.max() <= 1)
        return (
            None
            if right
            else "sigmoid cross-entropy needs 0, 1 or probabilities; for classes take softmax_cross_entropy"
        )

    def boundary(self) -> float:
        return math.log(self.threshold / (1 - self.threshold))

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return jax.nn.sigmoid(_values(outputs))


class _OfValues(Objective):
    """An objective whose targets are numbers; labels count as one number each."""

    kind: ClassVar[Kind] = "values"

    def outputs(self, needed: int, classes: int) -> int:
        return 1 if classes else needed

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return _values(outputs)


@dataclass(frozen=True)
class MeanSquaredError(_OfValues):
    """Numbers; large errors weigh most; predicts the conditional mean."""

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return squared_error(outputs, targets)


@dataclass(frozen=True)
class MeanAbsoluteError(_OfValues):
    """Numbers; errors weigh in proportion to their size; predicts the conditional median."""

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return absolute_error(outputs, targets)


@fields.described
@dataclass(frozen=True)
class Huber(_OfValues):
    """Numbers with outliers."""

    delta: float = fields.traced(
        1.0,
        "size of an error beyond which the loss grows linearly; in deviations of the targets where the data "
        "standardise them",
        check=fields.above_zero,
    )

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return huber(outputs, targets, self.delta)


@dataclass(frozen=True)
class Reconstruction(_OfValues):
    """The inputs themselves, as the model gets them: its outputs have their shape; predicts the reconstruction.

    The targets of the data are not used. Outputs are compared with the inputs after augmentation and, like them, with
    their standardisation; metrics and predictions are in the range before it, [0, 1] for images.
    """

    of_inputs: ClassVar[bool] = True

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return squared_error(outputs, targets)

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return jnp.asarray(outputs, jnp.float32)


def _values(outputs: ArrayLike) -> jax.Array:
    outputs = jnp.asarray(outputs, jnp.float32)
    return outputs[..., 0] if outputs.shape[-1] == 1 else outputs


OBJECTIVES = fields.Family(
    "objective",
    {
        "softmax_cross_entropy": SoftmaxCrossEntropy,
        "sigmoid_cross_entropy": SigmoidCrossEntropy,
        "mean_squared_error": MeanSquaredError,
        "mean_absolute_error": MeanAbsoluteError,
        "huber": Huber,
        "reconstruction": Reconstruction,
    },
)
