"""MLP, CNN and ResNet as ONNX operations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jaxdl.inference.onnx.graph import Graph
from jaxdl.inference.onnx.layers import Variables, activation, batch_norm, convolution, dense, normalize, pool
from jaxdl.models import CNN, MLP, ResNet


def mlp(graph: Graph, model: MLP, params: Variables, statistics: Variables, inputs: str) -> str:
    """Adds an MLP to (batch, ...), which it flattens."""
    hidden = graph.add("Flatten", inputs, axis=1)
    for number, units in enumerate(model.features, 1):
        hidden = dense(graph, params[f"dense_{number}"], hidden)
        name = f"normalize_{number}"
        own = params.get(name, {}), statistics.get(name, {})
        hidden = normalize(graph, model.normalization, *own, hidden, (units,))
        hidden = activation(graph, model.activation, hidden)
    return dense(graph, params["output"], hidden)


def cnn(graph: Graph, model: CNN, params: Variables, statistics: Variables, inputs: str, shape: tuple[int, ...]) -> str:
    """Adds a CNN to (batch, *shape) with shape (height, width, channels)."""

    def finish(hidden: str, name: str, shape: tuple[int, ...]) -> str:
        own = params.get(name, {}), statistics.get(name, {})
        return activation(graph, model.activation, normalize(graph, model.normalization, *own, hidden, shape))

    height, width, channels = shape
    hidden = _channels_first(graph, inputs)
    pool_after = range(1, len(model.features) + 1) if model.pool_after is None else model.pool_after
    for number, channels in enumerate(model.features, 1):
        hidden = convolution(graph, params[f"convolution_{number}"], hidden, model.padding)
        if model.padding == "VALID":
            height, width = height - model.kernel[0] + 1, width - model.kernel[1] + 1
        hidden = finish(hidden, f"normalize_{number}", (channels, height, width))
        if number in pool_after:
            hidden = pool(graph, model.pool, hidden, model.pool_window)
            height, width = height // model.pool_window[0], width // model.pool_window[1]
    hidden = graph.add("Flatten", hidden, axis=1)
    names = [f"dense_{number}" for number in range(1, len(model.dense) + 1)] + ["output"]
    first = _rows_by_channel(params[names[0]]["kernel"], (height, width, channels))
    for number, name in enumerate(names, 1):
        hidden = dense(graph, params[name], hidden, first if number == 1 else None)
        if name != "output":
            hidden = finish(hidden, f"normalize_{name}", (model.dense[number - 1],))
    return hidden


def resnet(graph: Graph, model: ResNet, params: Variables, statistics: Variables, inputs: str) -> str:
    """Adds a ResNet to (batch, height, width, channels)."""
    hidden = convolution(graph, params["convolution"], _channels_first(graph, inputs), "SAME")
    hidden = graph.add("Relu", batch_norm(graph, params["normalize"], statistics["normalize"], hidden))
    before = model.features[0]
    for stage, after in enumerate(model.features, 1):
        for number in range(1, (model.depth - 2) // 6 + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            name = f"stage_{stage}_block_{number}"
            hidden = _block(graph, params[name], statistics[name], hidden, stride, after - before)
            before = after
    mean = graph.add("Flatten", graph.add("GlobalAveragePool", hidden), axis=1)
    return dense(graph, params["output"], mean)


def _block(graph: Graph, params: Variables, statistics: Variables, inputs: str, stride: int, more: int) -> str:
    def normalized(name: str, hidden: str) -> str:
        return batch_norm(graph, params[name], statistics[name], hidden)

    hidden = convolution(graph, params["convolution_1"], inputs, "SAME", stride)
    hidden = graph.add("Relu", normalized("normalize_1", hidden))
    hidden = normalized("normalize_2", convolution(graph, params["convolution_2"], hidden, "SAME"))
    if "projection" in params:
        inputs = normalized("normalize_projection", convolution(graph, params["projection"], inputs, "SAME", stride))
    elif stride > 1 or more:
        ends = graph.sizes(np.iinfo(np.int64).max, np.iinfo(np.int64).max)
        inputs = graph.add("Slice", inputs, graph.sizes(0, 0), ends, graph.sizes(2, 3), graph.sizes(stride, stride))
        inputs = graph.add("Pad", inputs, graph.sizes(0, 0, 0, 0, 0, more, 0, 0))
    return graph.add("Relu", graph.add("Add", hidden, inputs))


def _channels_first(graph: Graph, images: str) -> str:
    return graph.add("Transpose", images, perm=[0, 3, 1, 2])


def _rows_by_channel(kernel: Any, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns a dense layer's kernel for inputs flattened with channels first; `shape` is (height, width, channels)."""
    array = np.asarray(kernel)
    assert math.prod(shape) == len(array)
    return array.reshape(*shape, -1).transpose(2, 0, 1, 3).reshape(array.shape)
