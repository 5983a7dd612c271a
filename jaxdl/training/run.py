"""One training from an experiment to its run directory: data, epochs, checkpoints, test, summary and report."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxdl.backend.signals import StopSignals
from jaxdl.data import Dataset, examples
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import differences, from_config, to_config
from jaxdl.fields import replace
from jaxdl.objectives import REPORT_SECTIONS
from jaxdl.record import (
    CONFIG,
    RECORD,
    REPORT,
    SUMMARY,
    RunDirectory,
    provenance,
    read_config,
    read_record,
    read_summary,
)
from jaxdl.report import write_report
from jaxdl.training.cache import Workshop
from jaxdl.training.early_stopping import Watch
from jaxdl.training.hooks import Setting
from jaxdl.training.loop import Trainer
from jaxdl.training.session import Session

if TYPE_CHECKING:
    from jaxdl.profiling import Profiler

_SMALL_BATCH = 8
# Fields in which a run may be continued with other values: they change no result, or follow from the data.
_NO_OTHER_RECIPE = ("checkpoint.", "model.outputs=", "data.mirror=")


def shortened(experiment: Experiment) -> Experiment:
    """Returns the experiment as ``--fast_dev_run`` runs it: one epoch of one small batch."""
    if not experiment.training.fast_dev_run:
        return experiment
    small = min(_SMALL_BATCH, experiment.training.batch_size)
    changes = {"epochs": 1, "batch_size": small, "eval_batch_size": small}
    return replace(experiment, {f"training.{name}": value for name, value in changes.items()})


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
    workshop: Workshop | None = None,
    setting: Setting | None = None,
) -> dict[str, Any]:
    """Trains, validates, tests and leaves the run directory; goes on where an unfinished run of the recipe stopped.

    However often a run was stopped, by whatever, and at whatever moment: it ends with the same bits as one that was
    not. SIGINT and SIGTERM let the running call of the train program end (about two seconds), save, and raise
    `KeyboardInterrupt` or `jaxdl.backend.signals.Terminated`; a second one ends the process at once. From when the
    data are there they raise nowhere else: libraries in C++ would swallow that, take it for an error of theirs, or
    abort.

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
        workshop: data and compiled programs of earlier trainings in this process, from the same `data_dir`.
        setting: who may stop the training, and where it shows how far it is.

    Returns:
        What stands in ``summary.json``.

    Raises:
        UserError: the data cannot be had, or the folder holds something else or is in use.
    """
    begin = time.perf_counter() if begin is None else begin
    experiment = shortened(experiment)
    workshop = workshop or Workshop(data_dir, notify)
    setting = setting or Setting()
    signals = setting.signals or StopSignals()
    with RunDirectory.create(run_dir, experiment.name) as run, contextlib.ExitStack() as cleanup:
        try:
            finished = _earlier_summary(run.path, experiment)
            if finished is not None:
                notify(f"{run.path} holds this run already, and it is finished.")
                if not (run.path / REPORT).exists():
                    write_report(run.path, REPORT_SECTIONS, plots=setting.plots)
                return finished
            dataset = workshop.dataset(experiment)
            experiment = experiment.for_spec(dataset.spec)
            _check_same_data(run.path, experiment, dataset, accept_changed_data)
            if setting.signals is None:
                cleanup.enter_context(signals)
            watch = Watch.of(experiment, dataset)
            trainer = workshop.trainer(experiment, joins=str(run.path))
            cleanup.callback(trainer.close)
            profiler = _profiler(run.path, trainer) if profile else None
            trainer.compile()
            session = Session(trainer, dataset, run, watch, begin, profiler, notify, setting, signals)
            state, rows = session.start()
        except BaseException:
            run.discard_if_new()
            raise
        run.write_config(to_config(experiment))
        record = provenance.record(arguments, experiment.seed, dataset.fingerprint, workshop.surroundings())
        more = {
            "spec": dataclasses.asdict(dataset.spec),
            "steps_per_epoch": trainer.steps_per_epoch,
            "compiler_options": {name: options for name, options in trainer.compiler_options.items() if options},
            "side_by_side": trainer.together.size if trainer.together else 1,
        }
        _write_record(run, record | more, notify)
        summary = session.run_to_end(state, rows)
        if profiler is not None:
            profiler.write(notify)
    if setting.signals is None:
        signals.raise_received()  # one that came too late to stop this training, but perhaps not what follows it
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


def _check_same_data(path: Path, experiment: Experiment, dataset: Dataset, accept_changed: bool) -> None:
    """Refuses to go on with other data than the run had, and always where an epoch of them has another length."""
    if not (path / RECORD).exists():
        return
    before = read_record(path)
    if before.get("data_fingerprint") == dataset.fingerprint:
        return
    other = f"{path} was begun with other data than {dataset.used} as it is now"
    if not accept_changed:
        raise UserError(f"{other}: give the --data_dir of its beginning, another --run_dir, or --accept_changed_data.")
    steps = experiment.steps_per_epoch(examples(dataset.splits["train"]) * dataset.passes)
    if before.get("steps_per_epoch") != steps:
        raise UserError(
            f"{other}: an epoch had {before.get('steps_per_epoch')} steps and has {steps} now, so the run cannot go on "
            "with them; give another --run_dir."
        )


def _write_record(run: RunDirectory, now: dict[str, Any], notify: Callable[[str], None]) -> None:
    """Writes where the run comes from; where it goes on, adds to that of its beginning what is different now."""
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
    # Of data that were accepted: the run is now one on these.
    data = {name: now[name] for name in ("data_fingerprint", "spec")}
    run.write_record(record | data | {"resumptions": [*record.get("resumptions", []), again]})
