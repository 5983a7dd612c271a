"""Random changes of the training windows of series, drawn in every step inside the compiled program."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec
from jaxdl.errors import UserError
from jaxdl.fields import at_least, described, enabled, show, traced


@described
@dataclasses.dataclass(frozen=True)
class SeriesAugmentation:
    """Random changes of each training sequence of numbers, (time, columns); none by default.

    They are those of Um et al. 2017 (Data augmentation of wearable sensor data, arXiv:1706.00552), applied to numbers
    as the model sees them: with the mean 0 and the deviation 1 of train, where the data standardise them, as series do.
    Steps beyond a sequence's length change too, and count as little as before.
    """

    jitter: float = traced(
        0.0,
        "standard deviation of normal noise that is added to each number, in units of the column's own standard "
        "deviation in train",
        optional=True,
        check=at_least(0),
    )
    scaling: float = traced(
        0.0,
        "standard deviation of the normal factor about 1 by which each column of a sequence is multiplied, one factor "
        "for all of its steps; for series that are classified, since the numbers to forecast do not change with it",
        optional=True,
        check=at_least(0),
    )

    def check(self, spec: Spec) -> None:
        """Checks that its fields can be applied to examples of this kind.

        Raises:
            UserError: a field is set and the inputs are no sequences of numbers; or they would be scaled and what
                follows them, which is to be forecast, would not.
        """
        numbers = len(spec.input_shape) == 2 and spec.preprocess.cast != "none"
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if enabled(value) and not numbers:
                what = "ids" if spec.preprocess.cast == "none" else "numbers"
                raise UserError(
                    f"augmentation.{field.name}={show(value)}: needs sequences of numbers, (time, columns); an example "
                    f"of these data has shape {spec.input_shape} and holds {what}."
                )
        if enabled(self.scaling) and spec.windows is not None:
            raise UserError(
                f"augmentation.scaling={show(self.scaling)}: the window of a forecast cannot be scaled without what "
                "follows it; jitter can be set."
            )

    def apply(self, batch: Mapping[str, jax.Array], preprocess: Preprocess, key: jax.Array) -> dict[str, jax.Array]:
        """Returns the batch with its inputs preprocessed and changed at random.

        Args:
            batch: ``inputs`` (batch, time, columns) as stored; other arrays are returned unchanged.
            preprocess: the preprocessing of the data.
            key: random key.
        """
        inputs = preprocess(batch["inputs"])
        if enabled(self.scaling):
            shape = (inputs.shape[0], 1, inputs.shape[2])
            factors = jax.random.normal(jax.random.fold_in(key, 1), shape, jnp.float32)
            inputs = inputs * (1 + self.scaling * factors)
        if enabled(self.jitter):
            inputs = inputs + self.jitter * jax.random.normal(jax.random.fold_in(key, 0), inputs.shape, jnp.float32)
        return {**batch, "inputs": inputs}
