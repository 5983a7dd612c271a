"""A graph of ONNX operations, run by onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from jaxdl.inference.onnx.graph import IR_VERSION, OPSET, Graph

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def test_a_graph_states_its_versions_and_names_and_runs() -> None:
    graph = Graph()
    doubled = graph.add("Mul", "inputs", graph.constant(np.float64(2)))
    first, second = graph.add_all("Split", 2, [doubled], axis=1, num_outputs=2)
    inputs = [onnx.helper.make_tensor_value_info("inputs", onnx.TensorProto.FLOAT, ["batch", 4])]
    data = graph.model(inputs, graph.add("Sub", first, second), ["batch", 2], {"experiment": "some"})
    model = onnx.load_from_string(data)
    assert (model.ir_version, [each.version for each in model.opset_import]) == (IR_VERSION, [OPSET]) == (10, [21])
    assert {each.key: each.value for each in model.metadata_props} == {"experiment": "some"}
    session = onnxruntime.InferenceSession(data)
    assert [session.get_inputs()[0].name, session.get_outputs()[0].name] == ["inputs", "predictions"]
    (found,) = session.run(None, {"inputs": np.array([[1, 2, 3, 5]], np.float32)})
    np.testing.assert_array_equal(found, [[-4, -6]])
