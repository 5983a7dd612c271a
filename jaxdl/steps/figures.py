"""Figures of an evaluation: the loss and the metrics, of the parameters and of their average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxdl.experiment import Experiment
from jaxdl.objectives.measures import Metric
from jaxdl.objectives.metrics import loss, metric
from jaxdl.steps.averages import prefix_of


def eval_metrics(experiment: Experiment) -> list[Metric]:
    """Returns the loss and the experiment's metrics for evaluation.

    The loss is measured against the labels without smoothing: figures of different runs can be compared, and one
    compiled program evaluates them all.
    """
    objective = experiment.objective.for_evaluation()
    return [loss(objective), *(metric(name, objective) for name in experiment.measured)]


def eval_figures(
    experiment: Experiment, partials: Mapping[str, np.ndarray], metrics: Sequence[Metric] | None = None
) -> dict[str, Any]:
    """Returns the loss and the metrics by name, and those of the average that are numbers, where it was evaluated.

    Args:
        experiment: the recipe.
        partials: what `Steps.eval_step` gave for each batch, with one more axis in front.
        metrics: what `eval_metrics` returns for the recipe, where that is at hand.
    """
    figures: dict[str, Any] = {}
    metrics = eval_metrics(experiment) if metrics is None else metrics
    for each in metrics:
        figures |= each.result(partials)
    prefix = prefix_of(experiment.training)
    of_average = {name.removeprefix(prefix): sums for name, sums in partials.items() if name.startswith(prefix)}
    if experiment.training.averages and of_average:
        for each in metrics:
            found = each.result(of_average).items()
            figures |= {prefix + name: value for name, value in found if not isinstance(value, list | dict)}
    return figures
