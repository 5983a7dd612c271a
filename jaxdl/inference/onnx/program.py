"""From a trained model to an ONNX file that takes examples as stored and predicts as the model does."""

from __future__ import annotations

import importlib.metadata
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxdl.data import Preprocess, Spec
from jaxdl.errors import UserError, check_installed
from jaxdl.fields import replace
from jaxdl.inference.manifest import Array, input_meanings, manifest, output_meaning
from jaxdl.inference.onnx.families import cnn, mlp, resnet
from jaxdl.inference.onnx.graph import IR_VERSION, OPSET, Graph
from jaxdl.inference.onnx.recurrent import rnn, size_of
from jaxdl.inference.predictor import TrainedModel
from jaxdl.inference.weights import weights_of
from jaxdl.models import CNN, MLP, RNN, ResNet
from jaxdl.objectives import Poisson
from jaxdl.objectives.several import Several
from jaxdl.steps.functions import make_steps

FLOAT, INT64 = 1, 7
_TOLERANCE = 1e-4


class Asked(NamedTuple):
    """What a user asked for, and what to do where a model cannot have it: for messages."""

    what: str
    otherwise: str


A_FILE = Asked("--format=onnx", "take --format=stablehlo, which has all models")


def onnx_files(model: TrainedModel, asked: Asked = A_FILE) -> tuple[bytes, str]:
    """Returns a model as an ONNX file, and the JSON that describes it.

    Opset 21, IR version 10; inputs ``inputs`` (batch, *spec.input_shape) as stored and, where the data of the training
    had lengths, ``lengths`` (batch,) int32 and any number of steps; output ``predictions``, float32. It computes in
    float32, whatever the precision of the training was. The predictions of an example with a length that is not from 0
    to the number of steps are NaN. Before it is returned, onnxruntime runs it on the CPU, and its predictions are
    compared with the model's.

    Raises:
        UserError: a package is missing; the model, its preprocessing or its objective is not supported; or onnxruntime
            does not get the model's predictions.
    """
    check_installed(["onnx", "onnxruntime"], "onnx", asked.what)
    _check_supported(model, asked)
    data, shape = _built(model)
    difference = _difference(model, data)
    if not difference <= _TOLERANCE:  # NaN neither
        raise UserError(
            f"{asked.what}: onnxruntime's predictions differ from the model's by up to {difference:.3g}; "
            f"{asked.otherwise}."
        )
    inputs, outputs = (
        _inputs(model),
        [Array("predictions", "float32", shape, output_meaning(model.experiment.objective))],
    )
    versions = {name: importlib.metadata.version(name) for name in ("onnx", "onnxruntime")}
    runs_as = (
        "onnxruntime.InferenceSession(path).run(None, {" + ", ".join(f'"{each.name}": ...' for each in inputs) + "})"
    )
    others = {
        "runs_as": runs_as,
        "opset": OPSET,
        "ir_version": IR_VERSION,
        "checked_with": versions,
        "largest_difference": difference,
    }
    return data, manifest(model, "onnx", inputs, outputs, others)


def _check_supported(model: TrainedModel, asked: Asked) -> None:
    """Raises `UserError` for a part that no file can have yet."""
    network, objective = model.experiment.model, model.experiment.objective
    if model.spec.inputs or isinstance(objective, Several):
        problem = "does not support several inputs or outputs"
    elif type(network) not in (MLP, CNN, ResNet, RNN):
        problem = f"has MLP, CNN, ResNet and RNN, and not {type(network).__name__}"
    elif isinstance(network, RNN) and network.attention:
        problem = f"does not support RNN(attention={network.attention})"
    elif objective.of_inputs or objective.aligns:
        problem = f"does not support the objective {type(objective).__name__}"
    elif model.spec.preprocess.mel is not None:
        problem = "does not support sounds, whose spectrograms it would have to make"
    else:
        return
    raise UserError(f"{asked.what} {problem}; {asked.otherwise}.")


def _inputs(model: TrainedModel) -> list[Array]:
    spec = model.spec
    dtype = str(jax.dtypes.canonicalize_dtype(spec.input_dtype))
    meanings = input_meanings(model)
    inputs = [Array("inputs", dtype, ("batch", *_example_shape(spec)), meanings["inputs"])]
    if spec.lengths:
        inputs.append(Array("lengths", "int32", ("batch",), meanings["lengths"]))
    return inputs


def _example_shape(spec: Spec) -> tuple[int | str, ...]:
    return ("time", *spec.input_shape[1:]) if spec.lengths else spec.input_shape


def _built(model: TrainedModel) -> tuple[bytes, tuple[int | str, ...]]:
    """Returns the file, and the shape of its output."""
    from onnx import helper

    graph = Graph()
    inputs = [
        helper.make_tensor_value_info(
            array.name, helper.np_dtype_to_tensor_dtype(np.dtype(array.dtype)), list(array.shape)
        )
        for array in _inputs(model)
    ]
    lengths = _possible(graph) if model.spec.lengths else ""
    hidden = _preprocessed(graph, model.spec)
    outputs = _outputs(graph, model, hidden, lengths)
    per_step = getattr(model.experiment.model, "every_step", False)
    shape: tuple[int | str, ...] = ("batch", *([_example_shape(model.spec)[0]] if per_step else []))
    size = model.experiment.model.outputs
    predictions, has_axis = _predicted(graph, model, outputs, size)
    if lengths:
        predictions = _only_possible(graph, predictions, lengths, len(shape) - 1 + has_axis)
    shape = (*shape, size) if has_axis else shape
    facts = {"experiment": model.experiment.name, "class_names": "\n".join(model.spec.class_names)}
    return graph.model(inputs, predictions, shape, facts), shape


def _outputs(graph: Graph, model: TrainedModel, inputs: str, lengths: str) -> str:
    """Adds the model itself."""
    network, variables = model.experiment.model, weights_of(model)
    params, statistics = variables["params"], variables.get("batch_stats", {})
    shape = model.spec.model_shape
    if isinstance(network, RNN):
        return rnn(graph, network, params, inputs, shape, lengths)
    if isinstance(network, MLP):
        return mlp(graph, network, params, statistics, inputs)
    if isinstance(network, CNN):
        return cnn(graph, network, params, statistics, inputs, shape)
    assert isinstance(network, ResNet)
    return resnet(graph, network, params, statistics, inputs)


def _preprocessed(graph: Graph, spec: Spec) -> str:
    """Adds `Preprocess`: numbers become float32, ids int64."""
    preprocess = spec.preprocess
    if preprocess.cast == "none":
        return graph.add("Cast", "inputs", to=INT64)
    values = graph.add("Cast", "inputs", to=FLOAT)
    if preprocess.scale != 1:
        values = graph.add("Mul", values, graph.constant(np.float32(preprocess.scale)))
    if preprocess.mean:
        values = graph.add("Sub", values, graph.constant(np.asarray(preprocess.mean, np.float32)))
        values = graph.add("Div", values, graph.constant(np.asarray(preprocess.deviation, np.float32)))
    if preprocess.fill:
        values = graph.add("Where", graph.add("IsNaN", values), graph.constant(np.float32(0)), values)
    return values


def _predicted(graph: Graph, model: TrainedModel, outputs: str, size: int) -> tuple[str, bool]:
    """Adds what the objective makes of outputs; returns also whether the axis of outputs is left."""
    objective, spec = model.experiment.objective, model.spec
    kind = objective.kind or "values"
    if kind == "classes":
        return graph.add("Softmax", outputs, axis=-1), True
    target = spec.target if kind == "values" and objective.standardizes else Preprocess()
    if target.mean:
        outputs = graph.add("Mul", outputs, graph.constant(np.asarray(target.deviation, np.float32)))
        outputs = graph.add("Add", outputs, graph.constant(np.asarray(target.mean, np.float32)))
    if kind == "questions":
        outputs = graph.add("Sigmoid", outputs)
    if isinstance(objective, Poisson):
        outputs = graph.add("Exp", outputs)
    return (outputs, True) if size > 1 else (graph.add("Squeeze", outputs, graph.sizes(-1)), False)


def _possible(graph: Graph) -> str:
    """Adds lengths that a recurrence can take: impossible ones would end some runtimes."""
    steps = graph.add("Cast", size_of(graph, "inputs", 1), to=6)  # int32
    return graph.add("Max", graph.add("Min", "lengths", steps), graph.constant(np.int32(0)))


def _only_possible(graph: Graph, predictions: str, possible: str, axes: int) -> str:
    """Adds NaN in the place of predictions for impossible lengths; `axes` are those behind the batch."""
    right = graph.add("Equal", "lengths", possible)
    if axes:
        right = graph.add("Unsqueeze", right, graph.sizes(*range(1, axes + 1)))
    return graph.add("Where", right, predictions, graph.constant(np.float32(np.nan)))


def _difference(model: TrainedModel, data: bytes) -> float:
    """Returns the largest difference of onnxruntime's predictions from the model's, relative for large ones."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    experiment = replace(model.experiment, {"training.precision": "float32", "training.library": "xla"})
    steps = make_steps(experiment, model.spec, total_steps=1)
    most = 0.0
    for count in (1, 5):
        batch = example_batch(model.spec, count)
        expected = np.asarray(steps.predict_step(model.state, batch))
        (found,) = session.run(None, batch)
        if found.shape != expected.shape:
            return float("inf")
        if model.spec.lengths and getattr(model.experiment.model, "every_step", False):
            counted = np.arange(expected.shape[1]) < batch["lengths"][:, None]  # what is beyond means nothing
            found, expected = found[counted], expected[counted]
        if found.size:
            most = max(most, float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max()))
    return most


def example_batch(spec: Spec, count: int) -> dict[str, Any]:
    """Returns some examples as stored, such as those of the training might be."""
    random = np.random.default_rng(0)
    dtype = jax.dtypes.canonicalize_dtype(spec.input_dtype)
    shape = (count, *spec.input_shape)
    if spec.preprocess.cast == "none":
        inputs = random.integers(0, max(1, spec.vocabulary), shape).astype(dtype)
    elif dtype.kind in "iu":
        inputs = random.integers(0, min(np.iinfo(dtype).max, round(1 / spec.preprocess.scale)) + 1, shape).astype(dtype)
    else:
        scaled = spec.preprocess.restored(random.normal(size=shape))  # type: ignore[arg-type]
        inputs = np.asarray(scaled / spec.preprocess.scale, dtype)
    if not spec.lengths:
        return {"inputs": inputs}
    lengths = random.permutation(np.linspace(0, spec.input_shape[0], count).astype(np.int32))
    return {"inputs": inputs, "lengths": lengths if count > 1 else np.maximum(lengths, spec.input_shape[0])}
