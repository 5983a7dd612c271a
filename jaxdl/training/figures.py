"""The figures of a run so far, for the log, the display and the summary."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from jaxdl.record import RunDirectory, read_metrics
from jaxdl.training.epoch import Epoch
from jaxdl.training.hooks import Metrics

_PLACE = ("step", "epoch", "split")
# In the place of a split, for the numbers that hooks log; these may come in the middle of an epoch.
HOOKS = "hooks"


@dataclasses.dataclass
class Figures:
    """The progress of a run, and its figures.

    Attributes:
        directory: the run directory, where each figure is logged.
        step: train steps done.
        epoch: epochs done.
        latest: the last value of each figure by ``SPLIT/METRIC``; numbers, and lists such as a confusion matrix.
        train_seconds: time of the train steps of whole epochs, in seconds.
        train_examples: number of examples in these steps.
        trained: train steps and epochs done when the training ended, if the present ones are those of an earlier state.
    """

    directory: RunDirectory
    step: int = 0
    epoch: int = 0
    latest: dict[str, Any] = dataclasses.field(default_factory=dict)
    train_seconds: float = 0.0
    train_examples: int = 0
    trained: tuple[int, int] | None = None

    def replay(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Takes what earlier processes logged; yields epoch, step and figures of one epoch after the other."""
        logged = read_metrics(self.directory.path)
        for line in (line for line in logged if line["split"] == HOOKS):
            self.note(HOOKS, {name: line[name] for name in line if name not in _PLACE})
        of_epochs = (line for line in logged if line["split"] != HOOKS)
        for epoch, lines in itertools.groupby(of_epochs, lambda line: line["epoch"]):
            figures: dict[str, Any] = {}
            for line in lines:
                figures |= self.note(line["split"], {name: line[name] for name in line if name not in _PLACE})
            yield epoch, line["step"], figures

    def take(self, epoch: Epoch, learning_rate: float | None = None) -> None:
        """Logs the figures of a finished epoch, and how long it took.

        Args:
            epoch: the epoch.
            learning_rate: of its last step, where that is known.
        """
        self.epoch, self.step = epoch.number, epoch.step
        self.train_seconds += epoch.train_seconds
        self.train_examples += epoch.examples
        for split, metrics in epoch.metrics.items():
            self.note(split, metrics)
        self.directory.log_splits(self.step, self.epoch, epoch.metrics)
        facts = {"train_seconds": epoch.train_seconds}
        if epoch.train_seconds:
            facts["examples_per_second"] = epoch.examples / epoch.train_seconds
        if learning_rate is not None:
            facts["learning_rate"] = learning_rate
        self.directory.log_progress(self.step, self.epoch, facts)

    def log(self, split: str, metrics: Metrics) -> None:
        """Logs the metrics of a split, after the present step."""
        self.note(split, metrics)
        self.directory.log_metrics(self.step, self.epoch, split, metrics)

    def note(self, split: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Takes the metrics of a split without logging them; returns them by ``SPLIT/METRIC``."""
        figures = {f"{split}/{name}": value for name, value in metrics.items()}
        self.latest |= figures
        return figures

    def return_to(self, step: int, steps_per_epoch: int) -> None:
        """Makes the figures and the place of an earlier epoch the present ones: those of the best state, to be tested.

        Args:
            step: train steps done at its end.
            steps_per_epoch: train steps of one epoch.
        """
        self.trained = self.step, self.epoch
        self.step, self.epoch = step, step // steps_per_epoch
        for line in read_metrics(self.directory.path):
            if line["step"] == step:
                self.note(line["split"], {name: line[name] for name in line if name not in _PLACE})

    @property
    def numbers(self) -> dict[str, float]:
        """The latest figures without those that are lists, such as a confusion matrix."""
        return {name: value for name, value in self.latest.items() if not isinstance(value, list)}

    @property
    def examples_per_second(self) -> float:
        """Examples per second of the train steps, without compilation; 0 before the first epoch ended."""
        return self.train_examples / self.train_seconds if self.train_seconds else 0.0
