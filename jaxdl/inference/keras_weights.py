"""The weights of a Keras model in one of jaxdl's models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from flax import linen as nn

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.inference.layer_order import Layer, check_count, filled, fitted, layers_of, with_epsilon
from jaxdl.models.layers import EPS, EPS_BATCH

# What our kinds are called in Keras.
_CLASSES = {
    "dense": "Dense",
    "convolution": "Conv2D",
    "batch": "BatchNormalization",
    "layer": "LayerNormalization",
    "group": "GroupNormalization",
    "embed": "Embedding",
    "simple": "SimpleRNN",
    "lstm": "LSTM",
    "gru": "GRU",
}


def from_keras(
    keras_model: Any,
    model: nn.Module | Experiment,
    input_shape: Sequence[int] | None = None,
    ids: bool = False,
) -> dict[str, Any]:
    """Returns the variables of a model with the weights of a Keras model of the same architecture.

    Layers with weights are matched by their order in ``keras_model.layers``. With ``model.apply(variables, inputs)``
    outputs equal Keras's with ``training=False`` to 1e-5, where activations are the same: ``gelu`` here is the one that
    Keras calls ``approximate=True``, ``leaky_relu`` has the slope 0.01. A batch normalisation's epsilon, 1e-3 by
    default there and 1e-5 here, is made good in the running variance.

    Args:
        keras_model: a built Keras 3 model with ``layers``, channels last; or anything that has these layers, in the
            order in which this model computes them. Keras lists those of branches, as in a residual network, by depth.
        model: a model whose sizes are set, or an experiment, whose data say them.
        input_shape: of one example, such as (28, 28, 1); needed for a model.
        ids: whether inputs are ids.

    Returns:
        ``{"params": ..., "batch_stats": ...}``, NumPy float32.

    Raises:
        UserError: the layers are others, or a setting of one makes it another function.
    """
    network, example = fitted(model, input_shape, ids)
    layers, shapes = layers_of(network, example)
    theirs = list(_with_weights(keras_model.layers))
    names = [str(layer.name) for layer in theirs]
    check_count(layers, names)
    arrays = [_arrays(layer, own) for layer, own in zip(layers, theirs, strict=True)]
    return filled(shapes, layers, arrays, names)


def _with_weights(layers: Sequence[Any]) -> Iterator[Any]:
    """Yields the layers that have weights, those of nested models and both directions too."""
    for layer in layers:
        if type(layer).__name__ == "Bidirectional":
            yield from (layer.forward_layer, layer.backward_layer)
        elif hasattr(layer, "layers"):
            yield from _with_weights(layer.layers)
        elif layer.get_weights():
            yield layer


def _arrays(layer: Layer, theirs: Any) -> dict[str, np.ndarray]:
    """Returns the arrays of a layer by our names and in our layout."""
    kind, name = type(theirs).__name__, str(theirs.name)
    if kind != _CLASSES[layer.kind]:
        raise UserError(f"{name} is {kind}, and comes where the model has {layer.name}, which is {layer.kind}.")
    if getattr(theirs, "data_format", "channels_last") != "channels_last":
        raise UserError(f"{name} has channels first; build the Keras model with channels last.")
    _check_convolution(layer, theirs)
    weights = [np.asarray(array) for array in theirs.get_weights()]
    if layer.kind == "embed":
        return {"embedding": weights[0]}
    if layer.kind in ("dense", "convolution"):
        return dict(zip(("kernel", "bias"), weights, strict=False))
    if layer.kind in ("batch", "layer", "group"):
        if len(weights) != (4 if layer.kind == "batch" else 2):
            raise UserError(f"{name} has no scale or no bias (center, scale), and {layer.name} has both.")
        arrays = dict(zip(("scale", "bias", "mean", "var"), weights, strict=False))
        return with_epsilon(arrays, layer.kind, theirs.epsilon, EPS_BATCH if layer.kind == "batch" else EPS, name)
    return _recurrent(layer, theirs, weights, name)


def _check_convolution(layer: Layer, theirs: Any) -> None:
    """Raises `UserError` for a convolution that moves or pads otherwise.

    With a stride Keras pads even sizes at the end alone, and convolutions here as without one, on both sides.
    """
    if layer.kind != "convolution":
        return
    strides, padding = set(theirs.strides), str(theirs.padding).upper()
    if strides != {layer.stride}:
        raise UserError(f"{theirs.name} has strides {tuple(theirs.strides)}, and {layer.name} {layer.stride}.")
    if layer.stride == 1 and padding != layer.padding:
        raise UserError(f"{theirs.name} has padding={theirs.padding!r}, and {layer.name} {layer.padding}.")
    if layer.stride > 1 and padding == "SAME" and max(theirs.kernel_size) > 1:
        raise UserError(
            f"{theirs.name} pads even sizes otherwise than {layer.name}, since it has a stride: build it with "
            "padding='valid' behind ZeroPadding2D of half the kernel, such as ZeroPadding2D(1) for 3x3."
        )


def _recurrent(layer: Layer, theirs: Any, weights: list[np.ndarray], name: str) -> dict[str, np.ndarray]:
    if len(weights) != 3:
        raise UserError(f"{name} has no bias, and {layer.name} has one: build it with use_bias=True.")
    if layer.kind != "gru":
        return dict(zip(("kernel", "recurrent_kernel", "bias"), weights, strict=True))
    if not theirs.reset_after:
        raise UserError(f"{name} has reset_after=False, which is another function; {layer.name} resets after.")

    def turned(array: np.ndarray) -> np.ndarray:
        update, reset, new = np.split(array, 3, -1)  # Keras: z, r, h
        return np.concatenate([reset, update, new], -1)

    kernel, recurrent, biases = map(turned, weights)
    return {"kernel": kernel, "recurrent_kernel": recurrent, "bias": biases[0], "recurrent_bias": biases[1]}
