"""Random changes of training texts, drawn in every step inside the compiled program."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec
from jaxdl.data.texts.coding import UNKNOWN
from jaxdl.errors import UserError
from jaxdl.fields import described, enabled, fraction, show, traced


@described
@dataclasses.dataclass(frozen=True)
class TextAugmentation:
    """Random changes of each training text, (steps,) ids; none by default.

    Targets stay as they are, those of a language model too: it then predicts the next word although it has not read
    all words before it.
    """

    word_dropout: float = traced(
        0.0,
        "probability that a unit of a training text, such as a word, is read as an unknown one, each by itself (Iyyer "
        "et al. 2015, Deep unordered composition rivals syntactic methods for text classification; Bowman et al. 2016, "
        "Generating sentences from a continuous space); so a model also learns what to make of unknown words",
        optional=True,
        check=fraction,
    )

    def check(self, spec: Spec) -> None:
        """Checks that the fields can be applied to examples of this kind.

        Raises:
            UserError: a field is set and the inputs are no ids of texts, or bytes, of which none is unknown.
        """
        if not enabled(self.word_dropout) or (spec.coding is not None and spec.coding.level != "byte"):
            return
        what = "bytes have no id for unknown ones" if spec.coding is not None else "these data are no texts"
        raise UserError(
            f"augmentation.word_dropout={show(self.word_dropout)}: needs texts as ids of words, subwords or "
            f"characters; {what}."
        )

    def apply(self, batch: Mapping[str, jax.Array], preprocess: Preprocess, key: jax.Array) -> dict[str, jax.Array]:
        """Returns the batch with its inputs changed at random.

        Args:
            batch: ``inputs`` (batch, steps) ids; other arrays are returned unchanged.
            preprocess: the preprocessing of the data.
            key: random key.
        """
        inputs = preprocess(batch["inputs"])
        if enabled(self.word_dropout):
            numbers = jax.random.uniform(key, inputs.shape, jnp.float32)
            dropped = (numbers < self.word_dropout) & (inputs > UNKNOWN)  # padding stays padding
            inputs = jnp.where(dropped, jnp.asarray(UNKNOWN, inputs.dtype), inputs)
        return {**batch, "inputs": inputs}
