"""Residual network for small images."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxdl.fields import above_zero, at_least, described, static
from jaxdl.models.layers import (
    BatchNorm,
    Convolution,
    Initializer,
    initial_values,
    optional_initializer_field,
    output_size,
)


def _check_depth(depth: int) -> str | None:
    blocks = max(1, (depth - 2) // 6)
    if depth == 6 * blocks + 2:
        return None
    return f"must be 6n + 2 for a whole number n from 1, such as {6 * blocks + 2} or {6 * blocks + 8}"


@described
class ResidualBlock(nn.Module):
    """Two convolutions of 3x3, each with batch normalisation, whose result is added to the inputs; then ReLU."""

    features: int = static(16, "number of output channels", check=at_least(1))
    stride: int = static(1, "stride of the first convolution and of the shortcut", check=at_least(1))
    shortcut: Literal["A", "B"] = static("A", "see `ResNet`")
    initializer: Initializer | None = optional_initializer_field("he_normal")

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool) -> jax.Array:
        """Returns (batch, height / stride, width / stride, features), both rounded up.

        Args:
            inputs: (batch, height, width, channels).
            train: whether to normalise by the batch's own statistics.
        """
        hidden = _convolution(self.features, 3, self.stride, "convolution_1", self.initializer)(inputs)
        hidden = nn.relu(BatchNorm(name="normalize_1")(hidden, train))
        hidden = _convolution(self.features, 3, 1, "convolution_2", self.initializer)(hidden)
        hidden = BatchNorm(name="normalize_2")(hidden, train)
        return nn.relu(hidden + self._shortcut(inputs, train))

    def _shortcut(self, inputs: jax.Array, train: bool) -> jax.Array:
        more = self.features - inputs.shape[-1]
        if self.stride == 1 and not more:
            return inputs
        if self.shortcut == "B":
            projected = _convolution(self.features, 1, self.stride, "projection", self.initializer)(inputs)
            return BatchNorm(name="normalize_projection")(projected, train)
        kept = inputs[:, :: self.stride, :: self.stride]
        return jnp.pad(kept, ((0, 0), (0, 0), (0, 0), (0, more)))


@described
class ResNet(nn.Module):
    """Residual network of He et al. 2015 (arXiv:1512.03385), in the form of section 4.2 for images of 32x32 pixels.

    A convolution of 3x3; three stages of (depth - 2) / 6 residual blocks, of which the second and the third halve the
    image; the mean over the image; a dense output layer. Batch normalisation follows each convolution, which has no
    bias.
    """

    depth: int = static(20, "number of layers with weights, 6n + 2 for n blocks in a stage", check=_check_depth)
    features: tuple[int, int, int] = static((16, 32, 64), "channels of each stage", check=at_least(1))
    outputs: int | None = static(
        None, "size of the last layer; none: follows the experiment's data", check=above_zero, from_data=True
    )
    shortcut: Literal["A", "B"] = static(
        "A",
        "where a block changes the image's size or channels, what is added to its result: A: every second pixel, with "
        "zeros for the new channels; B: a convolution of 1x1 with batch normalisation",
    )
    initializer: Initializer | None = optional_initializer_field("he_normal, and lecun_normal for the output layer")

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        """Returns the outputs, without activation.

        Args:
            inputs: (batch, height, width, channels).
            train: whether to normalise by the batch's own statistics.
            lengths: must be None; all models have it.

        Returns:
            (batch, outputs).

        Raises:
            ValueError: `outputs` is None, `depth` is not 6n + 2, option A would have to drop channels, there are
                lengths, or the inputs are not images.
        """
        if lengths is not None:
            raise ValueError("ResNet does not read lengths, so padding would count: take RNN, or data without lengths")
        outputs = output_size(self, self.outputs)
        self._check(inputs)
        hidden = _convolution(self.features[0], 3, 1, "convolution", self.initializer)(inputs)
        hidden = nn.relu(BatchNorm(name="normalize")(hidden, train))
        for stage, channels in enumerate(self.features, 1):
            for number in range(1, (self.depth - 2) // 6 + 1):
                stride = 2 if stage > 1 and number == 1 else 1
                name = f"stage_{stage}_block_{number}"
                hidden = ResidualBlock(channels, stride, self.shortcut, self.initializer, name=name)(hidden, train)
        initial = initial_values(self.initializer or "lecun_normal")
        return nn.Dense(outputs, kernel_init=initial, name="output")(hidden.mean((1, 2)))

    def _check(self, inputs: jax.Array) -> None:
        if inputs.ndim != 4:
            raise ValueError(f"ResNet takes images of shape (batch, height, width, channels), got {inputs.shape}")
        problem = _check_depth(self.depth)
        if problem:
            raise ValueError(f"ResNet: depth={self.depth}: {problem}")
        if self.shortcut not in ("A", "B"):
            raise ValueError(f"ResNet: shortcut={self.shortcut!r}: must be A or B")
        if self.shortcut == "A" and list(self.features) != sorted(self.features):
            raise ValueError(
                f"ResNet: features={self.features}: with shortcut='A', which only adds channels, a stage cannot have "
                "fewer than the one before; take shortcut='B'"
            )


def _convolution(features: int, size: int, stride: int, name: str, initializer: Initializer | None) -> Convolution:
    begin: Initializer = initializer or "he_normal"
    return Convolution(features, (size, size), "SAME", stride, use_bias=False, initializer=begin, name=name)
