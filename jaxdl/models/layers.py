"""Layers that several models use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jax
from flax import linen as nn

from jaxdl import ops
from jaxdl.fields import at_least, described, enabled, fraction, static, traced

Normalization = Literal["none", "batch", "layer", "group"]
_MOST_GROUPS = 32
_SMALLEST_GROUP = 4


@described
class Convolution(nn.Module):
    """A convolution over (batch, height, width, channels) with the parameters and initialisers of `flax.linen.Conv`."""

    features: int = static(32, "number of output channels", check=at_least(1))
    window: tuple[int, int] = static((3, 3), "height and width of the kernel", check=at_least(1))
    padding: Literal["VALID", "SAME"] = static(
        "VALID", "VALID: the image shrinks by the window minus one; SAME: it is padded with zeros and keeps its size"
    )

    @nn.compact
    def __call__(self, inputs: jax.Array, pool_window: tuple[int, int] | None = None) -> jax.Array:
        """Returns (batch, height, width, features) for inputs of shape (batch, height, width, channels).

        Args:
            inputs: the images.
            pool_window: also apply maximum pooling with windows of this size, which is cheaper than pooling afterwards.
        """
        shape = (*self.window, inputs.shape[-1], self.features)
        kernel: jax.Array = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias: jax.Array = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        inputs, kernel, bias = nn.dtypes.promote_dtype(inputs, kernel, bias)
        if pool_window is None:
            return ops.convolution(inputs, kernel, padding=self.padding) + bias
        # The bias is the same for a whole window, so it can be added after pooling.
        return ops.convolution_max_pool(inputs, kernel, pool_window, padding=self.padding) + bias


@described
class Dropout(nn.Module):
    """Sets a fraction of the activations to zero in training and scales the others; uses the RNG stream ``dropout``."""

    rate: float = traced(
        0.5,
        "fraction of activations that are dropped; zero leaves dropout out of the program, and a tracer is allowed",
        optional=True,
        check=fraction,
    )

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool) -> jax.Array:
        """Returns an array like `inputs`, or `inputs` themselves unless `train`."""
        if not train or not enabled(self.rate):
            return inputs
        return ops.dropout(inputs, self.rate, self.make_rng("dropout"))


@described
class Normalize(nn.Module):
    """Normalises activations by the method with the given name.

    ``batch``: each channel over the batch and the image, by the batch's own statistics in training and by running
    averages (collection ``batch_stats``) otherwise (Ioffe and Szegedy 2015). ``layer``: each position over its
    channels (Ba et al. 2016). ``group``: each example over groups of channels and the image (Wu and He 2018); the
    largest number of groups that divides the channels, at most 32, with at least 4 channels in each, so that a group of
    a dense layer has several values.

    The variance is the mean of the squared differences from the mean, in two passes over the activations. The mean of
    the squares minus the square of the mean takes one, but in float32 nothing is left of a variance of 1 at a mean of
    10,000 (Chan et al. 1983, "Algorithms for computing the sample variance").
    """

    kind: Normalization = static(
        "none", "how activations are normalised: not at all, or over the batch, a layer, or groups of channels"
    )

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool) -> jax.Array:
        """Returns the shape of `inputs`, (batch, ..., channels)."""
        if self.kind == "none":
            return inputs
        normalize: Callable[[jax.Array], jax.Array]
        if self.kind == "batch":
            normalize = nn.BatchNorm(use_running_average=not train, use_fast_variance=False, name="batch")
        elif self.kind == "layer":
            normalize = nn.LayerNorm(use_fast_variance=False, name="layer")
        elif self.kind == "group":
            normalize = nn.GroupNorm(_groups(inputs.shape[-1]), use_fast_variance=False, name="group")
        else:
            raise ValueError(f"normalization={self.kind!r}: must be one of none, batch, layer, group")
        normalized: jax.Array = normalize(inputs)
        return normalized


def _groups(channels: int) -> int:
    most = max(1, min(_MOST_GROUPS, channels // _SMALLEST_GROUP))
    return max(number for number in range(1, most + 1) if channels % number == 0)


def output_size(model: nn.Module, outputs: int | None) -> int:
    """Returns the size of a model's last layer.

    Raises:
        ValueError: it is None; only an experiment can fill it in from its data.
    """
    if outputs is None:
        name = type(model).__name__
        raise ValueError(
            f"{name}: outputs is None, so the size of the last layer is not known; give it, as in {name}(outputs=10), "
            "or use the model in an experiment, where it follows the data"
        )
    return outputs
