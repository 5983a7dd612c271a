"""A model as an ONNX file, built layer by layer and compared with the model itself before it is given away."""

from __future__ import annotations

from jaxdl.inference.onnx.program import onnx_files
from jaxdl.inference.onnx.session import on_onnxruntime

__all__ = ["on_onnxruntime", "onnx_files"]
