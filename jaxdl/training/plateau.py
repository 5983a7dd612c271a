"""Lowers the learning rate where the watched metric gets no better; see `jaxdl.optim.schedules.Plateau`."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import own_fields
from jaxdl.optim.schedules import Plateau


@dataclasses.dataclass
class Follower:
    """What a plateau schedule knows of the epochs so far: from the values alone, so that resuming replays them.

    Attributes:
        schedule: its fields.
        rate: factor of the learning rate for the next epoch.
        best: the value that others are compared with; None before the first.
        waited: epochs without a better one.
        resting: epochs left in which none counts as such.
    """

    schedule: Plateau
    rate: float = 1.0
    best: float | None = None
    waited: int = 0
    resting: int = 0

    @classmethod
    def of(cls, experiment: Experiment) -> Follower | None:
        """Returns that of a recipe; None if it has another schedule.

        Raises:
            UserError: its optimizer has its learning rate inside it.
        """
        optimizer = experiment.optimizer
        if not isinstance(optimizer.schedule, Plateau):
            return None
        if not any(field.path == "learning_rate" for field in own_fields(optimizer)):
            raise UserError(
                f"optimizer.schedule=plateau: the optimizer {type(optimizer).__name__} has no learning_rate that could "
                "be cut; take one of jaxdl's, or a function with jaxdl.optimizer."
            )
        return cls(optimizer.schedule)

    def observe(self, value: float, *, smaller: bool) -> None:
        """Updates with the value of the metric after an epoch, as Keras's ``ReduceLROnPlateau``.

        Args:
            value: of the metric.
            smaller: whether smaller values are better.
        """
        if self.resting:
            self.resting, self.waited = self.resting - 1, 0
        better = self.best is None or (self.best - value if smaller else value - self.best) > self.schedule.margin
        if better and math.isfinite(value):
            self.best, self.waited = value, 0
        elif not self.resting:
            self.waited += 1
            if self.waited >= self.schedule.wait:
                self.rate = min(self.rate, max(self.rate * self.schedule.cut, self.schedule.least))
                self.resting, self.waited = self.schedule.rest, 0


def cut(hparams: dict[str, Any], experiment: Experiment, rate: float) -> dict[str, Any]:
    """Returns the numbers that enter the train step with the learning rate times a factor."""
    if rate == 1.0:
        return hparams
    return hparams | {"optimizer.learning_rate": np.float32(experiment.optimizer.learning_rate * rate)}
