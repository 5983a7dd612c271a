"""Random changes of the training rows of a table, drawn in every step inside the compiled program."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.spec import Spec
from jaxdl.errors import UserError
from jaxdl.fields import at_least, described, enabled, fraction, show, traced


@described
@dataclasses.dataclass(frozen=True)
class TableAugmentation:
    """Random changes of each training row, (features,) numbers; none by default.

    They are applied to features as the model sees them: with the mean 0 and the deviation 1 of train, where the data
    standardise them, as tables do. So noise is in units of a feature's deviation, and a feature that is left out has
    its mean. Numbers that are not standardised are changed in their own unit, and left out they are 0.
    """

    noise: float = traced(
        0.0,
        "standard deviation of normal noise that is added to each feature, in units of the feature's own standard "
        "deviation in train (Bishop 1995, Training with noise is equivalent to Tikhonov regularization)",
        optional=True,
        check=at_least(0),
    )
    feature_dropout: float = traced(
        0.0,
        "probability that a feature of a training row has its mean over train in the place of its value, each feature "
        "by itself; the others are not enlarged (Vincent et al. 2008, Extracting and composing robust features with "
        "denoising autoencoders)",
        optional=True,
        check=fraction,
    )

    def check(self, spec: Spec) -> None:
        """Checks that the fields can be applied to examples of this kind.

        Raises:
            UserError: a field is set and the inputs are no rows of numbers.
        """
        if len(spec.input_shape) == 1 and spec.preprocess.cast != "none":
            return
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if enabled(value):
                what = "ids" if spec.preprocess.cast == "none" else "numbers"
                raise UserError(
                    f"augmentation.{field.name}={show(value)}: needs rows of numbers, (features,); an example of these "
                    f"data has shape {spec.input_shape} and holds {what}."
                )

    def apply(self, batch: Mapping[str, jax.Array], preprocess: Preprocess, key: jax.Array) -> dict[str, jax.Array]:
        """Returns the batch with its inputs preprocessed and changed at random.

        Args:
            batch: ``inputs`` (batch, features) as stored; other arrays are returned unchanged.
            preprocess: the preprocessing of the data.
            key: random key.
        """
        inputs = preprocess(batch["inputs"])
        if enabled(self.noise):
            inputs = inputs + self.noise * jax.random.normal(jax.random.fold_in(key, 0), inputs.shape, jnp.float32)
        if enabled(self.feature_dropout):
            numbers = jax.random.uniform(jax.random.fold_in(key, 1), inputs.shape, jnp.float32)
            inputs = jnp.where(numbers < self.feature_dropout, 0, inputs)
        return {**batch, "inputs": inputs}
