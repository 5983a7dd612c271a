"""Predictions by onnxruntime in the place of JAX, which are sooner there for single examples on a CPU."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdl.inference.onnx.program import Asked, example_batch, onnx_files
from jaxdl.inference.predictor import TrainedModel

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_IN_A_PROCESS = Asked("runtime=onnx", "leave it out, JAX runs all models")
_WARMING, _TRIED = 5, 30


def on_onnxruntime(model: TrainedModel) -> TrainedModel:
    """Returns a model that predicts in float32 by onnxruntime on the CPU, as its ONNX file does.

    What `onnx_files` checks is checked: the model is one of those that such a file can have, and the predictions are
    JAX's within 1e-4. Examples are checked as before. Of one thread and one for each core, what takes less time for one
    example is taken; it changes no more than rounding.

    Raises:
        UserError: a package is missing, or as for `onnx_files`.
    """
    content, _ = onnx_files(model, _IN_A_PROCESS)
    one = example_batch(model.spec, 1)
    session = min((_session(content, threads) for threads in (1, 0)), key=lambda session: _seconds(session, one))

    def run(batch: Mapping[str, np.ndarray]) -> Any:
        return session.run(None, batch)[0]

    return dataclasses.replace(model, runtime=run)


def _session(content: bytes, threads: int) -> InferenceSession:
    """Returns a session with so many threads; 0: one for each core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _seconds(session: InferenceSession, batch: Mapping[str, np.ndarray]) -> float:
    """Returns the median of the seconds of a call."""
    for _ in range(_WARMING):
        session.run(None, batch)
    seconds = []
    for _ in range(_TRIED):
        begin = time.perf_counter()
        session.run(None, batch)
        seconds.append(time.perf_counter() - begin)
    return sorted(seconds)[_TRIED // 2]
