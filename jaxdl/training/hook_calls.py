"""Calls the hooks of a training where they are due, each once, also where the training repeats steps."""

from __future__ import annotations

import dataclasses
import functools
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxdl.data import Dataset
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.hooks import Hook, named_hook, taken_hooks
from jaxdl.record import RunDirectory
from jaxdl.record.called import Called
from jaxdl.steps.functions import Steps, TrainState, make_steps
from jaxdl.training.epoch import EpochMetrics, Rows
from jaxdl.training.figures import HOOKS, Figures
from jaxdl.training.hooks import Hooks, NoObserver
from jaxdl.training.loop import Trainer
from jaxdl.training.moment import MomentOf


class HookCalls:
    """The calls of one training's hooks; a `jaxdl.training.hooks.Pauses`, which pauses where one is due in an epoch.

    Args:
        trainer: the training, whose recipe has the hooks.
        dataset: its data.
        directory: the run directory.
        figures: its figures so far.
        notify: told of a stop.

    Attributes:
        seconds: time that the hooks took in this process, in seconds.
        stopped: which hook ended the training, and why; None: none did.
    """

    def __init__(
        self,
        trainer: Trainer,
        dataset: Dataset,
        directory: RunDirectory,
        figures: Figures,
        notify: Callable[[str], None],
    ):
        self.seconds = 0.0
        self.stopped: str | None = None
        self._hooks = [named_hook(hook) for hook in trainer.experiment.hooks]
        self._trainer, self._dataset, self._notify = trainer, dataset, notify
        self._directory, self._figures = directory, figures
        self._called: Called | None = None
        self._every = [int(hook.every.in_steps(trainer.steps_per_epoch) or 1) for hook in self._hooks]

    def at_most(self, step: int) -> int:
        return min((every - step % every for every in self._every), default=2**31)

    def due(self, step: int) -> bool:
        return any(step % every == 0 for every in self._every)

    def begin(self, state: TrainState, forget: bool) -> None:
        """Takes what earlier processes called before the training goes on.

        Args:
            state: where it begins or resumes.
            forget: whether what was called for later steps does not count: the data are others now.
        """
        if self._hooks:
            self._called = Called(self._directory.path, int(state.step) if forget else None)

    def resume(self, state: TrainState, rows: Rows | None) -> bool:
        """Calls what is due where the training begins or resumes, but was not called; errors and result as of `at`.

        What was called is in the run's record here.
        """
        return self._at(state, rows, logs=False)

    def at(self, state: TrainState, rows: Rows | None) -> bool:
        """Calls the hooks that are due after the steps of a state; returns whether one of them ends the training.

        Args:
            state: the state.
            rows: the metrics of each step of an epoch, where the state is in the middle of it.

        Raises:
            HookFailed: one of them raised an error; those before it have been called.
        """
        return self._at(state, rows, logs=True)

    def _at(self, state: TrainState, rows: Rows | None, logs: bool) -> bool:
        if self._called is None:
            return False
        begin, step = time.perf_counter(), int(state.step)
        due = [hook for hook, every in zip(self._hooks, self._every, strict=True) if step and step % every == 0]
        try:
            for hook in due:
                call = self._called.get(hook.name, step)
                if call is None or logs:
                    numbers = self._call(hook, state, rows) if call is None else call["numbers"]
                    if numbers:
                        self._figures.log(HOOKS, dict(numbers))
                self._note_stop(hook, step)
        finally:
            self.seconds += time.perf_counter() - begin
        return self.stopped is not None

    def sync(self) -> None:
        """Makes sure that what was called is on the disk."""
        if self._called is not None:
            self._called.sync()

    def close(self) -> None:
        if self._called is not None:
            self._called.close()

    def _call(self, hook: Hook, state: TrainState, rows: Rows | None) -> dict[str, Any]:
        """Calls a hook; returns the numbers that it logged."""
        assert self._called is not None
        run_dir, figures = self._directory.path, self._figures_at(state, rows)
        now = MomentOf(self._trainer, self._steps, self._dataset, run_dir, state, self._figures.epoch, figures)
        try:
            hook(now)
        except Exception as error:
            raise HookFailed(hook, now.step, error) from error
        finally:
            now.end()
        for name, array in now.arrays.items():
            self._called.write_array(now.step, name, array)
            self._directory.show(now.step, f"{HOOKS}/{name}", array)
        for name, text in now.texts.items():
            self._called.write_text(now.step, name, text)
            self._directory.show(now.step, f"{HOOKS}/{name}", text)
        self._called.write(hook.name, now.step, now.numbers, now.reason)
        return now.numbers

    @functools.cached_property
    def _steps(self) -> Steps:
        return make_steps(self._trainer.experiment, self._trainer.spec, total_steps=1)

    def _note_stop(self, hook: Hook, step: int) -> None:
        assert self._called is not None
        call = self._called.get(hook.name, step)
        if call is not None and call["stop"] is not None and self.stopped is None:
            self.stopped = f"{hook.name}: {call['stop']}"
            self._notify(f"stopped after step {step:,} by the hook {self.stopped}")

    def _figures_at(self, state: TrainState, rows: Rows | None) -> dict[str, Any]:
        figures = dict(self._figures.latest)
        if rows:
            done = int(state.step) % self._trainer.steps_per_epoch
            means = EpochMetrics(rows, NoObserver()).means(slice(0, done))
            figures |= {f"train/{name}": value for name, value in means.items()}
        return figures


def with_hooks(experiment: Experiment, given: Any) -> tuple[Hooks, Experiment]:
    """Returns what takes part in a training from outside, and the experiment with the hooks that `given` adds to it.

    Raises:
        UserError: jaxdl ships no hook of a name.
    """
    outside = given if isinstance(given, Hooks) else Hooks()
    if given is not None and outside is not given:
        experiment = dataclasses.replace(experiment, hooks=(*experiment.hooks, *taken_hooks(given)))
    for hook in experiment.hooks:
        named_hook(hook)
    return outside, experiment


class HookFailed(UserError):
    """A hook raised an error; the message names the hook, the step, and the line of the user's file."""

    def __init__(self, hook: Hook, step: int, error: Exception):
        text = " ".join(str(error).split())
        super().__init__(
            f"the hook {hook.place} failed after step {step:,}: {type(error).__name__}"
            f"{f': {text}' if text else ''}{_line(hook.function, error)}. The run is saved: correct the hook, and it "
            "goes on from there with the same run directory."
        )


def _line(function: Callable[..., Any], error: Exception) -> str:
    """Returns the innermost line of the hook's own file at which an error happened."""
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno}: {frames[-1].line})" if frames else ""
