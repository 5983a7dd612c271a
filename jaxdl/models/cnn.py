"""Convolutional network for images."""

from __future__ import annotations

from typing import Literal

import jax
from flax import linen as nn

from jaxdl import ops
from jaxdl.fields import above_zero, at_least, described, fraction, static, traced
from jaxdl.models.activation import MONOTONE, activation_named, check_activation
from jaxdl.models.layers import (
    Convolution,
    Dropout,
    Initializer,
    Normalization,
    Normalize,
    initial_values,
    initializer_field,
    output_size,
)

_POOLS = {"max": ops.max_pool, "average": ops.average_pool}


@described
class CNN(nn.Module):
    """Convolutions, some followed by pooling and dropout; then dense layers with dropout, and a dense output layer.

    Normalisation and activation follow each convolution and each dense layer except the last.
    """

    features: tuple[int, ...] = static((32, 64), "channels of each convolution", check=at_least(1))
    outputs: int | None = static(
        None, "size of the last layer; none: follows the experiment's data", check=above_zero, from_data=True
    )
    kernel: tuple[int, int] = static((3, 3), "height and width of the convolutions' kernels", check=at_least(1))
    padding: Literal["VALID", "SAME"] = static(
        "VALID", "VALID: a convolution shrinks the image by the kernel's size minus one; SAME: it keeps the size"
    )
    pool_after: tuple[int, ...] | None = static(
        (2,), "numbers of the convolutions followed by pooling, counted from 1; none: all", check=at_least(1)
    )
    pool: Literal["max", "average"] = static("max", "result of pooling for each window: its largest value or its mean")
    pool_window: tuple[int, int] = static(
        (2, 2),
        "height and width of the pooling windows, which do not overlap; incomplete ones at the edges are left out",
        check=at_least(1),
    )
    dropout: float = traced(
        0.0,
        "fraction of activations dropped in training after each pooling, or before the dense layers without pooling",
        optional=True,
        check=fraction,
    )
    dense: tuple[int, ...] = static((128,), "units of each dense layer before the last", check=at_least(1))
    dense_dropout: float = traced(
        0.0, "fraction of the dense layers' activations that are dropped in training", optional=True, check=fraction
    )
    activation: str = static(
        "relu", "name of the activation of the hidden layers (see `jaxdl.models.activation`)", check=check_activation
    )
    normalization: Normalization = static("none", "normalisation before each activation")
    initializer: Initializer = initializer_field()

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        """Returns the outputs, without activation.

        Args:
            inputs: (batch, height, width, channels).
            train: whether to drop activations and to normalise by the batch's own statistics.
            lengths: must be None; all models have it.

        Returns:
            (batch, outputs).

        Raises:
            ValueError: `outputs` is None, there are lengths, the inputs are not images, or they are too small for the
                layers.
        """
        if lengths is not None:
            raise ValueError("CNN does not read lengths, so padding would count: take RNN, or data without lengths")
        outputs, initial = output_size(self, self.outputs), initial_values(self.initializer)
        self._check(inputs)
        # For a monotonically increasing activation f, max f(x) = f(max x). So pooling can come first, and the bias, the
        # activation and their gradients are computed on a quarter of the elements (for windows of 2x2).
        early = self.pool == "max" and self.normalization == "none" and self.activation in MONOTONE
        pool_after = range(1, len(self.features) + 1) if self.pool_after is None else self.pool_after
        hidden = inputs
        for number, channels in enumerate(self.features, 1):
            size = hidden.shape[1:3]
            if self.padding == "VALID":
                self._check_fits(f"convolution {number}", self.kernel, size, inputs)
                size = tuple(n - wide + 1 for n, wide in zip(size, self.kernel, strict=True))
            if number in pool_after:
                self._check_fits(f"pooling after convolution {number}", self.pool_window, size, inputs)
            convolution = Convolution(
                channels, self.kernel, self.padding, initializer=self.initializer, name=f"convolution_{number}"
            )
            pools = number in pool_after
            hidden = convolution(hidden, self.pool_window if pools and early else None)
            hidden = self._activate(hidden, f"normalize_{number}", train)
            if pools and not early:
                hidden = _POOLS[self.pool](hidden, self.pool_window)
            if number in pool_after or (not pool_after and number == len(self.features)):
                hidden = Dropout(self.dropout, name=f"dropout_{number}")(hidden, train)
        hidden = hidden.reshape(hidden.shape[0], -1)
        product = None if train else ops.product  # for a single example
        for number, units in enumerate(self.dense, 1):
            hidden = nn.Dense(units, kernel_init=initial, dot_general=product, name=f"dense_{number}")(hidden)
            hidden = self._activate(hidden, f"normalize_dense_{number}", train)
            hidden = Dropout(self.dense_dropout, name=f"dropout_dense_{number}")(hidden, train)
        return nn.Dense(outputs, kernel_init=initial, name="output")(hidden)

    def _activate(self, hidden: jax.Array, name: str, train: bool) -> jax.Array:
        hidden = Normalize(self.normalization, name=name)(hidden, train)
        return activation_named(self.activation)(hidden)

    def _check(self, inputs: jax.Array) -> None:
        if inputs.ndim != 4:
            raise ValueError(f"CNN takes images of shape (batch, height, width, channels), got {inputs.shape}")
        if self.pool not in _POOLS:
            raise ValueError(f"CNN: pool={self.pool!r}: must be max or average")
        beyond = [number for number in self.pool_after or () if not 1 <= number <= len(self.features)]
        if beyond:
            raise ValueError(
                f"CNN: pool_after={self.pool_after} names convolution {beyond[0]}, but features={self.features} makes "
                f"{len(self.features)}; the first is 1"
            )

    def _check_fits(self, layer: str, window: tuple[int, int], size: tuple[int, ...], inputs: jax.Array) -> None:
        height, width = size
        if height < window[0] or width < window[1]:
            raise ValueError(
                f"CNN: {layer} has a window of {window[0]}x{window[1]} and gets {height}x{width} of images of "
                f"{inputs.shape[1]}x{inputs.shape[2]}; use larger images, padding='SAME', or fewer convolutions "
                "(features) or poolings (pool_after)"
            )
