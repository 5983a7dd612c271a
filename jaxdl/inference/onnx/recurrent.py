"""Recurrent networks as ONNX operations, which take time first."""

from __future__ import annotations

import math

import numpy as np

from jaxdl.inference.onnx.graph import Graph
from jaxdl.inference.onnx.layers import Variables, dense
from jaxdl.models import RNN

# The blocks of our gates in ONNX's order: ours are i, f, g, o and r, z, n, theirs i, o, f, c and z, r, h.
_ORDER = {"simple": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}
_OPERATION = {"simple": "RNN", "lstm": "LSTM", "gru": "GRU"}


def rnn(graph: Graph, model: RNN, params: Variables, inputs: str, shape: tuple[int, ...], lengths: str) -> str:
    """Adds an RNN without attention.

    Args:
        graph: to add to.
        model: its description.
        params: its parameters.
        inputs: (batch, *shape): numbers, or ids as int64.
        shape: (time, ...) of one example.
        lengths: (batch,) int32 from 0 to the number of steps; ``""``: all steps are valid.
    """
    hidden = _embedded(graph, params, inputs, lengths) if model.embed else inputs
    features = math.prod(shape[1:]) * (model.embed or 1)
    if len(shape) != 2 or model.embed:
        hidden = graph.add("Reshape", hidden, graph.sizes(0, 0, features))
    hidden = graph.add("Transpose", hidden, perm=[1, 0, 2])
    last, ways = "", 2 if model.bidirectional else 1
    for number, units in enumerate(model.features, 1):
        names = [f"forward_{number}", f"backward_{number}"][:ways]
        every, last = _layer(graph, model.cell, [params[name] for name in names], hidden, lengths)
        joined = graph.add("Transpose", every, perm=[0, 2, 1, 3])  # (time, batch, directions, units)
        hidden = graph.add("Reshape", joined, graph.sizes(0, 0, ways * units))
    size = ways * model.features[-1]
    if model.every_step:
        return dense(graph, params["output"], graph.add("Transpose", hidden, perm=[1, 0, 2]))
    if model.pool == "last":
        last = graph.add("Reshape", graph.add("Transpose", last, perm=[1, 0, 2]), graph.sizes(-1, size))
    else:
        last = _pooled(graph, model.pool, hidden, lengths)
    return dense(graph, params["output"], last)


def valid_steps(graph: Graph, steps: str, lengths: str) -> str:
    """Adds which steps of each example count, (batch, time) bool.

    Args:
        graph: to add to.
        steps: () int64, number of steps.
        lengths: (batch,) integers.
    """
    numbers = graph.add("Range", graph.constant(np.int64(0)), steps, graph.constant(np.int64(1)))
    column = graph.add("Unsqueeze", graph.add("Cast", lengths, to=7), graph.sizes(1))
    return graph.add("Less", graph.add("Unsqueeze", numbers, graph.sizes(0)), column)


def size_of(graph: Graph, array: str, axis: int) -> str:
    """Adds the size of an axis, () int64."""
    return graph.add("Squeeze", graph.add("Shape", array, start=axis, end=axis + 1), graph.sizes(0))


def _layer(graph: Graph, cell: str, directions: list[Variables], hidden: str, lengths: str) -> tuple[str, str]:
    """Adds a layer to (time, batch, features).

    Returns:
        All states, (time, directions, batch, units), and the last ones, (directions, batch, units).
    """
    units = np.asarray(directions[0]["recurrent_kernel"]).shape[0]

    def reordered(array: np.ndarray) -> np.ndarray:
        blocks = np.split(np.asarray(array), len(_ORDER[cell]), axis=-1)
        return np.concatenate([blocks[place] for place in _ORDER[cell]], -1)

    def biases(layer: Variables) -> np.ndarray:
        own = reordered(layer["bias"])
        return np.concatenate([own, reordered(layer["recurrent_bias"]) if cell == "gru" else np.zeros_like(own)])

    weights = [np.stack([reordered(layer[name]).T for layer in directions]) for name in ("kernel", "recurrent_kernel")]
    arrays = [graph.constant(array, "kernel") for array in weights]
    arrays.append(graph.constant(np.stack([biases(layer) for layer in directions]), "bias"))
    attributes = {"hidden_size": units, "direction": "bidirectional" if len(directions) == 2 else "forward"}
    if cell == "gru":
        attributes["linear_before_reset"] = 1
    every, last = graph.add_all(_OPERATION[cell], 2, [hidden, *arrays, lengths], **attributes)
    return every, last


def _embedded(graph: Graph, params: Variables, ids: str, lengths: str) -> str:
    """Adds the vectors of ids, (batch, time, features)."""
    if lengths:  # steps beyond them may hold anything, and an id that is not known is an error
        valid = valid_steps(graph, size_of(graph, ids, 1), lengths)
        ids = graph.add("Where", valid, ids, graph.constant(np.int64(0)))
    return graph.add("Gather", graph.constant(params["embed"]["embedding"], "embedding"), ids)


def _pooled(graph: Graph, kind: str, hidden: str, lengths: str) -> str:
    """Adds the mean or the largest value over valid steps of (time, batch, features); 0 where there are none."""
    first = graph.sizes(0)
    operation = {"mean": "ReduceMean", "max": "ReduceMax"}[kind]
    if not lengths:
        return graph.add(operation, hidden, first, keepdims=0)
    valid = graph.add("Transpose", valid_steps(graph, size_of(graph, hidden, 0), lengths), perm=[1, 0])
    valid = graph.add("Unsqueeze", valid, graph.sizes(2))
    counts = graph.add("Unsqueeze", graph.add("Cast", lengths, to=1), graph.sizes(1))
    zero = graph.constant(np.float32(0))
    if kind == "mean":
        total = graph.add("ReduceSum", graph.add("Where", valid, hidden, zero), first, keepdims=0)
        return graph.add("Div", total, graph.add("Max", counts, graph.constant(np.float32(1))))
    lowest = graph.add("Where", valid, hidden, graph.constant(np.float32(-np.inf)))
    return graph.add("Where", graph.add("Greater", counts, zero), graph.add(operation, lowest, first, keepdims=0), zero)
