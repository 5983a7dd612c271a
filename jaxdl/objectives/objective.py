"""What an objective is: what training minimises, and what targets and outputs mean."""

from __future__ import annotations

import abc
import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl import fields

Kind = Literal["classes", "questions", "values", "answers"]
"""What targets are: one class out of several, yes or no to each of some questions, numbers, or classes of other steps
than those of the outputs."""


@dataclass(frozen=True)
class Objective(abc.ABC):
    """What training minimises, and what the outputs mean.

    Attributes:
        kind: what targets are, which decides what metrics are defined; None for an objective that does not say, for
            which none is.
        of_inputs: whether the targets are the inputs themselves, whatever targets the data have.
        bounded_by_entropy: whether the loss is a cross-entropy in nats. No model can have a lower expected one than the
            entropy of the targets, which is the best loss of a data source (`jaxdl.data.Spec`).
        standardizes: whether the outputs for numbers are in their standard form where the data standardise them; else
            they are in the targets' own unit.
        aligns: whether outputs are aligned with answers of fewer steps, so that the lengths of both count in the loss.
    """

    kind: ClassVar[Kind | None] = None
    of_inputs: ClassVar[bool] = False
    bounded_by_entropy: ClassVar[bool] = False
    standardizes: ClassVar[bool] = True
    aligns: ClassVar[bool] = False

    @abc.abstractmethod
    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        """Returns one loss for each example or each of its time steps, (batch, ...) float32.

        Raises:
            UserError: the shapes do not match.
        """

    @abc.abstractmethod
    def predictions(self, outputs: ArrayLike) -> jax.Array:
        """Returns what outputs (batch, ..., outputs) predict, float32; a single output has no last axis."""

    def measured(self, outputs: jax.Array) -> jax.Array:
        """Returns what metrics compare with the targets, (batch, ..., outputs): the outputs, unless they are others."""
        return outputs

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
