"""Autoencoder: a network that reproduces its inputs through a layer with few units."""

from __future__ import annotations

import math

import jax
from flax import linen as nn

from jaxdl.fields import described, fraction, static, traced
from jaxdl.models.activation import activation_named, check_activation
from jaxdl.models.layers import Dense, Dropout, Initializer, initial_values, initializer_field


def _check_features(features: tuple[int, ...]) -> str | None:
    return None if features and min(features) >= 1 else "must be one or more numbers of at least 1"


@described
class Autoencoder(nn.Module):
    """Dense layers down to a code of a few numbers, and the same layers back to the shape of the inputs.

    Hinton and Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", trained as a whole from
    the start. For the objective `Reconstruction`.
    """

    features: tuple[int, ...] = static(
        (128, 64, 32),
        "units of each layer from the inputs to the code, whose size is the last number; the layers after the code "
        "have these units in reverse order",
        check=_check_features,
    )
    activation: str = static("relu", "name of the activation of all layers but code and output", check=check_activation)
    output_activation: str = static(
        "sigmoid",
        "name of the activation of the output: sigmoid for inputs in [0, 1], identity for any numbers",
        check=check_activation,
    )
    dropout: float = traced(0.0, "fraction of the inputs that are dropped in training", optional=True, check=fraction)
    initializer: Initializer = initializer_field()

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        """Returns the reconstruction, of the shape of `inputs`.

        Args:
            inputs: (batch, ...), flattened to (batch, features).
            train: whether to drop inputs.
            lengths: must be None; all models have it.

        Raises:
            ValueError: there are no layers, or there are lengths.
        """
        if lengths is not None:
            raise ValueError(
                "Autoencoder does not read lengths, so padding would count: take RNN with every_step, or data without "
                "lengths"
            )
        problem = _check_features(self.features)
        if problem:
            raise ValueError(f"Autoencoder: features={self.features}: {problem}")
        activation, initial = activation_named(self.activation), initial_values(self.initializer)
        hidden = Dropout(self.dropout, name="dropout")(inputs.reshape(inputs.shape[0], -1), train)
        for number, units in enumerate(self.features[:-1], 1):
            hidden = activation(Dense(units, kernel_init=initial, name=f"encoder_{number}")(hidden))
        hidden = Dense(self.features[-1], kernel_init=initial, name="code")(hidden)
        for number, units in enumerate(self.features[-2::-1], 1):
            hidden = activation(Dense(units, kernel_init=initial, name=f"decoder_{number}")(hidden))
        outputs = Dense(math.prod(inputs.shape[1:]), kernel_init=initial, name="output")(hidden)
        return activation_named(self.output_activation)(outputs).reshape(inputs.shape)
