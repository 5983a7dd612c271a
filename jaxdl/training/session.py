"""One training while it runs: epochs, checkpoints, test, and the files that it leaves."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdl.backend.signals import SavingPauses, StopSignals
from jaxdl.checkpoint import Checkpoints, Saved
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.data import Dataset, examples
from jaxdl.experiment import Experiment
from jaxdl.fields.interval import Interval
from jaxdl.objectives import REPORT_SECTIONS
from jaxdl.record import (
    RunDirectory,
    provenance,
    read_metrics,
)
from jaxdl.report import write_report
from jaxdl.report.terminal import Progress, Reached
from jaxdl.steps.functions import TrainState
from jaxdl.training.divergence import Divergence, all_finite, locate
from jaxdl.training.early_stopping import Watch
from jaxdl.training.epoch import Diverged, Epoch, Metrics, Pause, Rows
from jaxdl.training.hooks import Setting
from jaxdl.training.loop import Trainer

if TYPE_CHECKING:
    from jaxdl.profiling import Profiler


class GivenUp(Exception):
    """The training was given up before its end, because the setting's judge said so."""


class Session:
    """One training while it runs: the programs, the run directory, and the figures so far."""

    def __init__(
        self,
        trainer: Trainer,
        dataset: Dataset,
        run: RunDirectory,
        watch: Watch,
        begin: float,
        profiler: Profiler | None,
        notify: Callable[[str], None],
        setting: Setting,
        signals: StopSignals,
    ):
        self.experiment = trainer.experiment
        self.trainer = trainer
        self.dataset = dataset
        self.run = run
        self.begin = begin
        self.profiler = profiler
        self.notify = notify
        self.setting = setting
        self.signals = signals
        self.watch = watch
        self.checkpoints = Checkpoints(run.checkpoints, watch.metric, watch.mode, self.experiment.checkpoint.keep)
        self.epoch = self.step = 0
        self.train_seconds = 0.0
        self.trained_examples = 0
        self.figures: dict[str, Any] = {}
        self.given_up = False
        self.params_sha256 = ""
        self.divergence: Divergence | None = None
        self.seconds_to_first_step: float | None = None
        self._best: _Best | None = None
        self._versions = provenance.versions()

    def start(self) -> tuple[TrainState, Rows | None]:
        """Returns what to go on from: a new state, or that of the last checkpoint in the run directory.

        Raises:
            UserError: what the run directory holds cannot be gone on with; it stays as it is.
        """
        try:
            saved = self._resume(self.notify)
            self.signals.raise_received()
            if saved is None:
                self.run.rewind(0)
            else:
                self.run.rewind(saved.step, saved.about["metrics"])
        except BaseException:
            self.checkpoints.close()
            raise
        if saved is None:
            return self.trainer.init_state(), None
        self.step, self.epoch = saved.step, saved.step // self.trainer.steps_per_epoch
        for epoch, lines in itertools.groupby(read_metrics(self.run.path), lambda line: line["epoch"]):
            for line in lines:
                figures = {f"{line['split']}/{k}": v for k, v in line.items() if k not in ("step", "epoch", "split")}
                self.figures |= figures
                self.watch.observe(figures, line["step"])
            self._ask_judge(epoch)
        return saved.state, saved.rows

    def _resume(self, notify: Callable[[str], None]) -> Saved | None:
        shapes, rows = self.trainer.state_shapes(), self.trainer.row_shapes()
        return self.checkpoints.resume(shapes, rows, notify, needs_best=self.experiment.training.final == "best")

    def run_to_end(self, state: TrainState, rows: Rows | None) -> dict[str, Any]:
        """Trains on from what `start` returned, and tests; the summary is written however that ends."""
        try:
            status = self._run_to_end(state, rows)
        except BaseException as error:
            with contextlib.suppress(Exception):  # the first error says more than what follows from it
                self._conclude("preempted" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        return self._conclude(status)

    def _run_to_end(self, state: TrainState, rows: Rows | None) -> str:
        """Trains and tests; returns how that ended."""
        try:
            self._test(self._final(self._train(state, rows)))
        except Diverged as error:
            self.divergence = self._locate(error)
            return "diverged"
        except GivenUp:
            return "preempted"
        finally:
            self.checkpoints.wait()  # a run whose last state is not on the disk has not ended well
        return "completed"

    def _conclude(self, status: str) -> dict[str, Any]:
        try:
            self.checkpoints.close()
        finally:
            summary = self._summary(status)
            self.run.discard_report()  # a process that dies now must not leave that of another outcome
            self.run.write_summary(summary)
            write_report(self.run.path, REPORT_SECTIONS, plots=self.setting.plots)
        return summary

    def _train(self, state: TrainState, rows: Rows | None) -> TrainState:
        training = self.experiment.training
        total = self.trainer.total_steps
        if self.given_up:
            raise GivenUp
        if self.watch.exhausted:
            return state  # an earlier process stopped here, and did not come to test

        def report(step: int, epoch: int, metrics: Metrics, examples_per_second: float) -> None:
            if self.seconds_to_first_step is None:
                self.seconds_to_first_step = time.perf_counter() - self.begin
            progress.update(Reached(step, epoch, {"train": metrics}, examples_per_second))

        bar = Progress(self.experiment.name, training.epochs, total, first_step=self.step)
        every = Interval.parse(self.experiment.checkpoint.every)
        pauses = SavingPauses(every, self.trainer.steps_per_epoch, self.step, self.signals)
        recording = self.profiler.recording(total - self.step) if self.profiler else contextlib.nullcontext()
        with (
            contextlib.nullcontext(self.setting.display) if self.setting.display else bar as progress,
            recording as seen,
        ):
            points = self.trainer.train(state, rows=rows, pauses=pauses, on_progress=report, observer=seen)
            for point in points:
                state, self.step = point.state, point.step
                if isinstance(point, Epoch):
                    self._take(point)
                    pace = self._examples_per_second()
                    progress.end_epoch(Reached(point.step, point.number, point.metrics, pace))
                    self._check_figures(point)
                over = point.step == total or self.watch.exhausted or self.given_up
                if over or pauses.due(point.step):
                    self._save(point)
                    pauses.saved(point.step)
                if self.signals.received is not None:
                    self.checkpoints.wait()  # an error of this saving must be told
                    self.signals.raise_received()
                if over:
                    break
        if self.given_up:
            raise GivenUp
        return state

    def _ask_judge(self, epoch: int) -> None:
        """Asks whether to give up here; at the end of the training there is nothing left to give up."""
        if self.setting.judge is not None:
            verdict = self.setting.judge(epoch, self._scalars())
            self.given_up = verdict and epoch < self.experiment.training.epochs

    def _take(self, epoch: Epoch) -> None:
        """Adds an epoch's figures to the run directory and to the totals, and keeps its state if it is the best."""
        self.epoch = epoch.number
        self.train_seconds += epoch.train_seconds
        self.trained_examples += epoch.examples
        for split, metrics in epoch.metrics.items():
            self._log(split, metrics)
        if self.watch.observe(self.figures, epoch.step):
            # A copy, because the next epoch trains in the memory of this state.
            copy = jax.tree.map(jnp.copy, epoch.state)
            self._best = _Best(epoch.step, copy, self._scalars(), self._about())
        self._ask_judge(epoch.number)

    def _log(self, split: str, metrics: Metrics) -> None:
        self.figures |= {f"{split}/{name}": value for name, value in metrics.items()}
        self.run.log_metrics(self.step, self.epoch, split, metrics)

    def _check_figures(self, epoch: Epoch) -> None:
        for split, metrics in epoch.metrics.items():
            self._check_loss(split, metrics)

    def _check_loss(self, split: str, metrics: Metrics) -> None:
        if self.experiment.training.nan == "stop" and not math.isfinite(metrics["loss"]):
            raise Diverged(self.step, f"{split} loss")

    def _save(self, point: Epoch | Pause) -> None:
        """Writes the best state since the last writing, if there is a better one, and the present state."""
        if self.experiment.training.nan == "stop" and not all_finite(point.state.params):
            raise Diverged(point.step, "parameters")
        self.run.sync()  # what a checkpoint says of the metrics file must lie on the disk first
        if self._best is not None and self._best.step != point.step:
            best = self._best
            self.checkpoints.save(best.step, best.state, best.figures, about=best.about)
        rows = point.rows if isinstance(point, Pause) else None
        # Within an epoch the figures are those of an earlier state, so it cannot be the best.
        figures = None if isinstance(point, Pause) else self._scalars()
        self.checkpoints.save(point.step, point.state, figures, rows=rows, about=self._about())
        self._best = None

    def _about(self) -> dict[str, Any]:
        """Returns what a checkpoint says of itself, and what is needed to go on from it."""
        return {
            "experiment": self.experiment.name,
            "epoch": self.epoch,
            "versions": self._versions,
            "metrics": self.run.mark(),
        }

    def _locate(self, error: Diverged) -> Divergence:
        """Looks for the step at which the numbers ceased to be finite, from the last good state on."""
        self.notify(f"{error}: looking for the step at which it began ...")
        saved = self._resume(self.notify)
        state = self.trainer.init_state() if saved is None else saved.state
        found = locate(self.trainer, state, min(error.step, self.trainer.total_steps), self.signals.raise_received)
        if found is None:  # the parameters are finite, and only what a split made of them is not
            rate = self.experiment.optimizer.learning_rate_at(error.step, self.trainer.total_steps)
            found = Divergence(error.step - 1, (error.what,), math.nan, float(rate))
        self.step = found.step
        self.epoch = found.step // self.trainer.steps_per_epoch
        return found

    def _final(self, state: TrainState) -> TrainState:
        """Returns the state to test, and notes the digest of its parameters."""
        if self.experiment.training.final == "best":
            state = self.checkpoints.restore(self.trainer.state_shapes(), "best")
            self.figures |= self._figures("validation", state)
        self.params_sha256 = params_sha256(state.params)
        return state

    def _test(self, state: TrainState) -> None:
        metrics = self.trainer.evaluate(state, "test")
        self._log("test", metrics)
        self._check_loss("test", metrics)

    def _figures(self, split: str, state: TrainState) -> dict[str, Any]:
        if not self.trainer.data.size(split):
            return {}
        return {f"{split}/{name}": value for name, value in self.trainer.evaluate(state, split).items()}

    def _scalars(self) -> dict[str, float]:
        return {name: value for name, value in self.figures.items() if not isinstance(value, list)}

    def _examples_per_second(self) -> float:
        return self.trained_examples / self.train_seconds if self.train_seconds else 0.0

    def _summary(self, status: str) -> dict[str, Any]:
        data, shapes = self.dataset, self.trainer.state_shapes()
        return {
            "experiment": self.experiment.name,
            "status": status,
            "step": self.step,
            "epoch": self.epoch,
            "metrics": self.figures,
            "best": {"metric": self.watch.metric, "value": self.watch.best, "step": self.watch.best_step},
            "divergence": dataclasses.asdict(self.divergence) if self.divergence else None,
            "data": data_summary(data, self.experiment),
            "train_examples_per_second": self._examples_per_second(),
            "compile_seconds": self.trainer.compile_seconds,
            "seconds_to_first_step": self.seconds_to_first_step,
            "wall_seconds": time.perf_counter() - self.begin,
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(shapes.params)),
            "params_sha256": self.params_sha256,
        }


class _Best(NamedTuple):
    """The best state so far, until it is written."""

    step: int
    state: TrainState
    figures: dict[str, float]
    about: dict[str, Any]


def data_summary(dataset: Dataset, experiment: Experiment) -> dict[str, Any]:
    """Returns what the summary says of the data.

    ``train_examples`` counts the source's own train split; ``validation_examples`` of them were held out. ``best_loss``
    bounds a cross-entropy, so it is given only where the objective is one.
    """
    return {
        "requested": dataset.requested,
        "used": dataset.used,
        "substituted": dataset.substituted,
        "train_examples": dataset.train_examples,
        "validation_examples": examples(dataset.splits["validation"]) if "validation" in dataset.splits else 0,
        "test_examples": examples(dataset.splits["test"]),
        "best_loss": dataset.spec.best_loss if experiment.objective.bounded_by_entropy else None,
        "class_names": list(dataset.spec.class_names),
        "fingerprint": dataset.fingerprint,
    }
