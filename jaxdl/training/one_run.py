"""One training while it runs: the loop, its run directory, and the figures so far."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

from jaxdl.backend.processes import is_lost, processes
from jaxdl.backend.signals import StopSignals
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.data import Dataset
from jaxdl.fields import own_fields
from jaxdl.fields.interval import Interval
from jaxdl.inference.inspection.inspect import inspect_model
from jaxdl.objectives import REPORT_SECTIONS
from jaxdl.record import CONFIG, RunDirectory
from jaxdl.record.cleaned import removed
from jaxdl.report.progress import Progress, Reached
from jaxdl.report.run import write_report
from jaxdl.report.terminal import announce
from jaxdl.steps.functions import TrainState
from jaxdl.steps.layout import Layout, on_one_device
from jaxdl.training.divergence import Divergence, locate
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.epoch import Epoch, NotFinite, Pause, Rows
from jaxdl.training.figures import Figures
from jaxdl.training.held_out import write_held_out
from jaxdl.training.hook_calls import HookFailed
from jaxdl.training.hooks import AnyPauses, Hooks, Metrics, Profiler
from jaxdl.training.hooks_together import hook_calls
from jaxdl.training.initial import check_same_source
from jaxdl.training.loop import Trainer
from jaxdl.training.saving import Saving, SavingPauses
from jaxdl.training.summary import Status, Summary, make_summary
from jaxdl.training.together import NoDisplay, agreed, check_same

# A train step takes about three times the operations of a prediction: one pass forward, and two for the gradients.
_STEP_PASSES = 3


class GivenUp(Exception):
    """A hook ended the training before its last epoch."""


@dataclasses.dataclass
class OneRun:
    """One training while it runs: the loop, the run directory, and the figures so far."""

    trainer: Trainer
    dataset: Dataset
    directory: RunDirectory
    stopping: EarlyStopping
    saving: Saving
    hooks: Hooks
    signals: StopSignals
    profiler: Profiler | None
    notify: Callable[[str], None]
    begin: float
    given_up: bool = False
    params_sha256: str = ""
    divergence: Divergence | None = None
    seconds_to_first_step: float | None = None

    def __post_init__(self) -> None:
        self.experiment = self.trainer.experiment
        self.figures = Figures(self.directory)
        self._has_rate = any(field.path == "learning_rate" for field in own_fields(self.experiment.optimizer))
        self.calls = hook_calls(self.trainer, self.dataset, self.directory, self.figures, self.notify)

    def start(self) -> tuple[TrainState, Rows | None]:
        """Returns the state to begin with, new or of the last checkpoint, and its metrics of the running epoch, if any.

        Raises:
            UserError: the run directory holds a run that cannot be resumed; it stays unchanged.
        """
        try:
            saved = self.saving.resume(self.trainer, self.notify)
            self.signals.raise_received()
            check_same(processes(), {"step to begin with": 0 if saved is None else saved.step})
            if saved is None:
                if self.directory.writes and (self.directory.path / CONFIG).exists():
                    by = removed(self.directory.path)
                    why = f" (each {by})" if by else ""
                    self.notify(
                        f"{self.directory.path} has a run without a checkpoint{why}: it begins again at step 0."
                    )
                self.directory.rewind(0)
            else:
                self.directory.rewind(saved.step, saved.about["metrics"])
            check_same(processes(), {})  # the others read the metrics only now
        except BaseException:
            self.saving.checkpoints.close()
            raise
        if saved is None:
            return self._first_state(), None
        self.figures.step, self.figures.epoch = saved.step, saved.step // self.trainer.steps_per_epoch
        for epoch, step, figures in self.figures.replay():
            self.stopping.observe(figures, step)
            self._ask_to_give_up(epoch)
        return saved.state, saved.rows

    def _first_state(self) -> TrainState:
        """Returns the state before the first step; says where its weights are from, where they are from elsewhere.

        Raises:
            UserError: they cannot be read, do not fit, or have changed since an earlier start of this run.
        """
        initial = self.trainer.initial()
        if initial is not None:
            check_same_source(self.directory.path, initial)
            self.notify(initial.table())
        return self.trainer.init_state()

    def to_end(self, state: TrainState, rows: Rows | None) -> Summary:
        """Trains on from what `start` returned, and tests; writes the summary in the end, after an error too."""
        try:
            status = self._train_and_test(state, rows)
        except BaseException as error:
            stopped = isinstance(error, KeyboardInterrupt)
            together = processes()
            if together is not None and is_lost(error):
                together.end(error)  # nothing can be saved, and Orbax would wait for the one that is lost
            if together is not None and not together.agreed_to_stop:
                together.tell(error)
            with contextlib.suppress(Exception):  # the first error says more than its consequences
                if not stopped:
                    self.saving.settle()
            with contextlib.suppress(Exception):
                self._conclude("preempted" if stopped else "failed", None if stopped else error)
            raise
        return self._conclude(status)

    def _train_and_test(self, state: TrainState, rows: Rows | None) -> Status:
        """Trains and tests; returns the status for the summary."""
        try:
            self._test(self._final(self._train(state, rows)))
        except NotFinite as error:
            self.divergence = self._locate(error)
            self.saving.settle()
            return "diverged"
        except GivenUp:
            self.saving.settle()
            return "preempted"
        finally:
            self.saving.checkpoints.wait()  # a run is completed only when its last state is on the disk
        return "completed"

    def _conclude(self, status: Status, error: BaseException | None = None) -> Summary:
        try:
            self.calls.close()
            if error is None or processes() is None:  # it would wait for the other processes
                self.saving.checkpoints.close()
        finally:
            summary = make_summary(
                status,
                self.trainer,
                self.dataset,
                self.figures,
                self.stopping,
                self.divergence,
                params_sha256=self.params_sha256,
                seconds_to_first_step=self.seconds_to_first_step,
                wall_seconds=time.perf_counter() - self.begin,
                seconds_in_hooks=self.calls.seconds,
                stopped=self.calls.stopped,
                error=None if error is None else f"{type(error).__name__}: {' '.join(str(error).split())}",
            )
            if self.directory.writes:
                self.directory.discard_report()  # killed after the next line, it must not leave an outdated report
                self.directory.write_summary(summary)
                write_report(self.directory.path, REPORT_SECTIONS, plots=self.hooks.plots)
        return summary

    def _train(self, state: TrainState, rows: Rows | None) -> TrainState:
        if self.given_up:
            raise GivenUp
        if self.calls.resume(state, rows):
            return state
        exchange = self.hooks.exchange
        if exchange is not None:
            self.trainer.vary(exchange.experiment(self.figures.step // self.trainer.steps_per_epoch))
        steps_left = self.trainer.total_steps - self.figures.step
        every = Interval.parse(self.experiment.checkpoint.every)
        saves = SavingPauses(every, self.trainer.steps_per_epoch, self.figures.step, self.signals, self.trainer.place)
        pauses = agreed(saves, self.signals)
        recording = self.profiler.recording(steps_left) if self.profiler else contextlib.nullcontext()
        with self._display() as display, recording as observer:

            def report(step: int, epoch: int, metrics: Metrics, examples_per_second: float) -> None:
                if self.seconds_to_first_step is None:
                    self.seconds_to_first_step = time.perf_counter() - self.begin
                display.update(Reached(step, epoch, {"train": metrics}, examples_per_second))

            asked = AnyPauses((pauses, self.calls))
            for point in self.trainer.train(
                state, rows=rows, pauses=asked, early_stopping=self.stopping, on_progress=report, observer=observer
            ):
                state, self.figures.step = point.state, point.step
                over = False
                if isinstance(point, Epoch):
                    self.figures.take(point, self._learning_rate(point))
                    if point.is_best:
                        self.saving.keep_best(point, self.figures.numbers)
                    self._ask_to_give_up(point.number)
                    pace = self.figures.examples_per_second
                    display.end_epoch(Reached(point.step, point.number, point.metrics, pace))
                    self._check_finite(point.metrics)
                    over = point.is_last or self.given_up
                over |= self._call_hooks(point)
                exchanged = isinstance(point, Epoch) and exchange is not None and exchange.due(point.number)
                if exchanged and not over:
                    point = self._exchange(point)
                if over or exchanged or pauses.due(point.step):
                    self._save(point, is_last=over)
                    saves.saved(point.step)
                if self.signals.received is not None:
                    self.saving.checkpoints.wait()  # so that a failed saving is reported
                    self.signals.raise_received()
                if over:
                    break
        if self.given_up:
            raise GivenUp
        return state

    def _learning_rate(self, epoch: Epoch) -> float | None:
        """Returns the learning rate of an epoch's last step; None where an optimizer of one's own has it inside."""
        if not self._has_rate:
            return None
        rate = self.experiment.optimizer.learning_rate_at(epoch.step - 1, self.trainer.total_steps)
        return float(rate) * float(epoch.metrics["train"].get("rate_factor", 1.0))

    def _exchange(self, point: Epoch | Pause) -> Epoch | Pause:
        """Goes on with what a population decides after an epoch; all members are saved after it, as one."""
        assert self.hooks.exchange is not None
        epoch = self.figures.epoch
        state = self.hooks.exchange.state(epoch, point.state, self.figures.numbers)
        self.trainer.exchanged = state
        self.trainer.vary(self.hooks.exchange.experiment(epoch))
        return dataclasses.replace(point, state=state)

    def _call_hooks(self, point: Epoch | Pause) -> bool:
        """Calls the hooks that are due; returns whether one of them ends the training. Saves where one fails."""
        try:
            return self.calls.at(point.state, point.rows if isinstance(point, Pause) else None)
        except HookFailed:
            self._save(point, is_last=True)
            raise

    def _save(self, point: Epoch | Pause, *, is_last: bool) -> None:
        self.calls.sync()
        self.saving.save(point, self.figures.epoch, self.figures.numbers, is_last=is_last)

    def _display(self) -> contextlib.AbstractContextManager[Any]:
        if not self.directory.writes:
            return contextlib.nullcontext(NoDisplay())
        if self.hooks.display is not None:
            return contextlib.nullcontext(self.hooks.display)
        epochs, total = self.experiment.training.epochs, self.trainer.total_steps
        notify = None if self.notify is announce else self.notify
        return Progress(self.experiment.name, epochs, total, first_step=self.figures.step, notify=notify)

    def _ask_to_give_up(self, epoch: int) -> None:
        """Asks the hook whether to give up after an epoch; after the last one there is nothing left to give up."""
        if self.hooks.give_up is not None:
            answer = self.hooks.give_up(epoch, self.figures.numbers)
            self.given_up = answer and epoch < self.experiment.training.epochs

    def _check_finite(self, by_split: dict[str, Metrics]) -> None:
        for split, metrics in by_split.items():
            if self.experiment.training.nan == "stop" and not math.isfinite(metrics["loss"]):
                raise NotFinite(self.figures.step, f"{split} loss")

    def _locate(self, error: NotFinite) -> Divergence:
        """Finds the first step whose numbers are not finite, by training again from the last checkpoint."""
        self.notify(f"{error}. Looking for the step at which it began ...")
        saved = self.saving.resume(self.trainer, self.notify)
        state = self.trainer.init_state() if saved is None else saved.state
        found = locate(self.trainer, state, min(error.step, self.trainer.total_steps), self.signals.raise_received)
        if found is None:  # the parameters are finite, only the loss on a split is not
            rate = self.experiment.optimizer.learning_rate_at(error.step, self.trainer.total_steps)
            found = Divergence(error.step - 1, (error.what,), math.nan, float(rate))
        self.figures.step, self.figures.epoch = found.step, found.step // self.trainer.steps_per_epoch
        return found

    def _final(self, state: TrainState) -> TrainState:
        """Returns the state to test, and records the digest of its parameters."""
        none_is_best = self.calls.stopped is not None and self.stopping.best_step is None
        if self.experiment.training.final == "best" and not none_is_best:
            state = self.saving.checkpoints.restore(self.trainer.state_shapes(), "best")
            self.figures.return_to(int(state.step), self.trainer.steps_per_epoch)
            if self.trainer.feed.data.size("validation"):
                self.figures.note("validation", self.trainer.evaluate(state, "validation"))
        self.params_sha256 = params_sha256(state.params)
        return state

    def _test(self, state: TrainState) -> None:
        metrics = self.trainer.evaluate(state, "test")
        self.figures.log("test", metrics)
        self._check_finite({"test": metrics})
        if self.dataset.rows is not None:
            write_held_out(self.directory.path, self.trainer, self.dataset, state)
        if self.hooks.plots:
            self._show(state)

    def _show(self, state: TrainState) -> None:
        """Writes what the report shows of the model, and pictures; of several processes, process 0 alone."""
        layout = self.trainer.layout
        if layout is not None and layout.spans_processes:
            state, layout = on_one_device(state), None
        if self.directory.writes:
            self._inspect(state, layout)

    def _inspect(self, state: TrainState, layout: Layout | None) -> None:
        """Looks at the model for the report, which must never cost the run: a model of one's own may do anything."""
        flops = sum(self.trainer.programs.step_flops.values()) / self.experiment.training.batch_size / _STEP_PASSES
        try:
            seen = inspect_model(self.experiment, self.dataset, state, flops, layout)
            self.directory.write_inspection(seen.found)
            if seen.sheet is not None:
                self.directory.write_pictures(self.figures.step, seen.sheet)
        except Exception as error:
            self.notify(f"the report does not show the model: {type(error).__name__}: {' '.join(str(error).split())}")
