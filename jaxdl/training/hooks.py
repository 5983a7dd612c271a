"""What surrounds a training: who may stop it, and where it shows how far it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from jaxdl.backend.signals import StopSignals
from jaxdl.report.terminal import Display

__all__ = ["Display", "Judge", "Setting"]

Judge = Callable[[int, Mapping[str, Any]], bool]


@dataclasses.dataclass(frozen=True)
class Setting:
    """What surrounds a training.

    Attributes:
        signals: asks it to stop; None: SIGINT and SIGTERM, while it runs.
        display: shows how far it is; None: a bar in the terminal.
        judge: called after each epoch with the number of epochs done and the figures so far by ``SPLIT/METRIC``; where
            it returns True, the training is given up there. What it says must follow from what it was told alone: of a
            run that goes on, it is told all epochs anew.
        plots: whether the run's report has plots; drawing takes as long as a short training.
    """

    signals: StopSignals | None = None
    display: Display | None = None
    judge: Judge | None = None
    plots: bool = True
