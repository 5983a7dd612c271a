"""What the report shows of one output of a model: its predictions for single examples, and figures of all of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from jaxdl.data import Spec
from jaxdl.data.named import view
from jaxdl.data.trees.facts import root_targets
from jaxdl.inference.inspection.judged import Judged, calibration, counts_of, judge, labels_of
from jaxdl.inference.inspection.predicted import Batch
from jaxdl.inference.inspection.shown import Shown, png, scaled_inputs, show_all_inputs
from jaxdl.inference.pictures import Picture, has_pictures, pictures
from jaxdl.inference.predictions import counted_steps
from jaxdl.inference.trees import at_root
from jaxdl.objectives import Objective

_SHOWN = 12
_MOST_CLASSES = 100


def of_output(
    whole: Spec,
    name: str,
    objective: Objective,
    batch: Batch,
    predictions: np.ndarray,
    count: int,
) -> dict[str, Any]:
    """Returns the examples that are shown, and the figures of all that were looked at, as JSON.

    Args:
        whole: describes the data.
        name: of the output; empty for the only one.
        objective: of the output.
        batch: the examples, of several inputs and targets all.
        predictions: (examples, ...) of this output.
        count: number of test examples.
    """
    spec = whole.by_target[name]
    own = view(batch, spec.of_input, name)
    targets, lengths = own["targets"], own.get("lengths")
    if spec.trees is not None and spec.target_shape:
        targets, predictions = root_targets(own), at_root(predictions, lengths)
    if objective.of_inputs:
        targets = scaled_inputs(spec, own["inputs"])
    steps = own.get("target_lengths", counted_steps(spec, predictions, lengths))
    counted = None
    if steps is not None and targets.ndim == 2:
        counted = np.arange(targets.shape[1]) < np.asarray(steps)[:, None]
    judged = judge(spec, objective, predictions, targets, counted)
    if judged is None:
        return {}
    if has_pictures(objective, spec, predictions.shape[1:]):  # what is drawn is not written, too
        judged = dataclasses.replace(judged, truth=[""] * len(predictions), predicted=[""] * len(predictions))
    places = np.linspace(0, len(predictions) - 1, min(_SHOWN, len(predictions))).astype(int)
    groups = {"worst": judged.worst(_SHOWN), "random": places.tolist()}
    found: dict[str, Any] = {
        "of": count,
        "looked_at": len(predictions),
        "measure": judged.measure,
        "mistakes": int((judged.wrong > 0).sum()),
    }
    for group, chosen in groups.items():
        shown = _shown(whole, spec, objective, batch, predictions, targets, chosen)
        found[group] = [
            _about(judged, int(batch["numbers"][place]), place) | {"shown": each}
            for each, place in zip(shown, chosen, strict=True)
        ]
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


def _about(judged: Judged, number: int, place: int) -> dict[str, Any]:
    certainty = None if judged.certainty is None else float(judged.certainty[place])
    about = {"number": number, "truth": judged.truth[place], "certainty": certainty}
    return about | {"predicted": judged.predicted[place], "wrong": float(judged.wrong[place])}


def _shown(
    whole: Spec,
    spec: Spec,
    objective: Objective,
    batch: Batch,
    predictions: np.ndarray,
    targets: np.ndarray,
    places: list[int],
) -> list[Shown]:
    """Returns the inputs of some examples, with what is predicted where that is drawn and not written."""
    if not places:
        return []
    shown = show_all_inputs(whole, {name: array[places] for name, array in batch.items()})
    if has_pictures(objective, spec, predictions.shape[1:]):
        _add_pictures(objective, shown, predictions[places], targets[places])
    if spec.windows is not None:
        for each, place in zip(shown, places, strict=True):
            each["ahead"] = [
                [float(f"{float(v):.5g}") for v in np.reshape(of[place], -1)] for of in (targets, predictions)
            ]
    return shown


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
        drawn = each.setdefault("pictures", [])
        if target is not None:
            drawn.append(["right", png(target.colours())])
        name = "reconstruction" if objective.of_inputs else "predicted"
        drawn.append([name, png(predicted.colours())])
