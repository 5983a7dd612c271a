"""Multilayer perceptron."""

from __future__ import annotations

import jax
from flax import linen as nn

from jaxdl import ops
from jaxdl.fields import above_zero, at_least, described, fraction, static, traced
from jaxdl.models.activation import activation_named, check_activation
from jaxdl.models.layers import (
    Dropout,
    Initializer,
    Normalization,
    Normalize,
    initial_values,
    initializer_field,
    output_size,
)


@described
class MLP(nn.Module):
    """Dense layers, each with normalisation, activation and dropout; then a dense output layer."""

    features: tuple[int, ...] = static(
        (128,), "units of each hidden layer; an empty list gives a linear model", check=at_least(1)
    )
    outputs: int | None = static(
        None, "size of the last layer; none: follows the experiment's data", check=above_zero, from_data=True
    )
    activation: str = static(
        "relu", "name of the activation of each hidden layer (see `jaxdl.models.activation`)", check=check_activation
    )
    normalization: Normalization = static("none", "normalisation between each hidden layer and its activation")
    dropout: float = traced(
        0.0, "fraction of each hidden layer's activations that are dropped in training", optional=True, check=fraction
    )
    initializer: Initializer = initializer_field()

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        """Returns the outputs, without activation.

        Args:
            inputs: (batch, ...), flattened to (batch, features).
            train: whether to drop activations and to normalise by the batch's own statistics.
            lengths: must be None; all models have it.

        Returns:
            (batch, outputs).

        Raises:
            ValueError: `outputs` is None, there are lengths.
        """
        if lengths is not None:
            raise ValueError("MLP does not read lengths, so padding would count: take RNN, or data without lengths")
        outputs, initial = output_size(self, self.outputs), initial_values(self.initializer)
        hidden = inputs.reshape(inputs.shape[0], -1)
        product = None if train else ops.product  # for a single example
        for number, units in enumerate(self.features, 1):
            hidden = nn.Dense(units, kernel_init=initial, dot_general=product, name=f"dense_{number}")(hidden)
            hidden = Normalize(self.normalization, name=f"normalize_{number}")(hidden, train)
            hidden = activation_named(self.activation)(hidden)
            hidden = Dropout(self.dropout, name=f"dropout_{number}")(hidden, train)
        return nn.Dense(outputs, kernel_init=initial, name="output")(hidden)
