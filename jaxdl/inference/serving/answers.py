"""Predictions as JSON: what is most probable, and how probable the rest is, by the names of the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxdl.data import Spec
from jaxdl.inference.predictions import counted_steps
from jaxdl.inference.predictor import TrainedModel
from jaxdl.inference.serving.limits import Refused
from jaxdl.objectives import Objective
from jaxdl.objectives.several import Several

Answer = dict[str, Any]


def answers(model: TrainedModel, predictions: Any, batch: Mapping[str, np.ndarray], top_k: int = 0) -> list[Answer]:
    """Returns an object for each example.

    Args:
        model: which predicted.
        predictions: (examples, ...) as `TrainedModel.predict` returns them; of several outputs by their names.
        batch: the examples, as `TrainedModel.checked` returned them.
        top_k: with one class for an example, how many of the most probable classes to give; 0: all.

    Returns:
        With one class for an example ``prediction``, its name, ``probability``, and ``probabilities`` by the names of
        the classes; with several questions ``probabilities`` of yes; with a class for each step ``prediction``, a list
        of names; with a class for each pixel ``prediction``, rows of their numbers; otherwise ``prediction``, a number
        or lists of numbers. Of several outputs an object of these by their names. NaN is None.

    Raises:
        Refused: `top_k` is not 0, and an example has not one class.
    """
    objective, spec = model.experiment.objective, model.spec
    if not isinstance(objective, Several):
        return _of_one(objective, spec, predictions, batch.get("lengths"), top_k)
    of_each = {
        name: _of_one(objective.parts[name], own, predictions[name], batch.get(f"lengths/{own.of_input}"), top_k)
        for name, own in spec.targets
    }
    return [dict(zip(of_each, each, strict=True)) for each in zip(*of_each.values(), strict=True)]


def class_names(spec: Spec) -> tuple[str, ...]:
    """Returns the names of the classes, of which no two are the same."""
    names = spec.class_names
    if len(set(names)) == len(names):
        return names
    return tuple(f"{name} ({number})" for number, name in enumerate(names))


def _of_one(objective: Objective, spec: Spec, found: np.ndarray, lengths: Any, top_k: int) -> list[Answer]:
    names = () if objective.of_inputs else class_names(spec)
    exclusive = objective.kind != "questions"
    named = bool(names) and found.ndim == 2 and found.shape[1] == len(names)
    if named and exclusive:
        return [_of_classes(row, names, top_k) for row in found]
    if top_k:
        raise Refused(400, "top_k is for models that predict one class for each example; leave it out.")
    if named:
        return [{"probabilities": dict(zip(names, row, strict=True))} for row in found]
    counted = counted_steps(spec, found, lengths)
    if names and exclusive and found.ndim == 3 and found.shape[2] == len(names):
        steps = found if counted is None else [each[:count] for each, count in zip(found, counted, strict=True)]
        return [{"prediction": [_name(row, names) for row in each]} for each in steps]
    if objective.kind == "classes" and found.ndim == 4:
        return [{"prediction": each.argmax(-1)} for each in found]
    cut = found if counted is None else [each[:count] for each, count in zip(found, counted, strict=True)]
    return [{"prediction": np.ascontiguousarray(each) if each.ndim else each[()]} for each in map(np.asarray, cut)]


def _of_classes(row: np.ndarray, names: tuple[str, ...], top_k: int) -> Answer:
    best = int(row.argmax())  # the first NaN, if there is one
    of_classes: dict[str, Any]
    if top_k:
        order = np.argsort(-row, kind="stable")[:top_k]
        of_classes = {names[place]: row[place] for place in order}
    else:
        of_classes = dict(zip(names, row, strict=True))
    return {"prediction": _name(row, names), "probability": row[best], "probabilities": of_classes}


def _name(row: np.ndarray, names: tuple[str, ...]) -> str | None:
    best = int(row.argmax())
    return None if np.isnan(row[best]) else names[best]
