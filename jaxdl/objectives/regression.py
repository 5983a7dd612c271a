"""Objectives whose targets are numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxdl import fields
from jaxdl.objectives import losses
from jaxdl.objectives.losses import without_axis_of_one
from jaxdl.objectives.objective import Kind, Objective


class _OfValues(Objective):
    """An objective whose targets are numbers; labels count as one number each."""

    kind: ClassVar[Kind] = "values"

    def outputs(self, needed: int, classes: int) -> int:
        return 1 if classes else needed

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return without_axis_of_one(outputs)


@dataclass(frozen=True)
class MeanSquaredError(_OfValues):
    """Numbers; large errors weigh most; predicts the conditional mean."""

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.squared_error(outputs, targets)


@dataclass(frozen=True)
class MeanAbsoluteError(_OfValues):
    """Numbers; errors weigh in proportion to their size; predicts the conditional median."""

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.absolute_error(outputs, targets)


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
        return losses.huber(outputs, targets, self.delta)


@dataclass(frozen=True)
class LogCosh(_OfValues):
    """Numbers with outliers: the logarithm of cosh of the error, half its square where it is small, else its size."""

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.log_cosh(outputs, targets)


@dataclass(frozen=True)
class Poisson(_OfValues):
    """Counts, which are at least 0: outputs are the logarithms of their expected numbers, which it predicts.

    Minus the logarithm of the Poisson distribution, without the part that does not depend on the model. Targets are not
    standardised.
    """

    standardizes: ClassVar[bool] = False

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.poisson(outputs, targets)

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return jnp.exp(without_axis_of_one(outputs))

    def measured(self, outputs: jax.Array) -> jax.Array:
        return jnp.exp(outputs)

    def problem(self, targets: np.ndarray, rows: bool) -> str | None:
        return None if not targets.size or targets.min() >= 0 else "poisson needs counts, which are at least 0"


@dataclass(frozen=True)
class CosineSimilarity(_OfValues):
    """Directions, such as embeddings: one minus the cosine of the angle between outputs and targets.

    Their lengths do not matter. Targets are not standardised: that would turn them.
    """

    standardizes: ClassVar[bool] = False

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.cosine_distance(outputs, targets)

    def problem(self, targets: np.ndarray, rows: bool) -> str | None:
        return None if targets.ndim > 1 else "cosine_similarity needs several numbers for each example"


@dataclass(frozen=True)
class Reconstruction(_OfValues):
    """The inputs themselves, as the model gets them: its outputs have their shape; predicts the reconstruction.

    The targets of the data are not used. Outputs are compared with the inputs after augmentation and, like them, with
    their standardisation; metrics and predictions are in the range before it, [0, 1] for images.
    """

    of_inputs: ClassVar[bool] = True

    def losses(self, outputs: ArrayLike, targets: ArrayLike) -> jax.Array:
        return losses.squared_error(outputs, targets)

    def predictions(self, outputs: ArrayLike) -> jax.Array:
        return jnp.asarray(outputs, jnp.float32)
