"""Protocols of what takes part in a training from outside: what may pause or stop it, observe it, or show it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from jaxdl.backend.signals import StopSignals
from jaxdl.experiment import Experiment
from jaxdl.report.progress import Display
from jaxdl.steps.functions import TrainState

Metrics = dict[str, Any]
# Takes the step, the epoch (from 1), the train metrics since the last call, and examples per second.
OnProgress = Callable[[int, int, Metrics, float], None]
# Takes the epochs done, and the figures so far by ``SPLIT/METRIC``.
GiveUp = Callable[[int, Mapping[str, Any]], bool]
# Takes what a call of a compiled program does; watches it while the context is entered.
Watch = Callable[[str], contextlib.AbstractContextManager[Any]]


class Pauses(Protocol):
    """Says when the loop pauses within an epoch; see `jaxdl.training.epoch.Pause`. It also pauses after every epoch."""

    def at_most(self, step: int) -> int:
        """Returns how many steps one call may run after `step`, at least 1."""

    def due(self, step: int) -> bool:
        """Returns whether to pause after `step`, which is not the last of its epoch."""


class NoPauses:
    """Never pauses within an epoch."""

    def at_most(self, step: int) -> int:
        return 2**31

    def due(self, step: int) -> bool:
        return False


@dataclasses.dataclass(frozen=True)
class AnyPauses:
    """Pauses where one of several asks for it."""

    of: Sequence[Pauses]

    def at_most(self, step: int) -> int:
        return min(each.at_most(step) for each in self.of)

    def due(self, step: int) -> bool:
        return any(each.due(step) for each in self.of)


class Observer(Protocol):
    """Is told of each call of the train program; a profiler's `jaxdl.profiling.recorder.Recorder` is one.

    Attributes:
        paused_seconds: time that it took for its own work so far, in seconds; it does not count as training.
    """

    paused_seconds: float

    def before_call(self, steps: int) -> int:
        """Returns how many train steps the next call may run, 1 to `steps`."""

    def after_call(self, steps: int, results: Any, ends_epoch: bool) -> None:
        """Takes note of a call that was begun, with the arrays that it will return."""


class NoObserver:
    """Does nothing."""

    paused_seconds = 0.0

    def before_call(self, steps: int) -> int:
        return steps

    def after_call(self, steps: int, results: Any, ends_epoch: bool) -> None:
        pass


class Profiler(Protocol):
    """Traces a part of a training; see `jaxdl.profiling.Profiler`."""

    def recording(self, steps: int) -> contextlib.AbstractContextManager[Observer]:
        """Returns what observes a training of so many steps, while it is entered."""

    def write(self, notify: Callable[[str], None]) -> Any:
        """Writes what was recorded."""


class Place(Protocol):
    """A training's place in a program that several trainings share; see `jaxdl.training.stacked`.

    Attributes:
        size: how many places the program has.
        is_due: asks whether the training is due to be saved after a step; set by what saves it.
        all_due: whether any of the trainings was due after their last call; then all are saved, as one.
    """

    size: int
    is_due: Callable[[int], bool]

    @property
    def all_due(self) -> bool: ...

    def call(
        self, hparams: Mapping[str, Any], state: TrainState, order: Any, first: int, steps: int
    ) -> tuple[TrainState, Metrics, int]:
        """Runs train steps; see `jaxdl.training.loop.Trainer.call`."""

    def once(self, action: Callable[[], None]) -> None:
        """Waits until each training has come to here or to its next call; then one `action` is done for all here."""

    def leave(self) -> None:
        """Leaves the program; the other trainings no longer wait for this one."""


class Exchange(Protocol):
    """A training's part in a population whose members take over each other's states and numbers."""

    def due(self, epoch: int) -> bool:
        """Returns whether there is an exchange after so many epochs."""

    def experiment(self, epoch: int) -> Experiment:
        """Returns the recipe with the numbers that the training has after so many epochs and the exchange there."""

    def state(self, epoch: int, state: TrainState, figures: Mapping[str, Any]) -> TrainState:
        """Waits for the others; returns the state with which the training goes on."""


def unwatched(what: str) -> contextlib.AbstractContextManager[Any]:
    """Watches nothing; see `jaxdl.backend.watchdog.Watchdog`."""
    return contextlib.nullcontext()


@dataclasses.dataclass(frozen=True)
class Hooks:
    """What takes part in one `jaxdl.train` from outside; the hooks of a recipe are `jaxdl.experiment.hooks`.

    Attributes:
        signals: asks it to stop; None: the signals of `jaxdl.backend.signals.StopSignals`, while it runs.
        display: shows how far it is; None: a bar in the terminal.
        give_up: called after each epoch; where it returns True, the training ends there, without a test. Its answer
            must depend on its arguments alone: a run that resumes asks it again about every earlier epoch.
        watch: watches each call of a compiled program, such as `jaxdl.backend.watchdog.Watchdog.watch`.
        exchange: its part in a population; None: it is in none.
        plots: whether the run's report has plots; drawing them takes as long as a short training.
    """

    signals: StopSignals | None = None
    display: Display | None = None
    give_up: GiveUp | None = None
    watch: Watch = unwatched
    exchange: Exchange | None = None
    plots: bool = True
