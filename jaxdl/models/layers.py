"""Layers that several models use."""

from __future__ import annotations

import functools
import typing
from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxdl import ops
from jaxdl.fields import above_zero, at_least, described, enabled, fraction, static, traced

Normalization = Literal["none", "batch", "layer", "group"]
Initializer = Literal[
    "lecun_normal", "lecun_uniform", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "orthogonal"
]
_MOST_GROUPS = 32
_SMALLEST_GROUP = 4
# Flax's, whose product oneDNN can compute.
Dense = functools.partial(nn.Dense, dot_general=ops.dot_general)
# Added to variances; Flax's defaults.
EPS_BATCH, EPS = 1e-5, 1e-6
_KEPT = 0.99


_INITIALIZERS = (
    "distribution of the initial kernels: normal (cut off at two deviations) or uniform, with the variance 1 / inputs "
    "(LeCun et al. 1998), 2 / (inputs + outputs) (Glorot and Bengio 2010; Keras's default is glorot_uniform) or 2 / "
    "inputs (He et al. 2015); or orthogonal (Saxe et al. 2014)"
)


def initializer_field(but: str = "") -> Any:
    """Returns the field of a model that says how its kernels begin.

    Args:
        but: which of its kernels it is not for.
    """
    return static("lecun_normal", f"{_INITIALIZERS}; {but}" if but else _INITIALIZERS, since="0.3.0")


def optional_initializer_field(otherwise: str) -> Any:
    """Returns the field, None by default, of a model whose kernels differ in how they begin.

    Args:
        otherwise: how they begin with None.
    """
    return static(None, f"{_INITIALIZERS}; none: {otherwise}", since="0.3.0")


def initial_values(name: str) -> nn.initializers.Initializer:
    """Returns the function of Flax that makes initial kernels; see `initializer_field`.

    Raises:
        ValueError: it is not one of `Initializer`.
    """
    if name not in typing.get_args(Initializer):
        raise ValueError(f"initializer={name!r}: must be one of {', '.join(typing.get_args(Initializer))}")
    if name == "orthogonal":
        return orthogonal
    made: nn.initializers.Initializer = getattr(nn.initializers, name)()
    return made


def orthogonal(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    """Returns what `flax.linen.initializers.orthogonal` does, also under `jax.vmap` one matrix after the other.

    On the CPU jaxlib decomposes several matrices in one call on XLA's threads, and occupies one of them to wait for the
    others. As many such calls at a time as there are threads wait forever, as on two devices of a machine of two cores.
    """
    one = jax.custom_batching.sequential_vmap(lambda key: nn.initializers.orthogonal()(key, shape, dtype))
    found: jax.Array = one(key)
    return found


@described
class Convolution(nn.Module):
    """A convolution over (batch, height, width, channels) with the parameters and initialisers of `flax.linen.Conv`."""

    features: int = static(32, "number of output channels", check=at_least(1))
    window: tuple[int, int] = static((3, 3), "height and width of the kernel", check=at_least(1))
    padding: Literal["VALID", "SAME"] = static(
        "VALID", "VALID: the image shrinks by the window minus one; SAME: it is padded with zeros and keeps its size"
    )
    stride: int = static(
        1, "keep every such row and column of the result, from the first; SAME pads as without", check=at_least(1)
    )
    use_bias: bool = static(True, "whether a bias is added; normalisation over the batch, if it follows, removes it")
    gain: float = static(
        1.0, "variance of the initial weights times the number of inputs of an output", check=above_zero
    )
    initializer: Initializer = initializer_field("other than lecun_normal, gain does not count")

    @nn.compact
    def __call__(self, inputs: jax.Array, pool_window: tuple[int, int] | None = None) -> jax.Array:
        """Returns (batch, height, width, features) for inputs of shape (batch, height, width, channels).

        Args:
            inputs: the images.
            pool_window: also apply maximum pooling with windows of this size, which is cheaper than pooling afterwards;
                with a stride of 1.
        """
        shape = (*self.window, inputs.shape[-1], self.features)
        initial = initial_values(self.initializer)
        if self.initializer == "lecun_normal":
            initial = nn.initializers.variance_scaling(self.gain, "fan_in", "truncated_normal")
        kernel: jax.Array = self.param("kernel", initial, shape, jnp.float32)
        bias: jax.Array | None = None
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), jnp.float32)
        inputs, kernel, bias = nn.dtypes.promote_dtype(inputs, kernel, bias)
        if pool_window is None:
            outputs = ops.convolution(inputs, kernel, strides=self.stride, padding=self._padding())
        else:  # the bias is the same for a whole window, so it can be added after pooling
            outputs = ops.convolution_max_pool(inputs, kernel, pool_window, padding=self.padding)
        return outputs if bias is None else outputs + _last_of(4, bias)

    def _padding(self) -> str | list[tuple[int, int]]:
        """Returns the padding for `ops.convolution`, whose SAME depends on the stride and may move the image."""
        if self.padding == "VALID" or self.stride == 1:
            return self.padding
        return [((wide - 1) // 2, wide // 2) for wide in self.window]


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


class BatchNorm(nn.Module):
    """Normalises each channel over the batch and the image (Ioffe and Szegedy 2015).

    In training by the batch's own statistics, which enter running averages (collection ``batch_stats``: ``mean`` and
    ``var``, of which a step keeps 0.99); otherwise by those averages.
    """

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool) -> jax.Array:
        """Returns the shape of `inputs`, (batch, ..., channels)."""
        channels = inputs.shape[-1:]
        mean = self.variable("batch_stats", "mean", jnp.zeros, channels, jnp.float32)
        variance = self.variable("batch_stats", "var", jnp.ones, channels, jnp.float32)
        if not train:
            centered = inputs - _last_of(inputs.ndim, mean.value)
            return _scaled(self, inputs, centered, _last_of(inputs.ndim, variance.value), EPS_BATCH)
        centered, batch_mean, batch_variance = ops.moments(inputs, tuple(range(inputs.ndim - 1)))
        if not self.is_initializing():
            for running, now in ((mean, batch_mean), (variance, batch_variance)):
                running.value = _KEPT * running.value + (1 - _KEPT) * now.reshape(channels)
        return _scaled(self, inputs, centered, batch_variance, EPS_BATCH)


class GroupNorm(nn.Module):
    """Normalises each example over the image and each of the `groups` groups of channels (Wu and He 2018)."""

    groups: int

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Returns the shape of `inputs`, (batch, ..., channels)."""
        centered, _, variance = ops.moments(inputs, tuple(range(1, inputs.ndim - 1)), self.groups)
        return _scaled(self, inputs, centered, variance, EPS)


class LayerNorm(nn.Module):
    """Normalises each position over its channels (Ba et al. 2016)."""

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Returns the shape of `inputs`, (batch, ..., channels)."""
        centered, _, variance = ops.moments(inputs, (-1,))
        return _scaled(self, inputs, centered, variance, EPS)


def _scaled(module: nn.Module, inputs: jax.Array, centered: jax.Array, variance: jax.Array, eps: float) -> jax.Array:
    """Returns the activations divided by their deviation, times a learnt scale plus a learnt bias.

    Args:
        module: owns scale and bias, both (channels,) float32.
        inputs: (batch, ..., channels); the result has their shape, and the dtype of inputs and parameters together.
        centered: differences from the mean, of the shape of `inputs`.
        variance: broadcasts to that shape.
        eps: keeps the result finite where the variance is 0.
    """
    channels = inputs.shape[-1:]
    scale: jax.Array = module.param("scale", nn.initializers.ones, channels, jnp.float32)
    bias: jax.Array = module.param("bias", nn.initializers.zeros, channels, jnp.float32)
    # First the variance times the scale, which are small: so a train step takes a tenth less time.
    factor = jax.lax.rsqrt(variance + eps) * _last_of(inputs.ndim, scale)
    return (centered * factor + _last_of(inputs.ndim, bias)).astype(jnp.result_type(inputs, scale, bias))


def _last_of(dimensions: int, vector: jax.Array) -> jax.Array:
    """Returns (channels,) as (1, ..., 1, channels): JAX can be set to refuse what has fewer dimensions."""
    return vector.reshape((1,) * (dimensions - 1) + vector.shape)


@described
class Normalize(nn.Module):
    """Normalises activations by the method with the given name.

    ``batch``: `BatchNorm`; ``layer``: `LayerNorm`; ``group``: `GroupNorm` with the largest number of groups that
    divides the channels, at most 32, with at least 4 channels in each, so that a group of a dense layer has several
    values. All take the variance in two passes, see `jaxdl.ops.moments`.
    """

    kind: Normalization = static(
        "none", "how activations are normalised: not at all, or over the batch, a layer, or groups of channels"
    )

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool) -> jax.Array:
        """Returns the shape of `inputs`, (batch, ..., channels)."""
        if self.kind == "none":
            return inputs
        if self.kind == "batch":
            normalized = BatchNorm(name="batch")(inputs, train)
        elif self.kind == "layer":
            normalized = LayerNorm(name="layer")(inputs)
        elif self.kind == "group":
            normalized = GroupNorm(group_count(inputs.shape[-1]), name="group")(inputs)
        else:
            raise ValueError(f"normalization={self.kind!r}: must be one of none, batch, layer, group")
        return normalized


def group_count(channels: int) -> int:
    """Returns the number of groups of channels that `Normalize` takes."""
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
