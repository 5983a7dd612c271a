"""Records times in one worker and decides when it is done: the same clock and rules for every framework."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks import device
from benchmarks.task import Task


@dataclass
class Recorder:
    """Records the times of one training; a framework's loop calls it and stops when `end_epoch` returns False.

    The speed job's first epoch is the warm-up, in which everything is compiled; the median of the others counts,
    because on a machine with other load an epoch can stall for seconds. All times are in seconds; those since the start
    are counted from just before the process was created. A framework sets `library`, the library that it computes with
    (see `benchmarks.device`), and `parameters`, the number of its trained parameters.
    """

    task: Task
    library: str = ""
    parameters: int = 0
    first_step_seconds: float | None = None
    epoch_seconds: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    seconds_to_target: float | None = None
    _begin: float = 0.0

    def begin_epoch(self) -> None:
        """Starts an epoch's clock; call it before the order of its examples is drawn."""
        self._begin = time.monotonic()

    def first_step(self) -> None:
        """Records that the first loss of the training is on the host; later calls do nothing."""
        if self.first_step_seconds is None:
            self.first_step_seconds = time.monotonic() - self.task.started

    def end_epoch(self, evaluate: Callable[[], float]) -> bool:
        """Ends an epoch, when all of its steps are done and its mean loss is on the host.

        Args:
            evaluate: measures the accuracy over the whole test split; called only in the accuracy job.

        Returns:
            Whether to train another epoch.
        """
        self.epoch_seconds.append(time.monotonic() - self._begin)
        if self.task.job == "speed":
            return sum(self.epoch_seconds[1:]) < self.task.seconds
        self.accuracies.append(float(evaluate()))
        workload, epochs = self.task.recipe, len(self.accuracies)
        if self.seconds_to_target is None and self.accuracies[-1] >= workload.target:
            self.seconds_to_target = time.monotonic() - self.task.started
        reached = self.seconds_to_target is not None
        return epochs < workload.epochs and (epochs < workload.compare_epochs or not reached)

    def result(self) -> dict[str, Any]:
        """Returns the measurements, for JSON.

        Raises:
            RuntimeError: a GPU was requested, and the library does not see one.
        """
        name = device.name(self.library)
        if self.task.device == "gpu" and name == "cpu":
            raise RuntimeError(f"{self.library} sees no GPU")
        figures: dict[str, Any] = {
            "parameters": self.parameters,
            "device": name,
            "device_peak_bytes": device.peak_bytes(self.library),
            "first_step_seconds": self.first_step_seconds,
            "epoch_seconds": self.epoch_seconds,
        }
        if self.task.job == "speed":
            figures["examples_per_second"] = self.task.train_examples / statistics.median(self.epoch_seconds[1:])
        else:
            reached = [a >= self.task.recipe.target for a in self.accuracies]
            figures["accuracies"] = self.accuracies
            figures["seconds_to_target"] = self.seconds_to_target
            figures["epochs_to_target"] = reached.index(True) + 1 if any(reached) else None
        return figures
