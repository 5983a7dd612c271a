"""Serves one model of digits with random weights, until it is ended.

    python -m benchmarks.serving_worker SERVER MODEL PORT

MODEL is ``mlp``, one hidden layer of 128 units, or ``cnn``, that of ``experiments/mnist_cnn.py``. All take
``POST /predict`` with ``{"inputs": [[784 whole numbers]]}`` and answer the probabilities.

| server | what it is |
|---|---|
| ``jaxdl`` | `jaxdl.serve` as it comes |
| ``jaxdl, onnx`` | the same, with onnxruntime in the place of JAX |
| ``fastapi`` | FastAPI on uvicorn with httptools and uvloop; a function round the Keras model, called on threads |
| ``fastapi, async`` | the same as a coroutine, on the thread of the event loop |

The Keras model is called in the way that is the fastest for one example, of: the call itself, ``predict_on_batch``, and
a ``tf.function`` of it with a fixed signature, with XLA and without.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jaxdl.ops.library import Library

MODELS = ("mlp", "cnn")
SERVERS = ("jaxdl", "jaxdl, onnx", "fastapi", "fastapi, async")
_TRIED, _CALLS = 3, 200


def jaxdl_model(name: str, library: Library = "xla") -> Any:
    """Returns jaxdl's model with its first weights, computed by a library on the CPU."""
    import jaxdl
    from jaxdl.data.edges import Edges

    spec = jaxdl.Spec((28, 28, 1), "uint8", jaxdl.Preprocess(1 / 255), (), 10, tuple("0123456789"))
    model = (
        jaxdl.MLP(features=(128,))
        if name == "mlp"
        else jaxdl.CNN(features=(32, 64), pool_after=(2,), dropout=0.25, dense=(128,), dense_dropout=0.5)
    )
    training = jaxdl.Training(library=library)
    recipe = jaxdl.Experiment(name, jaxdl.Digits(), model, jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(), training=training)
    steps = jaxdl.make_steps(recipe, spec, total_steps=1)
    return jaxdl.TrainedModel(
        recipe.for_spec(spec), spec, steps, steps.init_state(np.uint32(0)), edges=Edges(0.0, 0.01)
    )


def keras_model(name: str) -> Any:
    """Returns the same model in Keras; it takes bytes, (examples, 28, 28, 1), and returns probabilities."""
    import keras
    from keras import layers

    inputs = keras.Input((28, 28, 1), dtype="uint8")
    hidden = layers.Rescaling(1 / 255)(inputs)
    if name == "mlp":
        hidden = layers.Dense(128, "relu")(layers.Flatten()(hidden))
    else:
        hidden = layers.Conv2D(64, 3, activation="relu")(layers.Conv2D(32, 3, activation="relu")(hidden))
        hidden = layers.Dropout(0.25)(layers.MaxPooling2D()(hidden))
        hidden = layers.Dropout(0.5)(layers.Dense(128, "relu")(layers.Flatten()(hidden)))
    return keras.Model(inputs, layers.Dense(10, "softmax")(hidden))


def fastest(model: Any, batch: int = 1) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """Returns the fastest way to call a Keras model with `batch` examples, and its name."""
    import tensorflow as tf

    signature = [tf.TensorSpec((None, 28, 28, 1), tf.uint8)]
    graph, xla = (
        tf.function(lambda x: model(x, training=False), input_signature=signature, jit_compile=jit)
        for jit in (False, True)
    )
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "call": lambda x: model(x, training=False).numpy(),
        "predict_on_batch": lambda x: np.asarray(model.predict_on_batch(x)),
        "tf.function": lambda x: graph(tf.constant(x)).numpy(),
        "tf.function, XLA": lambda x: xla(tf.constant(x)).numpy(),
    }
    some, calls = np.zeros((batch, 28, 28, 1), np.uint8), max(3, _CALLS // batch)
    found = {}
    for name, way in ways.items():
        for _ in range(_TRIED):
            way(some)
        found[name] = median_seconds(lambda way=way: way(some), calls)  # type: ignore[misc]
    best = min(found, key=found.__getitem__)
    return best, ways[best]


def median_seconds(call: Callable[[], Any], calls: int) -> float:
    """Returns the median of the seconds that a call takes."""
    seconds = []
    for _ in range(calls):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return sorted(seconds)[calls // 2]


def serve_fastapi(name: str, port: int, coroutine: bool) -> None:
    """Serves the Keras model with FastAPI."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    way, predict = fastest(keras_model(name))
    print(f"Keras is called by {way}", flush=True)

    class Asked(BaseModel):
        inputs: list[list[int]]

    def answer(asked: Asked) -> dict[str, Any]:
        return {"predictions": predict(np.array(asked.inputs, np.uint8).reshape(-1, 28, 28, 1)).tolist()}

    async def answer_at_once(asked: Asked) -> dict[str, Any]:
        return answer(asked)

    # With their classes themselves: FastAPI does not find those that are local by their names.
    for function in (answer, answer_at_once):
        function.__annotations__["asked"] = Asked
    app = FastAPI()
    app.post("/predict", response_model=None)(answer_at_once if coroutine else answer)
    app.get("/health")(lambda: {"status": "ok"})
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def main(server: str, model: str, port: int) -> None:
    """Serves."""
    if server.startswith("jaxdl"):
        import jaxdl
        from jaxdl.inference.onnx import on_onnxruntime

        served = jaxdl_model(model)
        jaxdl.serve(on_onnxruntime(served) if server.endswith("onnx") else served, port=port)
    else:
        serve_fastapi(model, port, server.endswith("async"))


if __name__ == "__main__":
    if Path.cwd() not in map(Path, sys.path):
        sys.path.insert(0, str(Path.cwd()))
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
