"""How much each class counts: the numbers behind ``--class_weight``, from the train split."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxdl.data import Dataset, Spec
from jaxdl.data.check import are_classes
from jaxdl.data.lengths import steps_that_count
from jaxdl.data.named import of_view
from jaxdl.errors import UserError
from jaxdl.experiment.fitting import objective_of
from jaxdl.experiment.recipe import Experiment
from jaxdl.fields import show

# Of several targets by their names, of those that are classes.
ClassWeights = Sequence[float] | Mapping[str, Sequence[float]]


def weighed(experiment: Experiment, spec: Spec) -> list[str]:
    """Returns which of several targets ``class_weight`` weighs: those that are classes.

    Raises:
        UserError: there is none, or there are several and the weights are those of the classes of one.
    """
    given = experiment.training.class_weight
    names = [name for name, _ in spec.targets if objective_of(experiment.objective, name).kind == "classes"]
    if given is not None and not names:
        raise UserError("training.class_weight: no target has classes; give the data an array of weights.")
    if isinstance(given, tuple) and len(names) > 1:
        raise UserError(
            f"training.class_weight={show(given)}: several targets have classes ({', '.join(names)}); balanced weighs "
            "the classes of each."
        )
    return names


def weights_of_targets(experiment: Experiment, spec: Spec, given: ClassWeights | None) -> dict[str, Any]:
    """Returns the weights of the classes of each of several targets: none for those that are not weighed.

    Args:
        experiment: the recipe.
        spec: describes the data.
        given: what `class_weights` returns for it; None: not known, so that numbers are needed in the recipe. None is
            also that of a target whose weights are not known.
    """
    of_recipe = experiment.training.class_weight
    if spec.targets and given is None and isinstance(of_recipe, tuple):
        given = dict.fromkeys(weighed(experiment, spec), of_recipe)
    unknown = given is None and of_recipe is not None
    by_name = given if isinstance(given, Mapping) else {}
    return {name: None if unknown else by_name.get(name, ()) for name, _ in spec.targets}


def class_weights(experiment: Experiment, dataset: Dataset) -> ClassWeights | None:
    """Returns the weight of each class in the loss, None where the recipe has no ``class_weight``.

    Of several targets they are by name, for those that are classes.

    ``balanced`` is ``examples / (classes * examples of the class)`` over the train split that is left after validation
    was cut, as scikit-learn's `compute_class_weight` (King and Zeng 2001, Logistic regression in rare events data): all
    classes then count the same in total, and an example counts 1 on average. Where each step or pixel has a class,
    these are counted instead of examples; of probabilities their sums are taken. A class that train lacks counts 1, and
    is not among the number of classes.

    Args:
        experiment: the recipe.
        dataset: its data.

    Raises:
        UserError: the targets are no classes, there are not as many weights as classes, or ``weighted_metrics`` is set
            and there are no weights at all.
    """
    given = experiment.training.class_weight
    if experiment.weighted_metrics and given is None and "weights" not in dataset.splits["train"]:
        raise UserError(
            f"weighted_metrics=true: {dataset.used} has no weights, and no class_weight is given; leave it out."
        )
    if given is None:
        return None
    if dataset.spec.targets:
        targets = dict(dataset.spec.targets)
        return {
            name: _of_one(
                dataclasses.replace(experiment, objective=objective_of(experiment.objective, name), metrics=()),
                of_view(dataset, targets[name].of_input, name, targets[name]),
            )
            for name in weighed(experiment, dataset.spec)
        }
    return _of_one(experiment, dataset)


def _of_one(experiment: Experiment, dataset: Dataset) -> tuple[float, ...]:
    """Returns the weights of the classes of a single target."""
    given = experiment.training.class_weight
    counts = _counts(experiment, dataset)
    if isinstance(given, tuple):
        if len(given) != len(counts):
            raise UserError(
                f"training.class_weight={show(given)}: {len(given)} given for {len(counts)} classes; give a number for "
                "each, or balanced."
            )
        return given
    present = counts > 0
    balanced = counts.sum() / (present.sum() * np.where(present, counts, 1))
    return tuple(float(weight) for weight in np.where(present, balanced, 1.0))


def _counts(experiment: Experiment, dataset: Dataset) -> np.ndarray:
    """Returns how often each class occurs in the train split, (classes,) float64."""
    train, spec, kind = dataset.splits["train"], dataset.spec, experiment.objective.kind
    targets = train["targets"]
    yes_or_no = kind == "questions" and targets.ndim == 1 and (spec.outputs == 1 or len(spec.class_names) == 2)
    if yes_or_no and np.isin(targets, (0, 1)).all():
        labels, classes = targets.astype(np.int64), 2
    elif kind == "classes" and are_classes(targets, spec):
        labels, classes = targets, spec.outputs
    elif kind == "classes" and targets.ndim > 1 and targets.shape[-1] == spec.outputs:
        return np.asarray(targets.reshape(-1, spec.outputs).sum(0, dtype=np.float64))
    else:
        raise UserError(
            f"training.class_weight={show(experiment.training.class_weight)}: the targets of {dataset.used} are no "
            "classes; weigh single examples by an array `weights`, as in jaxdl.Arrays(train={..., 'weights': ...})."
        )
    counted = steps_that_count(train)
    if counted is not None:
        labels = labels[counted]
    if spec.ignore_index is not None:
        labels = labels[labels != spec.ignore_index]
    return np.bincount(labels.reshape(-1), minlength=classes).astype(np.float64)
