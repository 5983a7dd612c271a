"""How much each class counts: the numbers behind ``--class_weight``, from the train split."""

from __future__ import annotations

import numpy as np

from jaxdl.data import Dataset
from jaxdl.data.check import are_classes
from jaxdl.data.lengths import steps_that_count
from jaxdl.errors import UserError
from jaxdl.experiment.recipe import Experiment
from jaxdl.fields import show


def class_weights(experiment: Experiment, dataset: Dataset) -> tuple[float, ...] | None:
    """Returns the weight of each class in the loss, None where the recipe has no ``class_weight``.

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
