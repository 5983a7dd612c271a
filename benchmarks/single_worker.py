"""Times predictions for a few digits at a time, from and to NumPy.

    python -m benchmarks.single_worker FRAMEWORK MODEL CALLS BATCH

The models are those of `serving_worker`, with random weights. Prints JSON: the median and the 99th percentile of the
seconds of a call, and those of the first one after the framework was warmed.

| framework | what it is |
|---|---|
| ``jaxdl`` | ``predict`` of a model that is warmed for that many examples, with all its checks |
| ``jaxdl, synchronous`` | ``jaxdl`` after ``jaxdl.configure(synchronous=True)`` |
| ``jaxdl, onednn`` | ``predict`` of a model as ``load_run(..., runtime="onednn")`` gives it, with all its checks |
| ``jaxdl, onnx`` | ``predict`` of a model as ``jaxdl.load_run(..., runtime="onnx")`` gives it, with all its checks |
| ``jax.jit`` | the same model in a function under `jax.jit`, and nothing else |
| ``onnxruntime`` | jaxdl's export in an `InferenceSession`; of one thread and the default number, the faster |
| ``torch`` | `nn.Sequential` in inference mode; as it is or traced and frozen, with one thread or all: the fastest |
| ``keras`` | the fastest of the ways of `serving_worker` |
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.serving_worker import fastest, jaxdl_model, keras_model, median_seconds

Predict = Callable[[np.ndarray], Any]
_WARMING, _TRIED = 20, 100
_TRIED_EXAMPLES = 10_000  # with which a way is warmed or tried at most, where there are many in a call


def of_jaxdl(name: str, batch: int) -> Predict:
    """Returns jaxdl's way; it is warm without a call."""
    predict: Predict = jaxdl_model(name).warmed((batch,)).predict
    return predict


def of_jaxdl_synchronous(name: str, batch: int) -> Predict:
    """Returns jaxdl's way in a process that computes on the thread that calls."""
    import jaxdl

    jaxdl.configure(xla_flags=False, synchronous=True)
    return of_jaxdl(name, batch)


def of_jaxdl_onednn(name: str, batch: int) -> Predict:
    """Returns jaxdl's way with native operations; it is warm without a call."""
    predict: Predict = jaxdl_model(name, "onednn").warmed((batch,)).predict
    return predict


def of_jaxdl_onnx(name: str, batch: int) -> Predict:
    """Returns jaxdl's way through onnxruntime; it is warm without a call."""
    from jaxdl.inference.onnx import on_onnxruntime

    predict: Predict = on_onnxruntime(jaxdl_model(name)).warmed((batch,)).predict
    return predict


def of_jit(name: str, batch: int) -> Predict:
    """Returns a bare jitted call."""
    import jax

    model = jaxdl_model(name)
    params, module = model.state.params, model.experiment.model

    @jax.jit
    def predict(inputs: jax.Array) -> jax.Array:
        return jax.nn.softmax(module.apply({"params": params}, inputs.astype("float32") / 255))

    return _warm(lambda inputs: np.asarray(predict(inputs)), batch)


def of_onnxruntime(name: str, batch: int) -> Predict:
    """Returns onnxruntime's way."""
    import onnxruntime

    from jaxdl.inference.onnx import onnx_files

    content, _ = onnx_files(jaxdl_model(name))
    ways = []
    for threads in (1, 0):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        ways.append(lambda inputs, session=session: session.run(None, {"inputs": inputs})[0])
    return _best(ways, batch)


def of_torch(name: str, batch: int) -> Predict:
    """Returns PyTorch's way."""
    import torch
    from torch import nn

    layers: list[nn.Module]
    if name == "mlp":
        layers = [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)]
    else:
        layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Flatten(), nn.Linear(64 * 12 * 12, 128), nn.ReLU(), nn.Linear(128, 10)]
    module = nn.Sequential(*layers, nn.Softmax(1)).eval()
    with torch.inference_mode():
        traced = torch.jit.freeze(torch.jit.trace(module, torch.zeros(1, 1, 28, 28)))

    def way(network: Any, threads: int) -> Predict:
        def predict(inputs: np.ndarray) -> Any:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            with torch.inference_mode():
                # One channel: its place does not matter.
                return network(torch.from_numpy(inputs).reshape(-1, 1, 28, 28).float() / 255).numpy()

        return predict

    default = torch.get_num_threads()
    return _best([way(network, threads) for network in (module, traced) for threads in {1, default}], batch)


def of_keras(name: str, batch: int) -> Predict:
    """Returns Keras's way."""
    return fastest(keras_model(name), batch)[1]


FRAMEWORKS: dict[str, Callable[[str, int], Predict]] = {
    "jaxdl": of_jaxdl,
    "jaxdl, synchronous": of_jaxdl_synchronous,
    "jaxdl, onednn": of_jaxdl_onednn,
    "jaxdl, onnx": of_jaxdl_onnx,
    "jax.jit": of_jit,
    "onnxruntime": of_onnxruntime,
    "torch": of_torch,
    "keras": of_keras,
}


def _warm(predict: Predict, batch: int) -> Predict:
    for _ in range(max(3, min(_WARMING, _TRIED_EXAMPLES // batch))):
        predict(np.zeros((batch, 28, 28, 1), np.uint8))
    return predict


def _best(ways: Sequence[Predict], batch: int) -> Predict:
    some, calls = np.zeros((batch, 28, 28, 1), np.uint8), max(3, min(_TRIED, _TRIED_EXAMPLES // batch))
    return min((_warm(way, batch) for way in ways), key=lambda way: median_seconds(lambda: way(some), calls))


def main(framework: str, model: str, calls: int, batch: int) -> None:
    """Prints the figures."""
    predict = FRAMEWORKS[framework](model, batch)
    inputs = np.random.default_rng(0).integers(0, 2, (calls, batch, 28, 28, 1), np.uint8)
    seconds = []
    for each in inputs:
        begin = time.perf_counter()
        predict(each)
        seconds.append(time.perf_counter() - begin)
    ordered = sorted(seconds)
    found = {"median": ordered[calls // 2], "p99": ordered[int(0.99 * (calls - 1))], "first": seconds[0]}
    print(json.dumps({name: 1e6 * value for name, value in found.items()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
