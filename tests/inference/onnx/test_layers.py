"""Layers as ONNX operations equal those of the models."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxdl.inference.onnx.graph import Graph
from jaxdl.inference.onnx.layers import activation, normalize, pool
from jaxdl.models.activation import ACTIVATIONS
from jaxdl.models.layers import Normalize

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(graph: Graph, result: str, inputs: np.ndarray) -> np.ndarray:
    infos = [onnx.helper.make_tensor_value_info("inputs", onnx.TensorProto.FLOAT, ["batch", *inputs.shape[1:]])]
    data = graph.model(infos, result, ["batch", *[f"size_{axis}" for axis in range(1, inputs.ndim)]], {})
    return onnxruntime.InferenceSession(data).run(None, {"inputs": inputs})[0]


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_is_that_of_the_models(name: str) -> None:
    inputs = np.random.default_rng(0).normal(0, 4, (5, 6)).astype(np.float32)
    graph = Graph()
    found = run(graph, activation(graph, name, "inputs"), inputs)
    np.testing.assert_allclose(found, ACTIVATIONS[name](inputs), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("kind", ["batch", "layer", "group"])
@pytest.mark.parametrize("shape", [(12,), (8, 3, 2)])
def test_every_normalisation_is_that_of_the_models(kind: str, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(3, 2, (4, *shape)).astype(np.float32)
    ours = np.moveaxis(inputs, 1, -1)
    variables = Normalize(kind).init(jax.random.key(0), ours, False)
    variables = jax.tree.map(lambda leaf: random.uniform(0.5, 2, leaf.shape).astype(np.float32), variables)
    graph = Graph()
    result = normalize(graph, kind, variables["params"], variables.get("batch_stats", {}), "inputs", shape)
    expected = np.asarray(Normalize(kind).apply(variables, ours, False))
    np.testing.assert_allclose(run(graph, result, inputs), np.moveaxis(expected, -1, 1), rtol=1e-5, atol=1e-5)


def test_pooling_leaves_incomplete_windows_out() -> None:
    inputs = np.arange(2 * 5 * 7, dtype=np.float32).reshape(1, 2, 5, 7)
    windows = inputs[:, :, :4, :6].reshape(1, 2, 2, 2, 2, 3)
    for kind, expected in (("max", windows.max((3, 5))), ("average", windows.mean((3, 5)))):
        graph = Graph()
        np.testing.assert_allclose(run(graph, pool(graph, kind, "inputs", (2, 3)), inputs), expected)
