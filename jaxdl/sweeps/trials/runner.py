"""Runs one trial: an ordinary training whose end, also a failure, is returned as an `Outcome`."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jaxdl.backend.memory import ran_out_of_memory
from jaxdl.backend.signals import StopSignals
from jaxdl.checkpoint.shared import PROGRAMS
from jaxdl.errors import UserError
from jaxdl.files.atomic import replace_file, way_out
from jaxdl.files.locks import InUse
from jaxdl.record import read_metrics
from jaxdl.report.format import data_used
from jaxdl.report.progress import Display
from jaxdl.sweeps.trials.population import Member, Population
from jaxdl.sweeps.trials.pruning import Pruning
from jaxdl.sweeps.trials.trial import Job, Outcome, State
from jaxdl.training.cache import Cache
from jaxdl.training.divergence import Divergence
from jaxdl.training.hooks import Hooks
from jaxdl.training.run import run_training
from jaxdl.training.summary import Summary

OUT_OF_MEMORY = "out of memory"
# Errors of a disk that is full or not writable; EFBIG is a limit on the size of files.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
# Errors that say nothing of what is read or written, only that the machine or a file server does not do it now.
_OF_THE_MACHINE = (errno.EIO, errno.EACCES, errno.EMFILE, errno.ENFILE, errno.ESTALE)
# Ray ends the workers of a dead process within some seconds; a file server releases a lost node's locks after a minute
# or two.
_SECONDS_OF_PATIENCE = 120.0


def run_trial(
    job: Job,
    cache: Cache,
    *,
    signals: StopSignals | None = None,
    display: Display | None = None,
    notify: Callable[[str], None] = print,
    population: Population | None = None,
) -> Outcome:
    """Trains, and returns the outcome; a failed training raises no error.

    Args:
        job: what to run; resumes where an earlier attempt stopped.
        cache: data and programs of earlier trials.
        signals: tells it to stop.
        display: shows its progress.
        notify: called with messages.
        population: of which it is a member; None: of none.

    Raises:
        KeyboardInterrupt: the training was stopped, and has saved its state.
    """
    begin = time.perf_counter()
    cache.programs_dir = job.run_dir.absolute().parents[1] / PROGRAMS
    try:
        with _member(job, population, signals) as member:
            hooks = Hooks(signals, display, Pruning(job), exchange=member, plots=False)
            return _outcome(job, _train(job, cache, hooks, notify), time.perf_counter() - begin)
    except InUse as error:
        return _failed(str(error), begin, again=True)
    except UserError as error:
        # An error of the disk says nothing about the trial. One that may pass is tried again; if it does not pass, the
        # sweep ends, so that the same command continues it, and no trial is lost.
        of_machine = isinstance(error.__cause__, OSError)
        may_pass = of_machine and not _meets_every_trial(error.__cause__, job)
        return _failed(str(error), begin, again=may_pass, ends_sweep=of_machine)
    except Exception as error:
        if ran_out_of_memory(error):
            return _failed(OUT_OF_MEMORY, begin, again=True)
        if isinstance(error, OSError) and error.errno in (*_OF_THE_MACHINE, *_OF_THE_DISK):
            reason = f"cannot use {error.filename or job.run_dir}: {error.strerror}; {way_out(error)}."
            return _failed(reason, begin, again=not _meets_every_trial(error, job), ends_sweep=True)
        # Next to the run directory, which may not exist.
        file = job.run_dir.with_name(f"{job.run_dir.name}-error.txt")
        with contextlib.suppress(UserError):
            replace_file(file, traceback.format_exc())
        text = " ".join(str(error).split())[:200]
        return _failed(f"{type(error).__name__}: {text} (see {file})", begin, again=True)


@contextlib.contextmanager
def _member(job: Job, population: Population | None, signals: StopSignals | None) -> Iterator[Member | None]:
    """Gives a trial its part in a population, and takes it out if it does not come to its end."""
    if population is None:
        yield None
        return
    population.join(job.number)
    try:
        yield Member(population, job.number, job.objective, signals)
    except BaseException:
        population.leave(job.number)
        raise


def _train(job: Job, cache: Cache, hooks: Hooks, notify: Callable[[str], None]) -> Summary:
    """Trains; waits where a worker of an earlier process, whose end it has not yet noticed, still has the trial."""
    given_up = time.monotonic() + _SECONDS_OF_PATIENCE
    while True:
        try:
            return run_training(
                job.experiment,
                run_dir=job.run_dir,
                data_dir=job.data_dir,
                arguments=job.command,
                notify=notify,
                cache=cache,
                hooks=hooks,
                tags=job.notes.tags,
                note=job.notes.note,
            )
        except InUse:
            if hooks.signals is not None:
                hooks.signals.raise_received()
            if time.monotonic() > given_up:
                raise
            time.sleep(0.2)


def _meets_every_trial(cause: BaseException | None, job: Job) -> bool:
    """Returns whether an error comes from the disk of the sweep directory, and not from one trial's own files."""
    sweep_dir = job.run_dir.parents[1]
    return isinstance(cause, OSError) and (cause.errno in _OF_THE_DISK or not os.access(sweep_dir, os.W_OK))


def _failed(reason: str, begin: float, *, again: bool = False, ends_sweep: bool = False) -> Outcome:
    seconds = time.perf_counter() - begin
    return Outcome("failed", reason=reason, seconds=seconds, again=again, ends_sweep=ends_sweep)


def _outcome(job: Job, summary: Mapping[str, Any], seconds: float) -> Outcome:
    """Returns the outcome of a finished training from its files."""
    split, _, name = job.objective.partition("/")
    lines = [line for line in read_metrics(job.run_dir) if line["split"] == split and name in line]
    metrics = {key: value for key, value in summary["metrics"].items() if isinstance(value, int | float)}
    objective = metrics.get(job.objective)
    state: State = {"completed": "completed", "preempted": "pruned"}.get(summary["status"], "failed")  # type: ignore[assignment]
    reason = ""
    if summary["divergence"]:
        reason = Divergence.of_summary(summary["divergence"]).message()
    elif state == "completed" and (objective is None or not math.isfinite(objective)):
        state, reason = "failed", f"{job.objective} is {objective}"
    return Outcome(
        state,
        objective if state != "failed" else None,
        metrics,
        {line["epoch"]: line[name] for line in lines},
        reason,
        seconds,
        summary["params_sha256"],
        data_used(summary["data"]),
        summary["compile_seconds"],
        _costs(summary),
    )


def _costs(summary: Mapping[str, Any]) -> dict[str, float]:
    """Returns what a training cost, besides its time."""
    found = {
        "parameters": summary["parameters"],
        "steps": summary["step"],
        "examples_per_second": summary["train_examples_per_second"],
    }
    return {name: value for name, value in found.items() if value is not None}
