"""The weights of a PyTorch model in one of jaxdl's models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flax import linen as nn

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.inference.layer_order import Layer, check_count, filled, fitted, layers_of, rows_by_position, with_epsilon
from jaxdl.models.layers import EPS, EPS_BATCH

_RECURRENT = re.compile(r"(weight|bias)_(ih|hh)_l(\d+)(_reverse)?")
_GATES = {"simple": 1, "lstm": 4, "gru": 3}


def from_torch(
    state_dict: Mapping[str, Any],
    model: nn.Module | Experiment,
    input_shape: Sequence[int] | None = None,
    epsilon: float | None = None,
    ids: bool = False,
) -> dict[str, Any]:
    """Returns the variables of a model with the weights of a PyTorch model of the same architecture.

    Layers are matched by their order, which in a ``state_dict`` is that of their definition; names do not matter. A
    dense layer after images, whose rows PyTorch has in the order (channels, height, width), is reordered; so is the
    first one of an MLP on images. With ``model.apply(variables, inputs)`` outputs equal PyTorch's in ``eval()`` to
    1e-5, where activations are the same: gelu here is the one that PyTorch calls ``approximate="tanh"``.

    Args:
        state_dict: names to tensors or arrays: what ``module.state_dict()`` returns.
        model: a model whose sizes are set, or an experiment, whose data say them.
        input_shape: of one example, such as (28, 28, 1) with channels last; needed for a model.
        epsilon: what PyTorch's normalisations add to the variance, where it is not their default of 1e-5; needed for
            layer and group normalisation, which must be trained with the 1e-6 that they have here.
        ids: whether inputs are ids.

    Returns:
        ``{"params": ..., "batch_stats": ...}``, NumPy float32.

    Raises:
        UserError: the layers are others, or an epsilon is.
    """
    network, example = fitted(model, input_shape, ids)
    layers, shapes = layers_of(network, example)
    groups = _by_layer(state_dict)
    check_count(layers, list(groups))
    arrays = [_arrays(layer, own, epsilon, name) for layer, (name, own) in zip(layers, groups.items(), strict=True)]
    return filled(shapes, layers, arrays, list(groups))


def _by_layer(state_dict: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Returns the arrays of each layer by their names in it; each layer and direction of a recurrence is one."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, tensor in state_dict.items():
        prefix, _, leaf = name.rpartition(".")
        if leaf == "num_batches_tracked":
            continue
        found = _RECURRENT.fullmatch(leaf)
        if found:
            prefix, leaf = f"{prefix}.l{found[3]}{found[4] or ''}", f"{found[1]}_{found[2]}"
        array = tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor)
        groups.setdefault(prefix, {})[leaf] = array
    return groups


def _arrays(layer: Layer, own: Mapping[str, np.ndarray], epsilon: float | None, name: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a layer by our names and in our layout."""
    if layer.kind in _GATES:
        return _recurrent(layer, own, name)
    if "weight" not in own:
        raise UserError(f"{name} has {', '.join(own)}, and {layer.name} needs a weight ({layer.kind}).")
    weight = own["weight"]
    bias = {"bias": own["bias"]} if "bias" in own else {}
    dimensions = {"dense": 2, "convolution": 4, "embed": 2}.get(layer.kind, 1)
    if weight.ndim != dimensions or (layer.kind == "batch") != ("running_var" in own):
        raise UserError(f"{name} (weight {weight.shape}) comes where the model has {layer.name}, {layer.kind}.")
    if layer.kind == "dense":
        return {"kernel": rows_by_position(weight.T, layer.channels), **bias}
    if layer.kind == "convolution":
        return {"kernel": weight.transpose(2, 3, 1, 0), **bias}
    if layer.kind == "embed":
        return {"embedding": weight}
    scaled = {"scale": weight, **bias}
    if layer.kind == "batch":
        scaled |= {"mean": own["running_mean"], "var": own["running_var"]}
        return with_epsilon(scaled, "batch", 1e-5 if epsilon is None else epsilon, EPS_BATCH, name)
    return with_epsilon(scaled, layer.kind, epsilon, EPS, name)


def _recurrent(layer: Layer, own: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Returns a recurrence's arrays: PyTorch has gates in our order, and always two biases."""
    if "weight_ih" not in own:
        raise UserError(f"{name} has {', '.join(own)}, and {layer.name} is a recurrence ({layer.kind}).")
    units = own["weight_hh"].shape[1]
    if own["weight_hh"].shape[0] != _GATES[layer.kind] * units:
        raise UserError(f"{name} has {own['weight_hh'].shape[0] // units} gates, and {layer.name} is {layer.kind}.")
    zeros = np.zeros(own["weight_ih"].shape[0], np.float32)
    of_inputs, of_state = own.get("bias_ih", zeros), own.get("bias_hh", zeros)
    kernels = {"kernel": own["weight_ih"].T, "recurrent_kernel": own["weight_hh"].T}
    if layer.kind == "gru":
        return {**kernels, "bias": of_inputs, "recurrent_bias": of_state}
    return {**kernels, "bias": of_inputs + of_state}
