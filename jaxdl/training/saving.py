"""What is saved of a training, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.backend.signals import StopSignals
from jaxdl.checkpoint import Checkpoints, Saved, SharedCheckpoints
from jaxdl.checkpoint.durable import ORBAX
from jaxdl.checkpoint.shared import Kept, Row, host_row, on_device
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields.interval import Interval
from jaxdl.record import CONFIG, RunDirectory, provenance
from jaxdl.steps.functions import TrainState
from jaxdl.training.divergence import all_finite
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.epoch import Epoch, NotFinite, Pause
from jaxdl.training.hooks import Place
from jaxdl.training.loop import Trainer


class SavingPauses:
    """Pauses where the run is to be saved, or was asked to stop; a `jaxdl.training.hooks.Pauses`.

    Trainings side by side pause after the same call, where one of them is due: they are saved as one.

    Args:
        every: how often the run is saved.
        steps_per_epoch: train steps of one epoch.
        step: train steps done now; the state after them counts as saved.
        signals: SIGINT or SIGTERM, which ask to stop.
        place: the training's place in a program that several share; None: it is alone.
    """

    def __init__(
        self, every: Interval, steps_per_epoch: int, step: int, signals: StopSignals, place: Place | None = None
    ):
        self._every = every
        self._steps = every.in_steps(steps_per_epoch)
        self._signals = signals
        self._place = place
        self.saved(step)
        if place is not None:
            place.is_due = self.due_to_save

    def saved(self, step: int) -> None:
        """Records that the run was saved after `step`."""
        self._saved_step = step
        # Not `time.time`: the time of day may be set back.
        self._saved_at = time.monotonic()

    def at_most(self, step: int) -> int:
        return 2**31 if self._steps is None else max(1, self._next(step) - step)

    def due(self, step: int) -> bool:
        due = self.due_to_save(step) if self._place is None else self._place.all_due
        return self._signals.received is not None or due

    def due_to_save(self, step: int) -> bool:
        """Returns whether the interval has passed since the last save."""
        if self._steps is None:
            return time.monotonic() - self._saved_at >= self._every.amount
        return step > self._saved_step and step >= self._next(self._saved_step)

    def _next(self, step: int) -> int:
        """Returns the next step that is a multiple of the interval."""
        assert self._steps is not None
        return (step // self._steps + 1) * self._steps


def _refuse_empty(shapes: TrainState) -> None:
    """Raises `UserError` if an array of the model has no numbers: Orbax would end the training at its first saving."""
    trees = {"parameter": shapes.params, "variable": shapes.model_state}
    for kind, tree in trees.items():
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            if leaf.size == 0:
                name = jax.tree_util.keystr(path, simple=True, separator="/")
                raise UserError(
                    f"the {kind} {name} of the model has the shape {leaf.shape}, which has no numbers, and cannot be "
                    "saved: leave it out of the model where one of its sizes is 0."
                )


class Saving:
    """The checkpoints of one run: the last ones, and the best by the metric of early stopping.

    While trainings share a program they also share their checkpoints; each gets its own when it ends.

    Args:
        run: the run directory.
        experiment: the recipe.
        stopping: has the metric that decides, and its direction.
        place: the training's place in a program that several share; None: it is alone.
        shared: the checkpoints that it shares, or shared in an earlier process; None: there are none.

    Attributes:
        checkpoints: where the states are.
    """

    def __init__(
        self,
        run: RunDirectory,
        experiment: Experiment,
        stopping: EarlyStopping,
        place: Place | None = None,
        shared: SharedCheckpoints | None = None,
    ):
        keep = experiment.checkpoint.keep
        self.checkpoints = Checkpoints(run.checkpoints, stopping.metric, stopping.mode, keep)
        self._run = run
        self._experiment = experiment
        self._place = place if shared is not None else None
        self._shared = shared
        self._metric = stopping.metric
        self._best: Kept | None = None  # the best state so far, as long as it is in no checkpoint of this run
        self._versions = provenance.versions()

    def resume(self, trainer: Trainer, notify: Callable[[str], None]) -> Saved | None:
        """Returns the content of the newest good checkpoint, None if there is none.

        Raises:
            UserError: a checkpoint does not fit the recipe, no good one is left, or states cannot be saved.
        """
        shapes, rows = trainer.state_shapes(), trainer.programs.row_shapes
        _refuse_empty(shapes)
        row = self._row()
        saved = self.checkpoints.resume(
            shapes,
            rows,
            notify,
            needs_best=self._experiment.training.final == "best",
            elsewhere=None if row is None else row.last.step,
        )
        if row is None or (saved is not None and saved.step >= row.last.step):
            if saved is not None and self._place is not None and self._experiment.training.final == "best":
                self._take_best(shapes)
            return saved
        self._best = row.best
        last, metrics = row.last, None if row.last.rows is None else dict(row.last.rows)
        return Saved(last.step, on_device(shapes, last), metrics, dict(last.about))

    def _row(self) -> Row | None:
        """Returns what is saved of this run together with others; None without it, or where the run is a new one."""
        if self._shared is None or not (self._run.path / CONFIG).exists():
            return None
        return self._shared.get(self._run.path.name)

    def _take_best(self, shapes: TrainState) -> None:
        """Takes the best state of the run's own checkpoints, since a row must hold all that the run needs."""
        with ORBAX:
            step = self.checkpoints.best_step()
            if step is None:
                return
            about = self.checkpoints.about(step)
            state = self.checkpoints.restore(shapes, step)
        rank, told = about["rank"], {name: about[name] for name in self._about(0)}
        self._best = Kept(step, state, None, {rank["metric"]: rank["value"]}, told)

    def keep_best(self, epoch: Epoch, figures: Mapping[str, float]) -> None:
        """Keeps the state of the best epoch so far until `save` writes it.

        It is a copy, because the next epoch reuses the memory of this state.
        """
        self._best = Kept(epoch.step, _copied(epoch.state), None, self._ranked(figures), self._about(epoch.number))

    def save(self, point: Epoch | Pause, epochs: int, figures: Mapping[str, float], *, is_last: bool = False) -> None:
        """Writes the best state, where `keep_best` was given one since the last writing, and the present state.

        Args:
            point: where the training is.
            epochs: epochs done.
            figures: figures by ``SPLIT/METRIC``.
            is_last: whether the training ends here, so that it gets checkpoints of its own.

        Raises:
            NotFinite: a parameter is not finite, and the recipe says to stop in this case.
            UserError: this or an earlier checkpoint cannot be written.
        """
        if self._experiment.training.nan == "stop" and not all_finite(point.state.params):
            raise NotFinite(point.step, "parameters")
        self._run.sync()  # the lines of metrics that a checkpoint refers to must be on the disk before it
        # Within an epoch the figures belong to an earlier state, so this one cannot be the best.
        rows, figures = (point.rows, {}) if isinstance(point, Pause) else (None, self._ranked(figures))
        last = Kept(point.step, point.state, rows, figures, self._about(epochs))
        if self._place is None or self._shared is None or is_last:
            self._save_own(last, self._best)
            return
        self._shared.put(self._run.path.name, host_row(last, self._best))
        self._place.once(self._shared.write)

    def settle(self) -> None:
        """Gives a training that ends without a last saving its own checkpoints of what is saved of it with others."""
        row = self._row()
        if row is not None and row.last.step > (self.checkpoints.latest_step() or 0):
            self._save_own(*row)

    def _save_own(self, last: Kept, best: Kept | None) -> None:
        if best is not None and best.step != last.step:
            self.checkpoints.save(best.step, best.state, best.figures, about=best.about)
        self.checkpoints.save(last.step, last.state, last.figures, rows=last.rows, about=last.about)
        self._best = None
        if self._place is not None and self._shared is not None:
            self.checkpoints.wait()
            self._shared.drop(self._run.path.name)

    def _ranked(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Returns the figure that decides which state is the best, if it was measured."""
        value = figures.get(self._metric) if self._metric is not None else None
        return {} if value is None or self._metric is None else {self._metric: float(value)}

    def _about(self, epochs: int) -> dict[str, Any]:
        """Returns what is written beside the arrays: where the state comes from, and what resuming needs."""
        return {
            "experiment": self._experiment.name,
            "epoch": epochs,
            "versions": self._versions,
            "metrics": self._run.mark(),
        }


@jax.jit
def _copied(state: TrainState) -> TrainState:
    """Returns a copy of a state, made in one program: array by array it took 7 ms of the 20 ms of a short epoch."""
    copied: TrainState = jax.tree.map(jnp.copy, state)
    return copied
