"""One epoch of a training, in calls of the train program, and where it may stand still."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import jax
import numpy as np

from jaxdl.backend.memory import on_host
from jaxdl.steps.functions import (
    SKIPPED,
    TrainState,
)

if TYPE_CHECKING:
    from jaxdl.training.loop import Trainer

Metrics = dict[str, Any]
Rows = dict[str, np.ndarray]
OnProgress = Callable[[int, int, Metrics, float], None]
# A call of the train program lasts about this long: short enough that progress is seen and a signal is answered soon,
# long enough that what a call costs stays small. On the CPU each call is given fresh memory for its temporaries, whose
# first use took as long as 1.5 steps of `mnist_cnn` (0.09 s); hence also a least number of steps.
_SECONDS_PER_CALL = 2.0
FEWEST_STEPS_PER_CALL = 4


class Diverged(Exception):
    """A number of the training is no longer finite, and the recipe says to stop then.

    Attributes:
        step: train steps done, that which made the number included.
        what: what is not finite, such as ``train loss``.
    """

    def __init__(self, step: int, what: str):
        super().__init__(f"the {what} of step {step:,} is not finite")
        self.step = step
        self.what = what


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Attributes:
        number: 1 for the first.
        step: train steps done since the start of the training.
        state: the state after it, valid until the next epoch is asked for (its memory is then used again).
        metrics: figures by split: ``{"train": {...}, "validation": {...}}``.
        train_seconds: time of those of its train steps that this process ran, in seconds.
        examples: how many examples these visited.
    """

    number: int
    step: int
    state: TrainState
    metrics: dict[str, Metrics]
    train_seconds: float
    examples: int


@dataclasses.dataclass(frozen=True)
class Pause:
    """The training stands still between two calls of the train program, because the caller asked for it.

    Attributes:
        step: train steps done since the start of the training.
        state: the state after them, valid until the training goes on.
        rows: the metrics of each step of the epoch under way, (steps of an epoch,) float32 by name, zero for those to
            come; `Trainer.train` takes them to go on from here.
    """

    step: int
    state: TrainState
    rows: Rows


@dataclasses.dataclass
class Pace:
    """About how many steps the next call of the train program runs; results do not depend on it.

    Attributes:
        steps: at least 1.
    """

    steps: int


class Pauses(Protocol):
    """Says when the training shall stand still; see `Pause`. It also does after every epoch."""

    def at_most(self, step: int) -> int:
        """Returns how many steps may be run in one call after `step`, at least 1."""

    def due(self, step: int) -> bool:
        """Returns whether to stand still after `step`, which is not the last of its epoch."""


class Observer(Protocol):
    """Stands beside the loop that calls the train program; see `jaxdl.profiling.Recorder`.

    Attributes:
        paused_seconds: time that it took for itself so far, in seconds.
    """

    paused_seconds: float

    def before_call(self, steps: int) -> int:
        """Returns how many train steps the next call may run, 1 to `steps`."""

    def after_call(self, steps: int, results: Any, ends_epoch: bool) -> None:
        """Takes note of a call that was begun, with arrays that it will give."""


class NoPauses:
    """Never stands still within an epoch."""

    def at_most(self, step: int) -> int:
        return 2**31

    def due(self, step: int) -> bool:
        return False


class NoObserver:
    """Looks away."""

    paused_seconds = 0.0

    def before_call(self, steps: int) -> int:
        return steps

    def after_call(self, steps: int, results: Any, ends_epoch: bool) -> None:
        pass


class EpochRun:
    """The train steps of one epoch, in calls of about two seconds; each call's metrics are read while the next runs.

    Attributes:
        seconds: time of the steps that were run here, in seconds.
    """

    def __init__(
        self,
        trainer: Trainer,
        epoch: int,
        done: int,
        rows: Mapping[str, np.ndarray],
        on_progress: OnProgress | None,
        observer: Observer,
    ):
        self._trainer = trainer
        self._epoch = epoch
        self._done = done
        self._rows: Rows = {name: np.array(values) for name, values in rows.items()}
        self._on_progress = on_progress
        self._observer = observer
        self.seconds = 0.0
        self._began = self._last_read = self._observer_began = 0.0

    def steps(self, state: TrainState, pauses: Pauses) -> Generator[Pause, None, TrainState]:
        """Runs the steps that are left; yields where `pauses` asks for it, and returns the state after the last."""
        trainer, observer, total = self._trainer, self._observer, self._trainer.steps_per_epoch
        order = trainer.order(self._epoch)
        before = self._epoch * total
        pending: tuple[int, int, Any] | None = None
        self._start_clock()
        while self._done < total:
            most = min(trainer.pace.steps, total - self._done, pauses.at_most(before + self._done))
            state, metrics, steps = trainer.call(state, order, self._done, observer.before_call(most))
            self._done += steps
            observer.after_call(steps, metrics, self._done == total)
            if pending is not None:
                # One call late: the device already works on the next call, so it never waits for Python.
                self._take(*pending)
            pending = (self._done, steps, metrics)
            if self._done < total and pauses.due(before + self._done):
                self._take(*pending)
                pending = None
                self._stop_clock()
                yield Pause(before + self._done, state, self._rows)
                self._start_clock()
        if pending is not None:
            self._take(*pending)
        self._stop_clock()
        return state

    def means(self) -> Metrics:
        """Returns the means over all steps in double precision, and how many were skipped, which count in no mean."""
        rows = self._in_order(self._rows)
        skipped = rows.pop(SKIPPED, None)
        taken = slice(None) if skipped is None else skipped == 0
        means = {name: _mean(row[taken]) for name, row in rows.items()}
        return means if skipped is None else means | {SKIPPED: int(skipped.sum())}

    @staticmethod
    def _in_order(rows: Mapping[str, Any]) -> dict[str, Any]:
        """The loss first, as everywhere; the compiled program returns names in alphabetical order."""
        return {name: rows[name] for name in sorted(rows, key=lambda name: (name != "loss", name))}

    def _take(self, done: int, steps: int, metrics: Mapping[str, jax.Array]) -> None:
        """Reads the metrics of one call."""
        read = on_host(metrics)
        now = time.perf_counter()
        seconds, self._last_read = now - self._last_read, now
        for name, values in self._in_order(read).items():
            row = self._rows.setdefault(name, np.zeros_like(values))
            row[done - steps : done] = values[done - steps : done]
        if self._trainer.experiment.training.nan == "stop":
            wrong = np.flatnonzero(~np.isfinite(self._rows["loss"][done - steps : done]))
            if wrong.size:
                first = self._epoch * self._trainer.steps_per_epoch + done - steps + int(wrong[0])
                raise Diverged(first + 1, "train loss")
        if self._on_progress is not None:
            means = {name: _mean(row[done - steps : done]) for name, row in self._in_order(self._rows).items()}
            rate = steps * self._trainer.experiment.training.batch_size / seconds
            self._on_progress(self._epoch * self._trainer.steps_per_epoch + done, self._epoch + 1, means, rate)
        growth = min(4.0, _SECONDS_PER_CALL / max(seconds, 1e-6))
        wanted = max(FEWEST_STEPS_PER_CALL, math.ceil(steps * growth))
        pace = self._trainer.pace
        # A call that was quick may have been cut short by the end of the epoch: it is no reason for fewer steps.
        pace.steps = wanted if growth < 1.0 else max(pace.steps, wanted)

    def _start_clock(self) -> None:
        self._last_read = self._began = time.perf_counter()
        self._observer_began = self._observer.paused_seconds

    def _stop_clock(self) -> None:
        of_observer = self._observer.paused_seconds - self._observer_began
        self.seconds += time.perf_counter() - self._began - of_observer


def _mean(values: np.ndarray) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else math.nan
