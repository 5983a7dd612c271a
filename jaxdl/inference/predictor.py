"""What a finished run is for: evaluate it again, predict with it, export it."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.memory import on_host
from jaxdl.checkpoint import Checkpoints
from jaxdl.data import Spec
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.record import read_record
from jaxdl.steps.functions import Steps, TrainState, make_steps, state_shapes


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A run's model with its trained parameters, restored from the run directory alone.

    Attributes:
        experiment: the recipe.
        spec: what one example is.
        steps: the pure functions.
        state: the restored state.
    """

    experiment: Experiment
    spec: Spec
    steps: Steps
    state: TrainState

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Returns predictions for examples as stored.

        Args:
            inputs: (examples, *spec.input_shape) of dtype spec.input_dtype.

        Returns:
            (examples, ...) float32: class probabilities, or values for regression.
        """
        size = max(1, min(len(inputs), self.experiment.training.eval_batch_size))
        step = jax.jit(self.steps.predict_step)
        predictions = []
        for start in range(0, len(inputs), size):
            batch = inputs[start : start + size]
            # The last batch is filled up, so that one compiled program serves all.
            padded = np.concatenate([batch, np.repeat(batch[:1], size - len(batch), axis=0)])
            predictions.append(on_host(step(self.state, {"inputs": padded}))[: len(batch)])
        return np.concatenate(predictions)


def load_run(run_dir: Path, experiment: Experiment) -> TrainedModel:
    """Restores the model of a run from its last checkpoint, or its best where the recipe tests the best.

    Raises:
        UserError: there is no run, it holds no checkpoint, or its parameters do not fit the experiment.
    """
    spec = read_spec(run_dir)
    experiment = experiment.for_spec(spec)
    steps = make_steps(experiment, spec, total_steps=1)
    which: Literal["best", "last"] = experiment.training.final
    with Checkpoints(run_dir / "checkpoints", read_only=True) as checkpoints:
        state = checkpoints.restore(state_shapes(steps), which)
    return TrainedModel(experiment, spec, steps, state)


def read_spec(run_dir: Path) -> Spec:
    """Returns what one example of the run's data was, from its record.

    Raises:
        UserError: there is no run, or its record is damaged.
    """
    try:
        return Spec.from_json(read_record(run_dir)["spec"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(f"{run_dir / 'record.json'} does not say what the data was; train again.") from None


def predictions_csv(names: Sequence[str], predictions: np.ndarray, class_names: Sequence[str]) -> str:
    """Returns predictions as CSV, a row for each example.

    Args:
        names: (examples,) what stands in the column ``file``.
        predictions: (examples, classes) probabilities where `class_names` has as many, else (examples, ...) values.
        class_names: names of the classes, empty where there are none.

    Returns:
        With classes the columns ``file``, ``prediction`` (the most probable class), ``probability`` (its), and that
        of each class under its name; otherwise ``file`` and ``prediction``, or ``prediction_0`` and so on.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if class_names and predictions.ndim == 2 and predictions.shape[1] == len(class_names):
        writer.writerow(["file", "prediction", "probability", *class_names])
        best = predictions.argmax(axis=1)
        for name, row, index in zip(names, predictions, best, strict=True):
            writer.writerow([name, class_names[index], _number(row[index]), *map(_number, row)])
    else:
        rows = predictions.reshape(len(predictions), -1)
        columns = ["prediction"] if rows.shape[1] == 1 else [f"prediction_{i}" for i in range(rows.shape[1])]
        writer.writerow(["file", *columns])
        for name, row in zip(names, rows, strict=True):
            writer.writerow([name, *map(_number, row)])
    return text.getvalue()


def _number(value: Any) -> str:
    return f"{float(value):.6g}"


def read_inputs(path: Path, spec: Spec) -> tuple[list[str], np.ndarray]:
    """Reads examples to predict for: an image, a folder of images, or a ``.npy`` array of examples as stored.

    Returns:
        Names, and inputs (examples, *spec.input_shape) of dtype spec.input_dtype.

    Raises:
        UserError: nothing is there, or it is not what the model takes.
    """
    from jaxdl.data.images import find_images, load_images

    if path.suffix != ".npy":
        if len(spec.input_shape) != 3:
            sizes = ", ".join(map(str, spec.input_shape))
            raise UserError(f"this model takes no images; --input must be a .npy file of shape (n, {sizes}).")
        files = find_images(path)
        return [str(file) for file in files], load_images(files, spec)
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # of any kind: on a damaged header NumPy lets errors of Python's tokenizer through
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"--input={path} cannot be read as an array: {reason}.") from None
    if not isinstance(array, np.ndarray):
        raise UserError(f"--input={path} holds several arrays (.npz); give one array of examples.")
    if array.shape[1:] != spec.input_shape or array.dtype != spec.input_dtype or not len(array):
        wanted = f"{spec.input_dtype} of shape (n, {', '.join(map(str, spec.input_shape))})"
        raise UserError(f"--input={path} is {array.dtype} of shape {array.shape}; the model takes {wanted}.")
    return [f"{path.name}[{index}]" for index in range(len(array))], array


def export_program(model: TrainedModel) -> bytes:
    """Returns the predict function with its parameters as a serialised `jax.export` program (StableHLO).

    It takes inputs (batch, *spec.input_shape) of dtype spec.input_dtype, for any batch, and needs no jaxdl to run:
    ``jax.export.deserialize(data).call(inputs)``. It is lowered for the CPU, CUDA and TPU.

    Raises:
        UserError: the extra that JAX needs to serialise programs is not installed.
    """
    if importlib.util.find_spec("flatbuffers") is None:
        raise UserError("exporting needs one more package: pip install -c constraints.txt -e '.[export]'.")
    from jax import export

    def predict(inputs: jax.Array) -> jax.Array:
        return model.steps.predict_step(model.state, {"inputs": inputs})

    (batch,) = export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((batch, *model.spec.input_shape), jnp.dtype(model.spec.input_dtype))
    return bytes(export.export(jax.jit(predict), platforms=("cpu", "cuda", "tpu"))(shape).serialize())
