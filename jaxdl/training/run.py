"""Runs one training from an experiment to its run directory: data, loop, checkpoints, test, summary and report."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxdl.backend.signals import StopSignals
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.data import Dataset, default_data_dir
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import to_config
from jaxdl.experiment.hooks import Moment
from jaxdl.experiment.load import about_batch, shortened
from jaxdl.fields import replace
from jaxdl.fields.interval import Interval
from jaxdl.files.paths import expanded
from jaxdl.inference.pictures import examples_sheet
from jaxdl.objectives import REPORT_SECTIONS
from jaxdl.record import CONFIG, REPORT, RunDirectory, new_run_dir, provenance
from jaxdl.report.run import write_report
from jaxdl.report.terminal import Progress, Reached, announce
from jaxdl.steps.functions import TrainState
from jaxdl.training.arithmetic import check_same_arithmetic
from jaxdl.training.cache import Cache
from jaxdl.training.divergence import Divergence, locate
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.epoch import Diverged, Epoch, Pause, Rows
from jaxdl.training.figures import Figures
from jaxdl.training.hook_calls import HookCalls, HookFailed, with_hooks
from jaxdl.training.hooks import AnyPauses, Hooks, Metrics, Profiler
from jaxdl.training.initial import check_same_source
from jaxdl.training.loop import Trainer
from jaxdl.training.resuming import (
    about_programs,
    about_tuning,
    check_same_data,
    earlier_summary,
    reopen,
    write_record,
)
from jaxdl.training.saving import Saving, SavingPauses
from jaxdl.training.summary import Status, Summary, make_summary
from jaxdl.training.tuning import DEVICES, Tuner


def train(
    experiment: Experiment,
    *,
    run_dir: Path | str | None = None,
    data_dir: Path | str | None = None,
    arguments: Sequence[str] = (),
    notify: Callable[[str], None] | None = announce,
    begin: float | None = None,
    profiler: Callable[[Path, Trainer], Profiler] | None = None,
    accept_changed_data: bool = False,
    cache: Cache | None = None,
    hooks: Hooks | Sequence[str | Callable[[Moment], object]] | None = None,
    tuner: Tuner | None = None,
) -> Summary:
    """Trains, validates, tests and leaves the run directory; resumes where an unfinished run of the recipe stopped.

    A run that was stopped, in any way, at any moment and any number of times, ends with the same bits as one that never
    was. SIGINT, SIGTERM, SIGHUP and SIGUSR1 let the running call of the train program end (about two seconds), save,
    and raise `KeyboardInterrupt` or `jaxdl.backend.signals.Terminated`; a second one ends the process at once. Once the
    data are loaded, they raise nowhere else: C++ libraries would swallow the exception, take it for their own error, or
    abort.

    Args:
        experiment: the recipe.
        run_dir: a new folder, or the directory of a run of the same recipe; None: a new one,
            ``runs/NAME/<UTC time>-<6 hex digits>``. A finished run is not changed, unless the recipe has more epochs:
            then it goes on, to the bits of one that was that long from the start (see `jaxdl.training.longer`).
        data_dir: folder of prepared data sets and original archives; None: TFDS's own.
        arguments: the command line, for the record.
        notify: called with messages; one that is given is also called with a line for each epoch, and no bar is shown.
            None: nothing is shown. By default messages and a bar go to stderr.
        begin: `time.perf_counter` at the start, for ``wall_seconds`` and for ``seconds_to_first_step``, which ends when
            the metrics of the first call of the train program are on the host.
        profiler: makes the profiler of a part of the training, such as `jaxdl.profiling.Profiler`; None: no profile.
        accept_changed_data: resume an unfinished run with other data than it was started with.
        cache: data and compiled programs of earlier trainings in this process, from the same `data_dir`.
        hooks: functions that are called between steps, in addition to those of the recipe, see `jaxdl.hook`; a function
            alone is called after each epoch. (Or `jaxdl.training.hooks.Hooks`: what shows the progress, and the like.)
        tuner: chooses how many devices of the CPU share a batch; None: the recipe says so.

    Returns:
        The content of ``summary.json``.

    Raises:
        UserError: the data cannot be loaded or do not fit the model, or the folder holds something else or is in use.
    """
    begin = time.perf_counter() if begin is None else begin
    hooks, experiment = with_hooks(shortened(experiment), hooks)
    run_dir = new_run_dir(Path("runs"), experiment.name) if run_dir is None else expanded(run_dir)
    notify = notify or _say_nothing
    cache = cache or Cache(expanded(data_dir or default_data_dir()), notify)
    signals = hooks.signals or StopSignals()
    with RunDirectory.create(run_dir, experiment.name) as directory, contextlib.ExitStack() as cleanup:
        try:
            finished = earlier_summary(directory.path, experiment, may_go_on=True)
            if finished is not None:
                notify(f"{directory.path} already has this run, and it is finished.")
                if not (directory.path / REPORT).exists():
                    write_report(directory.path, REPORT_SECTIONS, plots=hooks.plots)
                return finished
            dataset = cache.dataset(experiment)
            experiment = experiment.for_spec(dataset.spec)
            check_same_data(directory.path, experiment, dataset, accept_changed_data)
            large = about_batch(experiment, dataset)
            if large is not None:
                notify(large)
            check_same_arithmetic(directory.path, experiment, dataset.spec)
            if hooks.signals is None:
                cleanup.enter_context(signals)
            chosen = tuner.choose(experiment, cache, directory.path) if tuner is not None else None
            if chosen is not None:
                experiment = replace(experiment, {DEVICES: chosen.devices})
            stopping = EarlyStopping.of(experiment, dataset)
            trainer = cache.trainer(experiment, place_of=str(directory.path))
            cleanup.callback(trainer.close)
            if chosen is not None and chosen.seconds:
                notify(chosen.message())
            elif trainer.layout is not None:
                notify(trainer.layout.message(experiment.training.batch_size))
            tracing = profiler(directory.path, trainer) if profiler is not None else None
            if not (directory.path / CONFIG).exists():
                trainer.initial()  # what is wrong with it is said before the programs are compiled
            trainer.compile()
            trainer.watch = hooks.watch
            saving = Saving(directory, experiment, stopping, trainer.place, cache.shared(trainer))
            run = _Run(trainer, dataset, directory, stopping, saving, hooks, signals, tracing, notify, begin)
            reopen(directory, experiment, notify)
            state, rows = run.start()
            run.calls.begin(state, accept_changed_data)
        except BaseException:
            directory.discard_if_new()
            raise
        # One device is what a run has wherever nothing is said, so that its recipe can be taken to any machine.
        unsaid = chosen is not None and chosen.devices == 1
        directory.write_config(to_config(replace(experiment, {DEVICES: None}) if unsaid else experiment))
        record = provenance.record(arguments, experiment.seed, dataset.fingerprint, cache.surroundings())
        write_record(directory, record | about_programs(trainer) | about_tuning(chosen), notify)
        summary = run.to_end(state, rows)
        if tracing is not None:
            tracing.write(notify)
    if hooks.signals is None:
        signals.raise_received()  # it came too late to stop this training, but what follows should still stop
    return summary


def _say_nothing(text: str) -> None:
    pass


class _GivenUp(Exception):
    """A hook ended the training before its last epoch."""


@dataclasses.dataclass
class _Run:
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
        self.calls = HookCalls(self.trainer, self.dataset, self.directory, self.figures, self.notify)

    def start(self) -> tuple[TrainState, Rows | None]:
        """Returns the state to begin with, new or of the last checkpoint, and its metrics of the running epoch, if any.

        Raises:
            UserError: the run directory holds a run that cannot be resumed; it stays unchanged.
        """
        try:
            saved = self.saving.resume(self.trainer, self.notify)
            self.signals.raise_received()
            if saved is None:
                if (self.directory.path / CONFIG).exists():
                    self.notify(f"{self.directory.path} has a run without a checkpoint: it begins again at step 0.")
                self.directory.rewind(0)
            else:
                self.directory.rewind(saved.step, saved.about["metrics"])
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
            with contextlib.suppress(Exception):  # the first error says more than its consequences
                if not stopped:
                    self.saving.settle()
            with contextlib.suppress(Exception):
                self._conclude("preempted" if stopped else "failed")
            raise
        return self._conclude(status)

    def _train_and_test(self, state: TrainState, rows: Rows | None) -> Status:
        """Trains and tests; returns the status for the summary."""
        try:
            self._test(self._final(self._train(state, rows)))
        except Diverged as error:
            self.divergence = self._locate(error)
            self.saving.settle()
            return "diverged"
        except _GivenUp:
            self.saving.settle()
            return "preempted"
        finally:
            self.saving.checkpoints.wait()  # a run is completed only when its last state is on the disk
        return "completed"

    def _conclude(self, status: Status) -> Summary:
        try:
            self.calls.close()
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
            )
            self.directory.discard_report()  # a process killed after the next line must not leave an outdated report
            self.directory.write_summary(summary)
            write_report(self.directory.path, REPORT_SECTIONS, plots=self.hooks.plots)
        return summary

    def _train(self, state: TrainState, rows: Rows | None) -> TrainState:
        if self.given_up:
            raise _GivenUp
        if self.calls.resume(state, rows):
            return state
        steps_left = self.trainer.total_steps - self.figures.step
        every = Interval.parse(self.experiment.checkpoint.every)
        pauses = SavingPauses(every, self.trainer.steps_per_epoch, self.figures.step, self.signals, self.trainer.place)
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
                    self.figures.take(point)
                    if point.is_best:
                        self.saving.keep_best(point, self.figures.numbers)
                    self._ask_to_give_up(point.number)
                    pace = self.figures.examples_per_second
                    display.end_epoch(Reached(point.step, point.number, point.metrics, pace))
                    self._check_finite(point.metrics)
                    over = point.is_last or self.given_up
                over |= self._call_hooks(point)
                if over or pauses.due(point.step):
                    self._save(point, is_last=over)
                    pauses.saved(point.step)
                if self.signals.received is not None:
                    self.saving.checkpoints.wait()  # so that a failed saving is reported
                    self.signals.raise_received()
                if over:
                    break
        if self.given_up:
            raise _GivenUp
        return state

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
                raise Diverged(self.figures.step, f"{split} loss")

    def _locate(self, error: Diverged) -> Divergence:
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
        if self.hooks.plots:
            steps, spec = self.trainer.programs.steps, self.trainer.spec
            sheet = examples_sheet(self.experiment.objective, spec, steps, state, self.dataset)
            if sheet is not None:
                self.directory.write_pictures(sheet)
