"""One training from an experiment to its run directory: data, epochs, checkpoints, test, summary and report."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from jaxdl import provenance
from jaxdl.checkpoint import Checkpoints, params_sha256
from jaxdl.config import differences, from_config, to_config
from jaxdl.data import Dataset, examples
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import replace
from jaxdl.loop import Epoch, Metrics, Trainer
from jaxdl.objectives import SigmoidCrossEntropy, SoftmaxCrossEntropy
from jaxdl.progress import Progress
from jaxdl.record import CONFIG, RECORD, SUMMARY, RunDirectory, read_config, read_metrics, read_record, read_summary
from jaxdl.report import write_report
from jaxdl.step import TrainState
from jaxdl.watch import Watch

if TYPE_CHECKING:
    from jaxdl.profiling import Profiler

# Checkpoints are written at most this often, and at the end, so that a run of a few seconds is not slowed by them.
_SECONDS_BETWEEN_CHECKPOINTS = 30.0
_SMALL_BATCH = 8


class Diverged(Exception):
    """A loss is no longer a finite number."""


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
) -> dict[str, Any]:
    """Trains, validates, tests and leaves the run directory; goes on where an unfinished run of the recipe stopped.

    Args:
        experiment: the recipe.
        run_dir: a new folder, or that of an unfinished run.
        data_dir: folder of prepared data sets and original archives.
        arguments: the command line, for the record.
        notify: takes messages about the data.
        begin: `time.perf_counter` at the start, for ``wall_seconds`` and for ``seconds_to_first_step``, which ends when
            the metrics of the first call of the train program are on the host.
        profile: trace a part of the training into ``RUN_DIR/profile/`` and say in its ``profile.json`` where the time
            of a step goes (see `jaxdl.profiling`).

    Returns:
        What stands in ``summary.json``.

    Raises:
        UserError: the data cannot be had, or the folder holds something else or is in use.
    """
    begin = time.perf_counter() if begin is None else begin
    experiment = shortened(experiment)
    with RunDirectory.create(run_dir, experiment.name) as run:
        try:
            _check_continues(run.path, experiment)
            dataset = load_data(experiment, data_dir, notify)
            experiment = experiment.for_spec(dataset.spec)
            _check_same_data(run.path, dataset)
            watch = Watch.of(experiment, dataset)
            trainer = Trainer(experiment, dataset)
            profiler = _profiler(run.path, trainer) if profile else None
            trainer.compile()
        except BaseException:
            run.discard_if_new()
            raise
        run.write_config(to_config(experiment))
        record = provenance.record(arguments, experiment.seed, dataset.fingerprint)
        run.write_record(record | {"spec": dataclasses.asdict(dataset.spec)})
        summary = _Session(trainer, dataset, run, watch, begin, profiler).run_to_end()
        if profiler is not None:
            profiler.write(notify)
        return summary


def _profiler(run_dir: Path, trainer: Trainer) -> Profiler:
    from jaxdl.profiling import Profiler

    return Profiler(run_dir, trainer)


def _check_continues(path: Path, experiment: Experiment) -> None:
    """Refuses a folder whose run is finished, or has another recipe."""
    if not (path / CONFIG).exists():
        return
    before = from_config(read_config(path), experiment)
    changed = [line for line in differences(experiment, before) if not line.startswith("model.outputs=")]
    if changed:
        raise UserError(f"{path} holds a run with another recipe: {'; '.join(changed)}. Give another --run_dir.")
    if (path / SUMMARY).exists() and read_summary(path).get("status") == "completed":
        raise UserError(f"{path} holds a finished run: use --mode=eval or --mode=predict, or give another --run_dir.")


def _check_same_data(path: Path, dataset: Dataset) -> None:
    """Refuses to go on with other data than the run was begun with."""
    if (path / RECORD).exists() and read_record(path).get("data_fingerprint") != dataset.fingerprint:
        raise UserError(
            f"{path} was begun with other data than {dataset.used} as it is now: give the --data_dir of its beginning, "
            "or another --run_dir."
        )


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
    ):
        self.experiment = trainer.experiment
        self.trainer = trainer
        self.dataset = dataset
        self.run = run
        self.begin = begin
        self.profiler = profiler
        self.watch = watch
        self.checkpoints = Checkpoints(run.checkpoints, watch.metric, watch.mode)
        self.epoch = self.step = 0
        self.train_seconds = 0.0
        self.trained_examples = 0
        self.figures: dict[str, Any] = {}
        self.params_sha256 = ""
        self.seconds_to_first_step: float | None = None
        self._saved_at = time.perf_counter()
        self._best: tuple[int, TrainState, dict[str, float]] | None = None

    def run_to_end(self) -> dict[str, Any]:
        """Trains and tests; the summary is written whatever happens."""
        status = "failed"
        try:
            state = self._train(self._start())
            self._test(self._final(state))
            status = "completed"
        except KeyboardInterrupt:
            status = "preempted"
            raise
        except Diverged:
            status = "diverged"
        finally:
            try:
                self.checkpoints.close()
            finally:
                summary = self._summary(status)
                self.run.write_summary(summary)
                write_report(self.run.path)
        return summary

    def _start(self) -> TrainState:
        """Returns the state to go on from: a new one, or that of the last checkpoint in the run directory."""
        step = self.checkpoints.latest_step()
        if step is None:
            self.run.rewind(0)
            return self.trainer.init_state()
        self.run.rewind(step)
        self.step, self.epoch = step, step // self.trainer.steps_per_epoch
        for line in read_metrics(self.run.path):
            figures = {f"{line['split']}/{k}": v for k, v in line.items() if k not in ("step", "epoch", "split")}
            self.figures |= figures
            self.watch.observe(figures, line["step"])
        return self.checkpoints.restore(self.trainer.state_shapes(), step)

    def _train(self, state: TrainState) -> TrainState:
        training = self.experiment.training
        total = self.trainer.total_steps
        if self.watch.exhausted:
            return state  # an earlier process stopped here, and did not come to test

        def report(step: int, epoch: int, metrics: Metrics, examples_per_second: float) -> None:
            if self.seconds_to_first_step is None:
                self.seconds_to_first_step = time.perf_counter() - self.begin
            progress.update(step, epoch, metrics, examples_per_second)

        recording = self.profiler.recording(total - self.step) if self.profiler else contextlib.nullcontext()
        with (
            Progress(self.experiment.name, training.epochs, total, first_step=self.step) as progress,
            recording as seen,
        ):
            for epoch in self.trainer.train(state, on_progress=report, observer=seen):
                state = epoch.state
                self._take(epoch)
                progress.end_epoch(epoch.step, epoch.number, epoch.metrics, self._examples_per_second())
                for split, metrics in epoch.metrics.items():
                    self._check_finite(split, metrics)
                if self.watch.observe(self.figures, epoch.step):
                    # A copy, because the next epoch trains in the memory of this state.
                    self._best = (epoch.step, jax.tree.map(jnp.copy, state), self._scalars())
                done = epoch.number == training.epochs or self.watch.exhausted
                if done or time.perf_counter() - self._saved_at > _SECONDS_BETWEEN_CHECKPOINTS:
                    self._save(state)
                if self.watch.exhausted:
                    break
        return state

    def _take(self, epoch: Epoch) -> None:
        """Adds an epoch's figures to the run directory and to the totals."""
        self.epoch, self.step = epoch.number, epoch.step
        self.train_seconds += epoch.train_seconds
        self.trained_examples += self.trainer.examples_per_epoch
        for split, metrics in epoch.metrics.items():
            self._log(split, metrics)

    def _log(self, split: str, metrics: Metrics) -> None:
        self.figures |= {f"{split}/{name}": value for name, value in metrics.items()}
        self.run.log_metrics(self.step, self.epoch, split, metrics)

    def _check_finite(self, split: str, metrics: Metrics) -> None:
        if not math.isfinite(metrics["loss"]):
            raise Diverged(f"the {split} loss after epoch {self.epoch} is {metrics['loss']}")

    def _save(self, state: TrainState) -> None:
        """Writes the best state since the last writing, if there is a better one, and the present state."""
        if self._best is not None and self._best[0] != self.step:
            self.checkpoints.save(*self._best)
        self.checkpoints.save(self.step, state, self._scalars())
        self._best = None
        self._saved_at = time.perf_counter()

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
        self._check_finite("test", metrics)

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
            "data": data_summary(data, self.experiment),
            "train_examples_per_second": self._examples_per_second(),
            "compile_seconds": self.trainer.compile_seconds,
            "seconds_to_first_step": self.seconds_to_first_step,
            "wall_seconds": time.perf_counter() - self.begin,
            "parameters": sum(leaf.size for leaf in jax.tree.leaves(shapes.params)),
            "params_sha256": self.params_sha256,
        }


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
