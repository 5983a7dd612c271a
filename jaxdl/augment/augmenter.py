"""What every augmentation has in common, whatever it changes: images, tables, text or sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec

if TYPE_CHECKING:
    import jax


class Augmenter(Protocol):
    """Random changes of training batches, drawn anew in every step inside the compiled program.

    Validation, test and prediction do not use it: they see what the data's preprocessing makes of an example.
    """

    def check(self, spec: Spec) -> None:
        """Checks that examples of this kind can be changed as its fields say.

        Raises:
            UserError: they cannot; the message names the field.
        """

    def apply(self, batch: Mapping[str, jax.Array], preprocess: Preprocess, key: jax.Array) -> Mapping[str, jax.Array]:
        """Returns a batch as a model reads it: its inputs preprocessed, and whatever is to be changed changed.

        Args:
            batch: ``inputs`` (batch, ...) as stored and whatever else the data has, such as ``targets``.
            preprocess: the preprocessing of the data. It is part of this call because some changes are best made
                before it (bytes that are moved are the fewest), and others after it.
            key: random key, another one in every step.
        """
