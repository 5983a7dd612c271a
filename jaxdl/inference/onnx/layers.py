"""The layers of several models as ONNX operations.

Channels are always axis 1: (batch, channels) or (batch, channels, height, width).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxdl.inference.onnx.graph import Graph
from jaxdl.models.layers import EPS, EPS_BATCH, group_count

Variables = Mapping[str, Any]
# Activations that are one operation with these attributes.
_ONE: dict[str, tuple[str, dict[str, Any]]] = {
    "celu": ("Celu", {"alpha": 1.0}),
    "elu": ("Elu", {"alpha": 1.0}),
    "gelu": ("Gelu", {"approximate": "tanh"}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_silu": ("HardSwish", {}),
    "hard_swish": ("HardSwish", {}),
    "identity": ("Identity", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "log_softmax": ("LogSoftmax", {"axis": 1}),
    "relu": ("Relu", {}),
    "selu": ("Selu", {}),
    "sigmoid": ("Sigmoid", {}),
    "soft_sign": ("Softsign", {}),
    "softmax": ("Softmax", {"axis": 1}),
    "softplus": ("Softplus", {}),
    "tanh": ("Tanh", {}),
}
_CLIPPED = {"hard_tanh": (-1.0, 1.0), "relu6": (0.0, 6.0)}


def activation(graph: Graph, name: str, hidden: str) -> str:
    """Adds an activation of `jaxdl.models.activation`."""
    if name in _CLIPPED:
        low, high = (graph.constant(np.float32(bound)) for bound in _CLIPPED[name])
        return graph.add("Clip", hidden, low, high)
    if name in ("silu", "swish"):
        return graph.add("Mul", hidden, graph.add("Sigmoid", hidden))
    if name == "log_sigmoid":
        return graph.add("Neg", graph.add("Softplus", graph.add("Neg", hidden)))
    operation, attributes = _ONE[name]
    return graph.add(operation, hidden, **attributes)


def dense(graph: Graph, variables: Variables, hidden: str, kernel: Any = None) -> str:
    """Adds a dense layer over the last axis; `kernel` replaces its own, (features, units)."""
    weights = graph.constant(variables["kernel"] if kernel is None else kernel, "kernel")
    return graph.add("Add", graph.add("MatMul", hidden, weights), graph.constant(variables["bias"], "bias"))


def convolution(graph: Graph, variables: Variables, hidden: str, padding: str, stride: int = 1) -> str:
    """Adds a convolution of `jaxdl.models.layers.Convolution` over (batch, channels, height, width)."""
    kernel = np.asarray(variables["kernel"])
    before_after = [((wide - 1) // 2, wide // 2) if padding == "SAME" else (0, 0) for wide in kernel.shape[:2]]
    inputs = [hidden, graph.constant(kernel.transpose(3, 2, 0, 1), "kernel")]
    if "bias" in variables:
        inputs.append(graph.constant(variables["bias"], "bias"))
    pads = [before for before, _ in before_after] + [after for _, after in before_after]
    return graph.add("Conv", *inputs, strides=[stride, stride], pads=pads)


def pool(graph: Graph, kind: str, hidden: str, window: tuple[int, int]) -> str:
    """Adds pooling with windows that do not overlap; incomplete ones are left out."""
    operation = {"max": "MaxPool", "average": "AveragePool"}[kind]
    return graph.add(operation, hidden, kernel_shape=list(window), strides=list(window))


def normalize(
    graph: Graph, kind: str, params: Variables, statistics: Variables, hidden: str, shape: tuple[int, ...]
) -> str:
    """Adds a normalisation of `jaxdl.models.layers.Normalize`.

    Args:
        graph: to add to.
        kind: ``none``, ``batch``, ``layer`` or ``group``.
        params: ``scale`` and ``bias``, below the name of the kind.
        statistics: ``mean`` and ``var``, for ``batch``.
        hidden: (batch, *shape).
        shape: (channels,) or (channels, height, width).
    """
    if kind == "none":
        return hidden
    if kind == "batch":
        return batch_norm(graph, params["batch"], statistics["batch"], hidden)
    variables = params[kind]
    if kind == "layer":
        centered = _standardized(graph, hidden, 1)
    else:
        groups = group_count(shape[0])
        # The batch is -1 and not 0: a shape with both copied and found sizes is refused for no example.
        grouped = graph.add("Reshape", hidden, graph.sizes(-1, groups, math.prod(shape) // groups))
        centered = graph.add("Reshape", _standardized(graph, grouped, 2), graph.sizes(-1, *shape))
    scaled = graph.add("Mul", centered, _of_channels(graph, variables["scale"], shape))
    return graph.add("Add", scaled, _of_channels(graph, variables["bias"], shape))


def batch_norm(graph: Graph, params: Variables, statistics: Variables, hidden: str) -> str:
    """Adds a batch normalisation by running averages."""
    arrays = (params["scale"], params["bias"], statistics["mean"], statistics["var"])
    return graph.add("BatchNormalization", hidden, *map(graph.constant, arrays), epsilon=EPS_BATCH)


def _standardized(graph: Graph, hidden: str, axis: int) -> str:
    """Adds the differences from the mean over an axis, divided by the deviation."""
    axes = graph.sizes(axis)
    centered = graph.add("Sub", hidden, graph.add("ReduceMean", hidden, axes, keepdims=1))
    variance = graph.add("ReduceMean", graph.add("Mul", centered, centered), axes, keepdims=1)
    deviation = graph.add("Sqrt", graph.add("Add", variance, graph.constant(np.float32(EPS))))
    return graph.add("Div", centered, deviation)


def _of_channels(graph: Graph, vector: Any, shape: tuple[int, ...]) -> str:
    return graph.constant(np.asarray(vector).reshape(-1, *[1] * (len(shape) - 1)), "channels")
