"""U-Net: a class, or other outputs, for each pixel of an image."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxdl import ops
from jaxdl.fields import above_zero, at_least, described, fraction, static, traced
from jaxdl.models.layers import (
    Convolution,
    Dropout,
    Initializer,
    Normalization,
    Normalize,
    initial_values,
    initializer_field,
    optional_initializer_field,
    output_size,
)


def _check_features(features: tuple[int, ...]) -> str | None:
    if len(features) < 2:
        return "must have two levels or more"
    return None if min(features) >= 1 else "must be at least 1"


@described
class UNet(nn.Module):
    """U-Net of Ronneberger et al. 2015 (arXiv:1505.04597) for images of any size; outputs for each pixel.

    On the way down, each level has two convolutions of 3x3 with ReLU, and maximum pooling of 2x2 between the levels. On
    the way up, a transposed convolution of 2x2 doubles the image and halves the channels (so that they are those of the
    level above), what the level had on the way down is joined to them, and two more convolutions follow. The last layer
    is a convolution of 1x1.

    Where the paper's convolutions shrink the image, these are padded with zeros, so that there are outputs for all
    pixels; an image whose sides are no multiple of 2 ** (levels - 1) is padded with its outermost pixels, and the
    outputs are cut. Batch normalisation is not in the paper.
    """

    features: tuple[int, ...] = static(
        (16, 32, 64), "channels of each level, from the top to the bottom; two or more", check=_check_features
    )
    outputs: int | None = static(
        None, "outputs for each pixel; none: follows the experiment's data", check=above_zero, from_data=True
    )
    normalization: Normalization = static("none", "normalisation between each convolution of 3x3 and its ReLU")
    dropout: float = traced(
        0.0, "fraction of the bottom level's activations that are dropped in training", optional=True, check=fraction
    )
    initializer: Initializer | None = optional_initializer_field(
        "he_normal for the layers with ReLU, as in the paper, and lecun_normal for the others"
    )

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        """Returns the outputs, without activation.

        Args:
            inputs: (batch, height, width, channels).
            train: whether to drop activations and to normalise by the batch's own statistics.
            lengths: must be None; all models have it.

        Returns:
            (batch, height, width, outputs).

        Raises:
            ValueError: `outputs` is None, there are fewer than two levels, there are lengths, or the inputs are not
                images.
        """
        if lengths is not None:
            raise ValueError("UNet does not read lengths, so padding would count: take RNN, or data without lengths")
        outputs = output_size(self, self.outputs)
        if inputs.ndim != 4:
            raise ValueError(f"UNet takes images of shape (batch, height, width, channels), got {inputs.shape}")
        problem = _check_features(self.features)
        if problem:
            raise ValueError(f"UNet: features={self.features}: {problem}")
        height, width = inputs.shape[1:3]
        multiple = 2 ** (len(self.features) - 1)
        missing = [(0, -size % multiple) for size in (height, width)]
        hidden = jnp.pad(inputs, ((0, 0), *missing, (0, 0)), mode="edge")
        others: Initializer = self.initializer or "lecun_normal"
        passed: list[jax.Array] = []
        for level, channels in enumerate(self.features, 1):
            if passed:
                hidden = ops.max_pool(passed[-1], (2, 2))
            hidden = self._two_convolutions(hidden, channels, f"down_{level}", train)
            passed.append(hidden)
        hidden = Dropout(self.dropout, name="dropout")(passed.pop(), train)
        for level in range(len(passed), 0, -1):
            channels = self.features[level - 1]
            hidden = jnp.concatenate([passed.pop(), Doubled(channels, others, name=f"double_{level}")(hidden)], -1)
            hidden = self._two_convolutions(hidden, channels, f"up_{level}", train)
        return Convolution(outputs, (1, 1), initializer=others, name="output")(hidden)[:, :height, :width]

    def _two_convolutions(self, hidden: jax.Array, channels: int, name: str, train: bool) -> jax.Array:
        begin: Initializer = self.initializer or "he_normal"
        for number in (1, 2):
            name_here = f"{name}_convolution_{number}"
            hidden = Convolution(channels, (3, 3), "SAME", initializer=begin, name=name_here)(hidden)
            hidden = Normalize(self.normalization, name=f"{name}_normalize_{number}")(hidden, train)
            hidden = nn.relu(hidden)
        return hidden


@described
class Doubled(nn.Module):
    """A transposed convolution of 2x2 with stride 2: each pixel becomes four.

    Parameters: ``dense/kernel`` (channels, 2 * 2 * features), whose columns are ordered by row, column and feature,
    and ``bias`` (features,).
    """

    features: int = static(32, "number of output channels", check=at_least(1))
    initializer: Initializer = initializer_field()

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Returns (batch, 2 height, 2 width, features) for inputs of shape (batch, height, width, channels)."""
        batch, height, width, _ = inputs.shape
        spread = nn.Dense(
            4 * self.features, use_bias=False, kernel_init=initial_values(self.initializer), name="dense"
        )(inputs)
        bias: jax.Array = self.param("bias", nn.initializers.zeros_init(), (self.features,), jnp.float32)
        squares = spread.reshape(batch, height, width, 2, 2, self.features).transpose(0, 1, 3, 2, 4, 5)
        doubled: jax.Array = squares.reshape(batch, 2 * height, 2 * width, self.features)
        return doubled + bias.astype(doubled.dtype).reshape(1, 1, 1, -1)
