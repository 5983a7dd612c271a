"""What every augmentation has in common, for images, tables, text or sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec

if TYPE_CHECKING:
    import jax


@runtime_checkable
class Augmenter(Protocol):
    """Random changes of training batches, drawn in every step inside the compiled program.

    Validation, test and prediction do not use it; they apply only the data's preprocessing.
    """

    def check(self, spec: Spec) -> None:
        """Checks that its fields can be applied to examples of this kind.

        Raises:
            UserError: one cannot; the message names the field.
        """

    def apply(self, batch: Mapping[str, jax.Array], preprocess: Preprocess, key: jax.Array) -> Mapping[str, jax.Array]:
        """Returns a batch for a model: with its inputs preprocessed and the random changes applied.

        Args:
            batch: ``inputs`` (batch, ...) as stored, and the other arrays of the data, such as ``targets``.
            preprocess: the preprocessing of the data. It is part of this call because some changes are better made
                before it (moving bytes is cheaper than moving floats), and others after it.
            key: random key, a different one in every step.

        Returns:
            The batch. Where examples were mixed, ``other_targets`` has the targets of the other examples and ``share``
            how much the own ones count, see `jaxdl.objectives.Objective.mixed`.
        """
