"""Tracks which epoch is the best so far, and when to stop because there is no better one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

from jaxdl.data import Dataset
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.objectives.metrics import direction, training_metrics
from jaxdl.steps.averages import prefix_of


@dataclasses.dataclass
class EarlyStopping:
    """Tracks one metric over the epochs.

    Attributes:
        metric: name as ``SPLIT/METRIC``; None: no metric is tracked.
        patience: epochs without improvement after which to stop, or None.
        best: the best value so far, None before the first.
        best_step: train steps done at the best value.
        since_best: epochs since the best value.
        measured: the metrics of the recipe, which may be of one's own.
    """

    metric: str | None = None
    patience: int | None = None
    best: float | None = None
    best_step: int | None = None
    since_best: int = 0
    measured: tuple[str, ...] = ()

    @classmethod
    def of(cls, experiment: Experiment, dataset: Dataset) -> EarlyStopping:
        """Returns the early stopping that ``--watch`` and ``--patience`` set.

        Without a validation split no metric is tracked, unless something depends on it.

        Raises:
            UserError: the metric is not measured on that split, or there is no such split.
        """
        training = experiment.training
        no_validation = training.watch.startswith("validation/") and "validation" not in dataset.splits
        if no_validation and training.patience is None and training.final == "last":
            return cls()
        check_measured("--watch", training.watch, experiment, dataset)
        return cls(training.watch, training.patience, measured=experiment.measured)

    def observe(self, figures: Mapping[str, Any], step: int) -> bool:
        """Updates with the figures of an epoch; returns whether they have the best value of the metric so far.

        Args:
            figures: figures by ``SPLIT/METRIC``.
            step: train steps done.
        """
        if self.metric is None or self.metric not in figures:
            return False
        value = figures[self.metric]
        better = math.isfinite(value) and (
            self.best is None or (value < self.best if self.mode == "min" else value > self.best)
        )
        if better:
            self.best, self.best_step, self.since_best = value, step, 0
        else:
            self.since_best += 1
        return better

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether the smallest value is the best, or the largest."""
        return "max" if self.metric is not None and direction(self.metric, self.measured) == "maximize" else "min"

    @property
    def exhausted(self) -> bool:
        """Whether the last `patience` epochs were not better."""
        return self.patience is not None and self.since_best >= self.patience


def check_measured(flag: str, figure: str, experiment: Experiment, dataset: Dataset) -> None:
    """Checks that the figure for comparing states or runs is measured after each epoch.

    Args:
        flag: the option that names it.
        figure: ``SPLIT/METRIC``.
        experiment: the recipe.
        dataset: its data.

    Raises:
        UserError: it is not.
    """
    split, _, name = figure.partition("/")
    in_training = training_metrics(experiment.measured, experiment.objective)
    losses = {"loss", *(f"{name}/loss" for name, _ in dataset.spec.targets)}
    measured = {"train": losses | {metric.name for metric in in_training}}
    if "validation" in dataset.splits:
        measured["validation"] = losses | {*experiment.measured}
        if experiment.training.averages:
            measured["validation"] |= {prefix_of(experiment.training) + name for name in measured["validation"]}
    if name not in measured.get(split, ()) or direction(name, experiment.measured) is None:
        names = [f"{split}/{name}" for split, names in measured.items() for name in sorted(names)]
        possible = ", ".join(name for name in names if direction(name, experiment.measured) is not None)
        raise UserError(f"{flag}={figure}: this figure is not measured. This run measures: {possible}.")
