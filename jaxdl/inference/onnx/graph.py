"""A graph of ONNX operations that is built from its inputs on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

OPSET = 21
IR_VERSION = 10


class Graph:
    """Operations and constants, in order; values are named by texts.

    All batches are symbolic, so no operation may need their size.
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._count = 0

    def constant(self, values: Any, name: str = "constant") -> str:
        """Adds an array and returns its name; its dtype is kept, with float64 as float32."""
        from onnx import numpy_helper

        array = np.asarray(values)
        array = np.ascontiguousarray(array.astype(np.float32) if array.dtype == np.float64 else array)
        unique = self._unique(name)
        self._constants.append(numpy_helper.from_array(array.reshape(np.shape(values)), unique))
        return unique

    def sizes(self, *values: int) -> str:
        """Adds int64 numbers, such as axes or a shape."""
        return self.constant(np.asarray(values, np.int64), "sizes")

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Adds an operation with one result and returns its name; an input that is left out is ``""``."""
        return self.add_all(operation, 1, inputs, **attributes)[0]

    def add_all(self, operation: str, results: int, inputs: Sequence[str], **attributes: Any) -> list[str]:
        """Adds an operation and returns the names of its results."""
        from onnx import helper

        names = [self._unique(operation.lower()) for _ in range(results)]
        self._nodes.append(helper.make_node(operation, list(inputs), names, name=self._unique(operation), **attributes))
        return names

    def model(self, inputs: Sequence[Any], result: str, shape: Sequence[int | str], facts: dict[str, str]) -> bytes:
        """Returns the graph as a checked, serialised model.

        Args:
            inputs: value infos of `onnx.helper`.
            result: the value that is the output ``predictions``, float32.
            shape: of the output.
            facts: texts for the model's metadata.
        """
        from onnx import TensorProto, checker, helper

        self._nodes.append(helper.make_node("Identity", [result], ["predictions"], name="result"))
        output = helper.make_tensor_value_info("predictions", TensorProto.FLOAT, list(shape))
        graph = helper.make_graph(self._nodes, "jaxdl", list(inputs), [output], self._constants)
        model = helper.make_model(
            graph, producer_name="jaxdl", ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
        )
        helper.set_model_props(model, facts)
        checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())

    def _unique(self, name: str) -> str:
        self._count += 1
        return f"{name}_{self._count}"
