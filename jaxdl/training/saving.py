"""What is saved of a training, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdl.backend.signals import StopSignals
from jaxdl.checkpoint import Checkpoints, Saved
from jaxdl.experiment import Experiment
from jaxdl.fields.interval import Interval
from jaxdl.record import RunDirectory, provenance
from jaxdl.steps.functions import TrainState
from jaxdl.training.divergence import all_finite
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.epoch import Diverged, Epoch, Pause
from jaxdl.training.loop import Trainer


class SavingPauses:
    """Pauses where the run is to be saved, or was asked to stop; a `jaxdl.training.hooks.Pauses`.

    Args:
        every: how often the run is saved.
        steps_per_epoch: train steps of one epoch.
        step: train steps done now; the state after them counts as saved.
        signals: SIGINT or SIGTERM, which ask to stop.
    """

    def __init__(self, every: Interval, steps_per_epoch: int, step: int, signals: StopSignals):
        self._every = every
        self._steps = every.in_steps(steps_per_epoch)
        self._signals = signals
        self.saved(step)

    def saved(self, step: int) -> None:
        """Records that the run was saved after `step`."""
        self._saved_step = step
        # Not `time.time`: the time of day may be set back.
        self._saved_at = time.monotonic()

    def at_most(self, step: int) -> int:
        return 2**31 if self._steps is None else max(1, self._next(step) - step)

    def due(self, step: int) -> bool:
        return self._signals.received is not None or self.due_to_save(step)

    def due_to_save(self, step: int) -> bool:
        """Returns whether the interval has passed since the last save."""
        if self._steps is None:
            return time.monotonic() - self._saved_at >= self._every.amount
        return step > self._saved_step and step >= self._next(self._saved_step)

    def _next(self, step: int) -> int:
        """Returns the next step that is a multiple of the interval."""
        assert self._steps is not None
        return (step // self._steps + 1) * self._steps


class _Best(NamedTuple):
    """The best state so far, if it is not written yet."""

    step: int
    state: TrainState
    figures: Mapping[str, float]
    about: dict[str, Any]


class Saving:
    """The checkpoints of one run: the last ones, and the best by the metric of early stopping.

    Args:
        run: the run directory.
        experiment: the recipe.
        stopping: has the metric that decides, and its direction.

    Attributes:
        checkpoints: where the states are.
    """

    def __init__(self, run: RunDirectory, experiment: Experiment, stopping: EarlyStopping):
        keep = experiment.checkpoint.keep
        self.checkpoints = Checkpoints(run.checkpoints, stopping.metric, stopping.mode, keep)
        self._run = run
        self._experiment = experiment
        self._best: _Best | None = None
        self._versions = provenance.versions()

    def resume(self, trainer: Trainer, notify: Callable[[str], None]) -> Saved | None:
        """Returns the content of the newest good checkpoint, None if there is none.

        Raises:
            UserError: a checkpoint does not fit the recipe, or no good one is left.
        """
        shapes, rows = trainer.state_shapes(), trainer.programs.row_shapes
        return self.checkpoints.resume(shapes, rows, notify, needs_best=self._experiment.training.final == "best")

    def keep_best(self, epoch: Epoch, figures: Mapping[str, float]) -> None:
        """Keeps the state of the best epoch so far until `save` writes it.

        It is a copy, because the next epoch reuses the memory of this state.
        """
        copy = jax.tree.map(jnp.copy, epoch.state)
        self._best = _Best(epoch.step, copy, dict(figures), self._about(epoch.number))

    def save(self, point: Epoch | Pause, epochs: int, figures: Mapping[str, float]) -> None:
        """Writes the best state, where `keep_best` was given one since the last writing, and the present state.

        Args:
            point: where the training is.
            epochs: epochs done.
            figures: figures by ``SPLIT/METRIC``.

        Raises:
            Diverged: a parameter is not finite, and the recipe says to stop in this case.
            UserError: this or an earlier checkpoint cannot be written.
        """
        if self._experiment.training.nan == "stop" and not all_finite(point.state.params):
            raise Diverged(point.step, "parameters")
        self._run.sync()  # the lines of metrics that a checkpoint refers to must be on the disk before it
        if self._best is not None and self._best.step != point.step:
            best = self._best
            self.checkpoints.save(best.step, best.state, best.figures, about=best.about)
        if isinstance(point, Pause):
            # Within an epoch the figures belong to an earlier state, so this one cannot be the best.
            self.checkpoints.save(point.step, point.state, rows=point.rows, about=self._about(epochs))
        else:
            self.checkpoints.save(point.step, point.state, figures, about=self._about(epochs))
        self._best = None

    def _about(self, epochs: int) -> dict[str, Any]:
        """Returns what is written beside the arrays: where the state comes from, and what resuming needs."""
        return {
            "experiment": self._experiment.name,
            "epoch": epochs,
            "versions": self._versions,
            "metrics": self._run.mark(),
        }
