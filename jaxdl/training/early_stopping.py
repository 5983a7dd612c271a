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
from jaxdl.training.plateau import Follower


@dataclasses.dataclass
class EarlyStopping:
    """Tracks one metric over the epochs.

    Attributes:
        metric: name as ``SPLIT/METRIC``; None: no metric is tracked.
        patience: epochs without improvement after which to stop, or None.
        best: the best value so far, None before the first.
        best_step: train steps done at the best value.
        since_best: epochs since a value that was better by `min_delta`.
        measured: the metrics of the recipe, which may be of one's own.
        min_delta: by how much a value is to be better than the last that was, for patience.
        first: number of the first epoch that counts for patience.
        compared: the last value that was better by `min_delta`.
        epochs: epochs observed.
        plateau: cuts the learning rate, where the recipe's schedule does so.
    """

    metric: str | None = None
    patience: int | None = None
    best: float | None = None
    best_step: int | None = None
    since_best: int = 0
    measured: tuple[str, ...] = ()
    min_delta: float = 0.0
    first: int = 1
    compared: float | None = None
    epochs: int = 0
    plateau: Follower | None = None

    @classmethod
    def of(cls, experiment: Experiment, dataset: Dataset) -> EarlyStopping:
        """Returns the early stopping that ``--watch`` and ``--patience`` set.

        Without a validation split no metric is tracked, unless something depends on it.

        Raises:
            UserError: the metric is not measured on that split, or there is no such split.
        """
        training = experiment.training
        no_validation = training.watch.startswith("validation/") and "validation" not in dataset.splits
        plateau = Follower.of(experiment)
        if no_validation and training.patience is None and training.final == "last" and plateau is None:
            return cls()
        check_measured("--watch", training.watch, experiment, dataset)
        return cls(
            training.watch,
            training.patience,
            measured=experiment.measured,
            min_delta=training.min_delta,
            first=training.start_from_epoch + 1,
            plateau=plateau,
        )

    @classmethod
    def without(cls, experiment: Experiment) -> EarlyStopping:
        """Returns what follows the epochs of a training that never stops early: its schedule, if that is a plateau."""
        plateau = Follower.of(experiment)
        watch = None if plateau is None else experiment.training.watch
        return cls(watch, measured=experiment.measured, plateau=plateau)

    def observe(self, figures: Mapping[str, Any], step: int) -> bool:
        """Updates with the figures of an epoch; returns whether they have the best value of the metric so far.

        Args:
            figures: figures by ``SPLIT/METRIC``.
            step: train steps done.
        """
        if self.metric is None or self.metric not in figures:
            return False
        value = figures[self.metric]
        better = self._is_better(value, self.best, 0.0)
        if better:
            self.best, self.best_step = value, step
        self.epochs += 1
        if self.epochs >= self.first:
            improved = self._is_better(value, self.compared, self.min_delta)
            self.since_best = 0 if improved else self.since_best + 1
            self.compared = value if improved else self.compared
        if self.plateau is not None:
            self.plateau.observe(value, smaller=self.mode == "min")
        return better

    def _is_better(self, value: float, other: float | None, by: float) -> bool:
        """Returns whether a value is finite, and better than another one, None for none, by more than `by`."""
        if other is None or not math.isfinite(value):
            return math.isfinite(value)
        return value < other - by if self.mode == "min" else value > other + by

    @property
    def rate(self) -> float:
        """The factor of the learning rate for the next epoch, beside that of the schedule."""
        return 1.0 if self.plateau is None else self.plateau.rate

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether the smallest value is the best, or the largest."""
        return "max" if self.metric is not None and direction(self.metric, self.measured) == "maximize" else "min"

    @property
    def exhausted(self) -> bool:
        """Whether the last `patience` epochs were not better by `min_delta`."""
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
