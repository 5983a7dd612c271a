"""Looks at a trained model for the report: predictions for some test examples, and what its layers do with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict

from jaxdl.backend.compiler import compiled_quickly, traced
from jaxdl.backend.memory import on_host
from jaxdl.data import Dataset, Spec, examples
from jaxdl.data.trees.facts import root_targets
from jaxdl.experiment import Experiment
from jaxdl.inference.inspection.inside import activations, filters, traces
from jaxdl.inference.inspection.judged import Judged, calibration, counts_of, judge, labels_of
from jaxdl.inference.inspection.shown import Shown, png, scaled_inputs, show_inputs
from jaxdl.inference.pictures import Picture, has_pictures, pictures
from jaxdl.inference.predictions import counted_steps
from jaxdl.inference.trees import at_root
from jaxdl.objectives import Objective
from jaxdl.report.layers import layer_table
from jaxdl.steps import averages
from jaxdl.steps.collections import WRITABLE
from jaxdl.steps.forward import Forward
from jaxdl.steps.functions import TrainState
from jaxdl.steps.layout import Layout

# How many test examples are looked at: as many as the model predicts in a fraction of a second on a processor's core,
# and as the memory surely holds.
_MOST_FLOPS, _MOST_BYTES, _FEWEST, _MOST = 4e9, 2**25, 32, 1000
_SHOWN = 12
_MOST_CLASSES = 100

# Modules whose results over the steps of a sequence are no states.
_NO_STATES = ("Dense", "Embed")

Batch = dict[str, np.ndarray]


def inspect_model(
    experiment: Experiment,
    dataset: Dataset,
    state: TrainState,
    flops_per_example: float = 0.0,
    layout: Layout | None = None,
) -> dict[str, Any]:
    """Returns what the report shows of a trained model, as JSON; `jaxdl.report.model` draws it.

    Args:
        experiment: the recipe, fitted to the data.
        dataset: the data.
        state: the trained state; of an average of the parameters the average is looked at.
        flops_per_example: floating-point operations of one prediction, by which fewer examples are looked at.
        layout: where the parameters lie on several devices; None: there is one.
    """
    spec = dataset.spec
    found: dict[str, Any] = {"layers": _layers(experiment, spec, state)}
    if spec.views or experiment.objective.kind is None:  # of several inputs and outputs only the layers are shown
        return found
    average = averages.averaged(state)
    state = state if average is None else average
    batch = _chosen(dataset, flops_per_example)
    predictions, captured, spectrograms = _predicted(experiment, spec, state, batch, layout)
    if spectrograms is not None:
        batch["spectrograms"] = spectrograms
    length = int(batch["lengths"][0]) if "lengths" in batch else spec.input_shape[0] if spec.input_shape else 1
    valid = length if spec.preprocess.mel is None else int(spec.preprocess.mel.frames(length))
    first = _first(spec, batch)
    found |= {"filters": filters(spec, state.params), "activations": activations(captured)}
    if spec.model_shape and spec.trees is None:
        found["traces"] = traces(captured, spec.model_shape[0], valid) if len(spec.model_shape) < 4 else []
    found["example"] = first
    return found | _predictions(experiment, spec, batch, predictions, examples(dataset.splits["test"]))


def _layers(experiment: Experiment, spec: Spec, state: TrainState) -> dict[str, Any]:
    named = {name: (each.model_shape, each.model_dtype) for name, each in spec.inputs}
    variables = {"params": state.params, **state.model_state}
    table = layer_table(
        experiment.model, spec.model_shape, spec.model_dtype, named=named, variables=variables, kept=False, train=False
    )
    rows = [
        [each.path, each.type, list(each.output_shape[1:]), each.calls, each.parameters, each.multiply_adds]
        for each in table.layers
    ]
    return {"rows": rows, "parameter_bytes": table.parameter_bytes}


def _chosen(dataset: Dataset, flops: float) -> Batch:
    """Returns test examples: some at random, the same for each seed; of a series the last ones, in order."""
    split = dataset.splits["test"]
    count = examples(split)
    bytes_each = sum(int(np.prod(array.shape[1:])) * array.dtype.itemsize for array in split.values())
    most = min(_MOST_FLOPS / max(flops, 1), _MOST_BYTES / max(bytes_each, 1), _MOST)
    number = min(count, max(_FEWEST, int(most)))
    if dataset.spec.windows is not None:
        numbers = np.arange(count - number, count)
    else:
        numbers = np.random.RandomState(0).permutation(count)[:number]
    names = [name for name in split if name in ("inputs", "targets", "lengths", "target_lengths")]
    return {"numbers": numbers, **{name: np.asarray(split[name][numbers]) for name in names}}


def _predicted(
    experiment: Experiment, spec: Spec, state: TrainState, batch: Batch, layout: Layout | None
) -> tuple[np.ndarray, dict[tuple[str, ...], np.ndarray], np.ndarray | None]:
    """Returns predictions, what modules return for the first example by their paths, and spectrograms of sounds.

    All come from one program, since compiling takes longer than running.
    """
    forward = Forward(experiment, spec, None, layout)
    size = min(experiment.training.eval_batch_size, len(batch["numbers"]))

    def look(state: TrainState, batch: Mapping[str, jax.Array]) -> tuple[Any, dict[tuple[str, ...], jax.Array], Any]:
        seen = forward.preprocessed(batch)
        inputs, named = forward.called_with(seen)
        model: Any = experiment.model
        outputs, written = model.apply(
            forward.variables(state.params, state.model_state),
            *inputs,
            train=False,
            **named,
            mutable=WRITABLE,
            capture_intermediates=_is_shown,
        )
        predictions = experiment.objective.predictions(forward.in_unit(forward.wide(outputs, seen)))
        spectrograms = None if spec.preprocess.mel is None else seen["inputs"]
        return predictions, _of_first(written.get("intermediates", {}), size), spectrograms

    count = len(batch["numbers"])
    # The last batch is filled up.
    places = [np.minimum(np.arange(start, start + size), count - 1) for start in range(0, count, size)]
    names = [name for name in ("inputs", "lengths") if name in batch]
    parts = [{name: jnp.asarray(batch[name][each]) for name in names} for each in places]
    program = compiled_quickly(traced(look, state, parts[0]))
    found = [on_host(program(state, part)) for part in parts]
    predictions, captured, spectrograms = zip(*found, strict=True)
    joined = None if spec.preprocess.mel is None else np.concatenate(spectrograms)[:count]
    return np.concatenate(predictions)[:count], captured[0], joined


def _is_shown(module: nn.Module, method: str) -> bool:
    """Returns whether what a module returns may be shown: also what a recurrence of two directions returns."""
    return method in ("__call__", "beside") and type(module).__name__ not in _NO_STATES


def _of_first(written: Mapping[str, Any], size: int) -> dict[tuple[str, ...], jax.Array]:
    """Returns what each module returned for the first example of a batch; of several arrays the first."""
    kept: dict[tuple[str, ...], jax.Array] = {}
    for path, value in flatten_dict(written).items():
        leaves = jax.tree.leaves(value)
        of_module = len(path) > 1 and path[-1] in ("__call__", "beside")  # and not the model's own result
        if of_module and leaves and leaves[0].ndim in (3, 4) and leaves[0].shape[0] == size:
            kept[path[:-1]] = leaves[0][:1]
    return kept


def _first(spec: Spec, batch: Batch) -> Shown:
    return show_inputs(spec, {name: array[:1] for name, array in batch.items()})[0]


def _predictions(
    experiment: Experiment, spec: Spec, batch: Batch, predictions: np.ndarray, count: int
) -> dict[str, Any]:
    """Returns the examples that are shown, and the figures of all that were looked at."""
    objective, targets, lengths = experiment.objective, batch["targets"], batch.get("lengths")
    if spec.trees is not None and spec.target_shape:
        targets, predictions = root_targets(batch), at_root(predictions, lengths)
    if objective.of_inputs:
        targets = scaled_inputs(spec, batch["inputs"])
    steps = batch.get("target_lengths", counted_steps(spec, predictions, lengths))
    counted = None
    if steps is not None and targets.ndim == 2:
        counted = np.arange(targets.shape[1]) < np.asarray(steps)[:, None]
    judged = judge(spec, objective, predictions, targets, counted)
    if judged is None:
        return {}
    places = np.linspace(0, len(predictions) - 1, min(_SHOWN, len(predictions))).astype(int)
    worst = judged.worst(_SHOWN)
    found: dict[str, Any] = {
        "of": count,
        "looked_at": len(predictions),
        "measure": judged.measure,
        "mistakes": int((judged.wrong > 0).sum()),
        "worst": _examples(spec, objective, batch, predictions, targets, judged, worst),
        "random": _examples(spec, objective, batch, predictions, targets, judged, places.tolist()),
    }
    if objective.kind == "classes" and has_pictures(objective, spec, predictions.shape[1:]):
        found["of_pixels"] = list(spec.class_names)
    if judged.certainty is not None:
        found["calibration"] = calibration(judged.certainty, judged.wrong == 0)
    if objective.kind == "classes" and predictions.ndim == 2 and predictions.shape[1] <= _MOST_CLASSES:
        found["confusion"] = counts_of(predictions, labels_of(predictions, targets))
    if objective.kind == "values" and not objective.of_inputs:
        found |= _of_numbers(spec, predictions, targets)
    return found


def _of_numbers(spec: Spec, predictions: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Returns the first number of each example as it is and as it is predicted: of a series in order of time."""
    pairs = [[float(f"{float(value.reshape(len(value), -1)[n, 0]):.5g}") for value in (targets, predictions)]
             for n in range(len(predictions))]  # fmt: skip
    return {"forecast" if spec.windows is not None else "pairs": pairs}


def _examples(
    spec: Spec,
    objective: Objective,
    batch: Batch,
    predictions: np.ndarray,
    targets: np.ndarray,
    judged: Judged,
    places: list[int],
) -> list[dict[str, Any]]:
    if not places:
        return []
    shown = show_inputs(spec, {name: array[places] for name, array in batch.items()})
    if has_pictures(objective, spec, predictions.shape[1:]):
        _add_pictures(objective, shown, predictions[places], targets[places])
    if spec.windows is not None:
        for each, place in zip(shown, places, strict=True):
            each["ahead"] = [
                [float(f"{float(v):.5g}") for v in np.reshape(of[place], -1)] for of in (targets, predictions)
            ]
    found = []
    for each, place in zip(shown, places, strict=True):
        certainty = None if judged.certainty is None else float(judged.certainty[place])
        about = {"number": int(batch["numbers"][place]), "truth": judged.truth[place], "certainty": certainty}
        about |= {"predicted": judged.predicted[place], "wrong": float(judged.wrong[place])}
        found.append(about | {"shown": each})
    return found


def _add_pictures(objective: Objective, shown: list[Shown], predictions: np.ndarray, targets: np.ndarray) -> None:
    """Adds to pictures what is predicted for them, and what is right, where these are pictures too."""
    found = pictures(objective, predictions)
    if objective.of_inputs:
        right: list[Picture | None] = [None] * len(found)
    elif targets.shape == predictions.shape or objective.kind != "classes":
        right = [*pictures(objective, targets.astype(np.float32))]
    else:
        right = [*pictures(objective, np.eye(predictions.shape[-1], dtype=np.float32)[targets])]
    for each, predicted, target in zip(shown, found, right, strict=True):
        if target is not None:
            each["pictures"].append(["right", png(target.colours())])
        name = "reconstruction" if objective.of_inputs else "predicted"
        each["pictures"].append([name, png(predicted.colours())])
