"""One training from an experiment to its run directory: data, epochs, checkpoints, test, summary and report."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdl import provenance
from jaxdl.checkpoint import Checkpoints, params_sha256
from jaxdl.config import differences, from_config, to_config
from jaxdl.data import Dataset, examples
from jaxdl.divergence import Divergence, all_finite, locate
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import replace
from jaxdl.interval import Interval
from jaxdl.loop import Diverged, Epoch, Metrics, Pause, Rows, Trainer
from jaxdl.objectives import SigmoidCrossEntropy, SoftmaxCrossEntropy
from jaxdl.progress import Progress
from jaxdl.record import (
    CONFIG,
    RECORD,
    REPORT,
    SUMMARY,
    RunDirectory,
    read_config,
    read_metrics,
    read_record,
    read_summary,
)
from jaxdl.report import write_report
from jaxdl.step import TrainState
from jaxdl.stopping import SavingPauses, StopSignals
from jaxdl.watch import Watch

if TYPE_CHECKING:
    from jaxdl.profiling import Profiler

_SMALL_BATCH = 8
# Fields in which a run may be continued with other values: they change no result, or follow from the data.
_NO_OTHER_RECIPE = ("checkpoint.", "model.outputs=")


def shortened(experiment: Experiment) -> Experiment:
    """Returns the experiment as ``--fast_dev_run`` runs it: one epoch of one small batch."""
    if not experiment.training.fast_dev_run:
        return experiment
    small = min(_SMALL_BATCH, experiment.training.batch_size)
    changes = {"epochs": 1, "batch_size": small, "eval_batch_size": small}
    return replace(experiment, {f"training.{name}": value for name, value in changes.items()})


def load_data(experiment: Experiment, data_dir: Path, notify: Callable[[str], None]) -> Dataset:
    """Loads the experiment's data set, cut to what ``--fast_dev_run`` or ``--overfit_batches`` leaves of it.

    Raises:
        UserError: the data cannot be had, or a split is empty.
    """
    dataset = experiment.data.load(data_dir, notify)
    training = experiment.training
    splits = {name: dict(arrays) for name, arrays in dataset.splits.items()}
    if training.overfit_batches or training.fast_dev_run:
        dataset = dataclasses.replace(dataset, passes=1)
    if training.overfit_batches:
        wanted = training.overfit_batches * training.batch_size
        splits["train"] = _first(splits["train"], wanted)
        splits["validation"] = splits["train"]
    if training.fast_dev_run:
        splits = {name: _first(arrays, training.batch_size) for name, arrays in splits.items()}
    for name in ("train", "test"):
        if not examples(splits[name]):
            raise UserError(f"the {name} split of {dataset.used} holds no example; check --data and --data.validation.")
    return dataclasses.replace(dataset, splits=splits)


def _first(arrays: dict[str, Any], count: int) -> dict[str, Any]:
    return {name: array[:count] for name, array in arrays.items()}


def train(
    experiment: Experiment,
    *,
    run_dir: Path,
    data_dir: Path,
    arguments: Sequence[str] = (),
    notify: Callable[[str], None] = print,
    begin: float | None = None,
    profile: bool = False,
    accept_changed_data: bool = False,
) -> dict[str, Any]:
    """Trains, validates, tests and leaves the run directory; goes on where an unfinished run of the recipe stopped.

    However often a run was stopped, by whatever, and at whatever moment: it ends with the same bits as one that was
    not. SIGINT and SIGTERM let the running call of the train program end (about two seconds), save, and raise
    `KeyboardInterrupt` or `jaxdl.stopping.Terminated`; a second one ends the process at once.

    Args:
        experiment: the recipe.
        run_dir: a new folder, or that of a run of the same recipe. A finished one is left as it is.
        data_dir: folder of prepared data sets and original archives.
        arguments: the command line, for the record.
        notify: takes messages.
        begin: `time.perf_counter` at the start, for ``wall_seconds`` and for ``seconds_to_first_step``, which ends when
            the metrics of the first call of the train program are on the host.
        profile: trace a part of the training into ``RUN_DIR/profile/`` and say in its ``profile.json`` where the time
            of a step goes (see `jaxdl.profiling`).
        accept_changed_data: go on with other data than those that an unfinished run was begun with.

    Returns:
        What stands in ``summary.json``.

    Raises:
        UserError: the data cannot be had, or the folder holds something else or is in use.
    """
    begin = time.perf_counter() if begin is None else begin
    experiment = shortened(experiment)
    with RunDirectory.create(run_dir, experiment.name) as run:
        try:
            finished = _earlier_summary(run.path, experiment)
            if finished is not None:
                notify(f"{run.path} holds this run already, and it is finished.")
                if not (run.path / REPORT).exists():
                    write_report(run.path)
                return finished
            dataset = load_data(experiment, data_dir, notify)
            experiment = experiment.for_spec(dataset.spec)
            if not accept_changed_data:
                _check_same_data(run.path, dataset)
            watch = Watch.of(experiment, dataset)
            trainer = Trainer(experiment, dataset)
            profiler = _profiler(run.path, trainer) if profile else None
            trainer.compile()
        except BaseException:
            run.discard_if_new()
            raise
        run.write_config(to_config(experiment))
        _write_record(run, arguments, experiment, dataset, notify)
        summary = _Session(trainer, dataset, run, watch, begin, profiler, notify).run_to_end()
        if profiler is not None:
            profiler.write(notify)
        return summary


def _profiler(run_dir: Path, trainer: Trainer) -> Profiler:
    from jaxdl.profiling import Profiler

    return Profiler(run_dir, trainer)


def _earlier_summary(path: Path, experiment: Experiment) -> dict[str, Any] | None:
    """Returns the summary of a finished run, None where there is none; refuses a run of another recipe."""
    if not (path / CONFIG).exists():
        return None
    before = from_config(read_config(path), experiment)
    changed = [line for line in differences(experiment, before) if not line.startswith(_NO_OTHER_RECIPE)]
    if changed:
        raise UserError(f"{path} holds a run with another recipe: {'; '.join(changed)}. Give another --run_dir.")
    if not (path / SUMMARY).exists():
        return None
    summary = read_summary(path)
    return summary if summary.get("status") == "completed" else None


def _check_same_data(path: Path, dataset: Dataset) -> None:
    """Refuses to go on with other data than the run was begun with."""
    if (path / RECORD).exists() and read_record(path).get("data_fingerprint") != dataset.fingerprint:
        raise UserError(
            f"{path} was begun with other data than {dataset.used} as it is now: give the --data_dir of its beginning, "
            "another --run_dir, or --accept_changed_data."
        )


def _write_record(
    run: RunDirectory,
    arguments: Sequence[str],
    experiment: Experiment,
    dataset: Dataset,
    notify: Callable[[str], None],
) -> None:
    """Writes where the run comes from; where it goes on, adds to that of its beginning what is different now."""
    now = provenance.record(arguments, experiment.seed, dataset.fingerprint)
    now["spec"] = dataclasses.asdict(dataset.spec)
    if not (run.path / RECORD).exists():
        run.write_record(now)
        return
    record = read_record(run.path)
    changed = provenance.differences(record, now)
    if changed:
        notify(
            f"The run goes on under other conditions, so its results may differ in the last bits: {'; '.join(changed)}."
        )
    again = {"command": now["command"], "started_utc": now["started_utc"], "changed": changed}
    run.write_record(record | {"resumptions": [*record.get("resumptions", []), again]})


class _Session:
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
    ):
        self.experiment = trainer.experiment
        self.trainer = trainer
        self.dataset = dataset
        self.run = run
        self.begin = begin
        self.profiler = profiler
        self.notify = notify
        self.watch = watch
        self.checkpoints = Checkpoints(run.checkpoints, watch.metric, watch.mode, self.experiment.checkpoint.keep)
        self.epoch = self.step = 0
        self.train_seconds = 0.0
        self.trained_examples = 0
        self.figures: dict[str, Any] = {}
        self.params_sha256 = ""
        self.divergence: Divergence | None = None
        self.seconds_to_first_step: float | None = None
        self._best: _Best | None = None

    def run_to_end(self) -> dict[str, Any]:
        """Trains and tests; the summary is written however that ends.

        What cannot be gone on with is refused before anything is written.
        """
        try:
            start = self._start()
        except BaseException:
            self.checkpoints.close()
            raise
        try:
            state = self._train(*start)
            self._test(self._final(state))
        except Diverged as error:
            self.divergence = self._locate(error)
            return self._conclude("diverged")
        except BaseException as error:
            with contextlib.suppress(UserError):  # the first error says more than what follows from it
                self._conclude("preempted" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        return self._conclude("completed")

    def _conclude(self, status: str) -> dict[str, Any]:
        self.checkpoints.close()
        summary = self._summary(status)
        self.run.write_summary(summary)
        write_report(self.run.path)
        return summary

    def _start(self) -> tuple[TrainState, Rows | None]:
        """Returns what to go on from: a new state, or that of the last checkpoint in the run directory."""
        saved = self.checkpoints.resume(self.trainer.state_shapes(), self.trainer.row_shapes(), self.notify)
        if saved is None:
            self.run.rewind(0)
            return self.trainer.init_state(), None
        self.run.rewind(saved.step, saved.about["metrics"])
        self.step, self.epoch = saved.step, saved.step // self.trainer.steps_per_epoch
        for line in read_metrics(self.run.path):
            figures = {f"{line['split']}/{k}": v for k, v in line.items() if k not in ("step", "epoch", "split")}
            self.figures |= figures
            self.watch.observe(figures, line["step"])
        return saved.state, saved.rows

    def _train(self, state: TrainState, rows: Rows | None) -> TrainState:
        training = self.experiment.training
        total = self.trainer.total_steps
        if self.watch.exhausted:
            return state  # an earlier process stopped here, and did not come to test

        def report(step: int, epoch: int, metrics: Metrics, examples_per_second: float) -> None:
            if self.seconds_to_first_step is None:
                self.seconds_to_first_step = time.perf_counter() - self.begin
            progress.update(step, epoch, metrics, examples_per_second)

        signals = StopSignals()
        every = Interval.parse(self.experiment.checkpoint.every)
        pauses = SavingPauses(every, self.trainer.steps_per_epoch, self.step, signals)
        recording = self.profiler.recording(total - self.step) if self.profiler else contextlib.nullcontext()
        with (
            signals,
            Progress(self.experiment.name, training.epochs, total, first_step=self.step) as progress,
            recording as seen,
        ):
            points = self.trainer.train(state, rows=rows, pauses=pauses, on_progress=report, observer=seen)
            for point in points:
                state, self.step = point.state, point.step
                if isinstance(point, Epoch):
                    self._take(point)
                    progress.end_epoch(point.step, point.number, point.metrics, self._examples_per_second())
                    self._check_figures(point)
                over = point.step == total or self.watch.exhausted
                if over or pauses.due(point.step):
                    self._save(point)
                    pauses.saved(point.step)
                if signals.received is not None:
                    self.checkpoints.wait()  # an error of this saving must be told
                    signals.raise_received()
                if over:
                    break
        return state

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
            "versions": provenance.versions(),
            "metrics": self.run.mark(),
        }

    def _locate(self, error: Diverged) -> Divergence:
        """Looks for the step at which the numbers ceased to be finite, from the last good state on."""
        self.notify(f"{error}: looking for the step at which it began ...")
        saved = self.checkpoints.resume(self.trainer.state_shapes(), self.trainer.row_shapes(), self.notify)
        state = self.trainer.init_state() if saved is None else saved.state
        found = locate(self.trainer, state, min(error.step, self.trainer.total_steps))
        if found is None:  # the parameters are finite, and only what a split made of them is not
            rate = self.experiment.optimizer.learning_rate_at(error.step, self.trainer.total_steps)
            found = Divergence(error.step, (error.what,), math.nan, float(rate))
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
    is_cross_entropy = isinstance(experiment.objective, SigmoidCrossEntropy | SoftmaxCrossEntropy)
    return {
        "requested": dataset.requested,
        "used": dataset.used,
        "substituted": dataset.substituted,
        "train_examples": dataset.train_examples,
        "validation_examples": examples(dataset.splits["validation"]) if "validation" in dataset.splits else 0,
        "test_examples": examples(dataset.splits["test"]),
        "best_loss": dataset.spec.best_loss if is_cross_entropy else None,
        "class_names": list(dataset.spec.class_names),
        "fingerprint": dataset.fingerprint,
    }
