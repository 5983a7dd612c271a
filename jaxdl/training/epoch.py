"""The values of one epoch in the loop: the epoch itself, a pause in it, and the metrics of its steps."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxdl.backend.memory import on_host
from jaxdl.steps.functions import SKIPPED, TrainState
from jaxdl.training.hooks import Metrics, Observer

Rows = dict[str, np.ndarray]
# A call of the train program takes about this long: short enough to show progress and to react to signals, long enough
# that the overhead of a call is small. On the CPU each call gets new memory for its temporaries, whose first use took
# as long as 1.5 steps of `mnist_cnn` (0.09 s); hence also a minimum number of steps.
_SECONDS_PER_CALL = 2.0
FEWEST_STEPS_PER_CALL = 4
_MOST_STEPS_AT_FIRST = 64


class NotFinite(Exception):
    """A number of the training is not finite, and the recipe says to stop in this case.

    Attributes:
        step: train steps done, including the one that made the number.
        what: the value that is not finite, such as ``train loss``.
    """

    def __init__(self, step: int, what: str):
        super().__init__(f"not finite at step {step:,}: {what}")
        self.step = step
        self.what = what


@dataclasses.dataclass(frozen=True)
class Epoch:
    """The results of one epoch.

    Attributes:
        number: 1 for the first.
        step: train steps done since the start of the training.
        state: the state after it, valid until the next epoch starts (its memory is then reused).
        metrics: figures by split: ``{"train": {...}, "validation": {...}}``.
        train_seconds: time of the train steps that this process ran, in seconds.
        examples: number of examples in these steps.
        is_best: whether it is the best so far, by the metric of early stopping.
        is_last: whether the training ends here, because all epochs are done or by early stopping.
    """

    number: int
    step: int
    state: TrainState
    metrics: dict[str, Metrics]
    train_seconds: float
    examples: int
    is_best: bool = False
    is_last: bool = False

    @property
    def figures(self) -> Metrics:
        """The figures by ``SPLIT/METRIC``."""
        return named_figures(self.metrics)


def named_figures(by_split: Mapping[str, Metrics]) -> Metrics:
    """Returns figures by ``SPLIT/METRIC`` instead of by split."""
    return {f"{split}/{name}": value for split, found in by_split.items() for name, value in found.items()}


@dataclasses.dataclass(frozen=True)
class Pause:
    """A pause between two calls of the train program, which the caller asked for.

    Attributes:
        step: train steps done since the start of the training.
        state: the state after them, valid until the training continues.
        rows: the metrics of each step of this epoch, (steps of an epoch,) float32 by name, zero for those to come;
            `jaxdl.training.loop.Trainer.train` takes them to continue from here.
    """

    step: int
    state: TrainState
    rows: Rows


@dataclasses.dataclass
class Pace:
    """The approximate number of steps of the next call of the train program; results do not depend on it.

    Attributes:
        steps: at least 1.
    """

    steps: int

    @classmethod
    def first(cls, steps_per_epoch: int) -> Pace:
        """Returns few steps, since the time of a step is not known yet."""
        return cls(max(FEWEST_STEPS_PER_CALL, min(_MOST_STEPS_AT_FIRST, steps_per_epoch // 50)))

    def adapt(self, steps: int, seconds: float) -> None:
        """Updates with the time of a call."""
        growth = min(4.0, _SECONDS_PER_CALL / max(seconds, 1e-6))
        wanted = max(FEWEST_STEPS_PER_CALL, math.ceil(steps * growth))
        # A quick call may have been shortened by the end of the epoch, so it does not reduce the number of steps.
        self.steps = wanted if growth < 1.0 else max(self.steps, wanted)


class EpochMetrics:
    """The metrics of each train step of an epoch, and the time of its steps.

    Args:
        rows: the rows of the `Pause` from which the epoch continues; empty at its start.
        observer: its own time is not counted.

    Attributes:
        rows: (steps of the epoch,) float32 by name.
        seconds: time of the steps that were run here, in seconds.
    """

    def __init__(self, rows: Mapping[str, np.ndarray], observer: Observer):
        self.rows: Rows = {name: np.array(values) for name, values in rows.items()}
        self.seconds = 0.0
        self._observer = observer
        self._began = self._last_read = self._observer_began = 0.0

    def start_clock(self) -> None:
        self._last_read = self._began = time.perf_counter()
        self._observer_began = self._observer.paused_seconds

    def stop_clock(self) -> None:
        of_observer = self._observer.paused_seconds - self._observer_began
        self.seconds += time.perf_counter() - self._began - of_observer

    def read(self, called: slice, metrics: Mapping[str, jax.Array]) -> float:
        """Reads the metrics of one call, waiting for it; returns the seconds since the last one was read.

        Args:
            called: which steps of the epoch the call runs.
            metrics: what it gives, (steps of the epoch,) by name.
        """
        found = on_host(metrics)
        now = time.perf_counter()
        seconds, self._last_read = now - self._last_read, now
        for name in _in_order(found):
            row = self.rows.setdefault(name, np.zeros_like(found[name]))
            row[called] = found[name][called]
        return seconds

    def first_not_finite(self, called: slice) -> int | None:
        """Returns the number in the epoch, 0 for the first, of a call's first step whose loss is not finite."""
        wrong = np.flatnonzero(~np.isfinite(self.rows["loss"][called]))
        return int(called.start + wrong[0]) if wrong.size else None

    def means(self, steps: slice = slice(None)) -> Metrics:
        """Returns the means over steps in double precision, and how many were skipped, which count in no mean.

        Args:
            steps: which steps of the epoch; all of them where it is not given.
        """
        rows = {name: self.rows[name][steps] for name in _in_order(self.rows)}
        skipped = rows.pop(SKIPPED, None)
        taken = slice(None) if skipped is None else skipped == 0
        means = {name: _mean(row[taken]) for name, row in rows.items()}
        return means if skipped is None else means | {SKIPPED: int(skipped.sum())}


def _in_order(names: Mapping[str, Any]) -> list[str]:
    """Puts the loss first, as everywhere; the compiled program returns names in alphabetical order."""
    return sorted(names, key=lambda name: (name != "loss", name))


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else math.nan
