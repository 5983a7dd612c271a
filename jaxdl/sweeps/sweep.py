"""Runs a whole sweep, from its definition to its tables and report."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxdl.backend.cores import gpu_names, usable_cores
from jaxdl.backend.signals import StopSignals
from jaxdl.checkpoint.shared import PROGRAMS
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.files.atomic import named_cause
from jaxdl.inference.inputs import read_spec
from jaxdl.record import RECORD
from jaxdl.report.terminal import Nowhere
from jaxdl.sweeps.directory import SweepDirectory
from jaxdl.sweeps.executors.ahead import Ahead
from jaxdl.sweeps.executors.execution import Execution
from jaxdl.sweeps.executors.executor import Executor, Inline
from jaxdl.sweeps.executors.imports import import_what_reports_need
from jaxdl.sweeps.executors.side_by_side import Width
from jaxdl.sweeps.results.display import SweepDisplay
from jaxdl.sweeps.results.out_of_fold import write_out_of_fold
from jaxdl.sweeps.results.report import write_sweep_report
from jaxdl.sweeps.results.results import SweepResults, summary
from jaxdl.sweeps.results.tables import write_rows, write_tables
from jaxdl.sweeps.trials.population import Population
from jaxdl.sweeps.trials.runner import OUT_OF_MEMORY
from jaxdl.sweeps.trials.schedule import Schedule, planned_values
from jaxdl.sweeps.trials.table import TABLE, Table
from jaxdl.sweeps.trials.trial import Trial, trial_dir
from jaxdl.training.arithmetic import check_same_arithmetic
from jaxdl.training.cache import Cache

SUMMARY = "summary.json"
# Rows of thousands of trials take a part of a second, and at most a fiftieth of the time is to go into them.
_SECONDS_BETWEEN_ROWS, _TIMES_BETWEEN_ROWS = 5.0, 50
_TIMES = {"seconds", "examples_per_second"}


def _once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Returns a function that says each text once: what a trial says of its data or batch, most others say as well."""
    said: set[str] = set()

    def say_once(text: str) -> None:
        if text not in said:
            said.add(text)
            say(text)

    return say_once


class Sweep:
    """One sweep while it runs.

    `begin` is `time.perf_counter` when the command began, and `shows` says whether its progress is shown.
    """

    def __init__(
        self,
        directory: SweepDirectory,
        execution: Execution,
        width: Width,
        cache: Cache,
        data_dir: Path,
        command: Sequence[str],
        notify: Callable[[str], None],
        begin: float,
        shows: bool = True,
    ):
        self.directory = directory
        self.definition = directory.definition
        self.execution = execution
        self.width = width
        self.command = command
        self.notify = notify
        self.begin = begin
        self.shows = shows
        self.signals = StopSignals()
        self.cache = cache
        cache.side_by_side = width.size
        cache.programs_dir = directory.path.absolute() / PROGRAMS
        self.table = Table(directory.path / TABLE, self.definition, directory.check)
        self.table.prepare()
        self.schedule = Schedule(self.definition, self.table, directory.path.absolute(), data_dir.absolute(), command)
        self._stopped_by: Trial | None = None  # the failed trial after which no other one is to run
        self._failures: Counter[int] = Counter()
        self._width_at: dict[int, int] = {}  # when a trial was last started
        self._rows_due = time.monotonic() + _SECONDS_BETWEEN_ROWS
        over = (trial_dir(directory.path, trial.number) for trial in self.schedule.trials if trial.outcome is not None)
        self._earlier = next((run_dir for run_dir in over if (run_dir / RECORD).exists()), None)

    def run(self) -> SweepResults:
        """Runs the remaining trials and writes the results of all."""
        display = SweepDisplay(self.definition, file=None if self.shows else Nowhere())
        for trial in self.schedule.trials:
            if trial.outcome is not None:
                display.end(trial, earlier=True)
        # No daemon: a process that ends while a thread imports a C++ library may abort.
        threading.Thread(target=import_what_reports_need).start()
        try:
            with self.signals, display, self._ahead(), self._executor(display) as executor:
                self._run(executor, display)
                self.signals.raise_received()
        except (KeyboardInterrupt, UserError) as error:
            by_failure = self._stopped_by if isinstance(error, KeyboardInterrupt) else None
            results = self._conclude("failed" if by_failure else "preempted")
            over = sum(trial.outcome is not None for trial in results.trials)
            self.notify(f"{over} of {self.definition.trials} trials are finished, in {self.directory.path}.")
            if by_failure is None:
                raise
            return results
        return self._conclude("preempted" if self._are_left() else "completed")

    def _are_left(self) -> bool:
        return self.schedule.left > 0 or any(trial.outcome is None for trial in self.schedule.trials)

    def _ahead(self) -> Ahead:
        """Returns what compiles the programs of trials to come.

        That is nothing where their times are compared, or where they have other data: of two sets, both would be held.
        """
        definition = self.definition
        aims = {definition.objective, *definition.others, *(bound.aim for bound in definition.bounds)}
        here = self.execution.executor == "inline" and self.width.size == 1
        works = here and not aims & _TIMES and not definition.varies_data
        trials = self.schedule.planned if works else ()
        return Ahead(self.cache, definition.experiment, trials, self._may_begin)

    def _executor(self, display: SweepDisplay) -> Executor:
        say = _once(display.say)
        if self.execution.executor == "processes":
            from jaxdl.sweeps.executors.processes import Processes, shares

            parts = shares(self.width.threads, usable_cores(), gpu_names(), max(1, self.execution.trial_devices))
            return Processes(parts, self.execution.worker_settings, self.signals, display.show, say)
        if self.execution.executor == "ray":
            from jaxdl.sweeps.executors.ray_cluster import RayCluster

            settings, sweep_dir = self.execution.worker_settings, self.directory.path.absolute()
            return RayCluster(self.width.threads, *self.execution.ray_needs(), settings, self.signals, sweep_dir)
        return Inline(self.width.threads, self.cache, self.signals, display.of, say, self._population())

    def _population(self) -> Population | None:
        if self.definition.mode != "pbt":
            return None
        return Population(self.definition, self.directory.path, planned_values(self.definition) or [])

    def _run(self, executor: Executor, display: SweepDisplay) -> None:
        under_way: list[int] = []
        while True:
            while len(under_way) < executor.width and self._may_begin():
                job = self.schedule.next(under_way)
                if job is None:
                    break
                self._check_arithmetic(job.experiment)
                display.begin(self.schedule.trials[job.number], job.experiment.training.epochs)
                under_way.append(job.number)
                self._width_at[job.number] = executor.width
                executor.submit(dataclasses.replace(job, notes=self.execution.notes))
            if not under_way:
                return
            job, outcome = executor.wait()
            under_way.remove(job.number)
            if outcome.again and (outcome.blameless or self._failures[job.number] < self.execution.retries):
                self._failures[job.number] += not outcome.blameless
                # If several run out of memory together, only the first one reduces the width.
                if outcome.reason == OUT_OF_MEMORY and executor.width == self._width_at[job.number]:
                    executor.narrow()
                display.say(f"trial {job.number} failed and is started again: {outcome.reason}")
                self.schedule.again(job.number)
                continue
            if outcome.ends_sweep:
                raise UserError(f"trial {job.number}: {outcome.reason} The same command continues the sweep.")
            over = self.schedule.take(job.number, outcome)
            if job.number not in [trial.number for trial in over]:
                display.show(job.number, "waits for its other seeds", outcome.epochs / job.experiment.training.epochs)
            for trial in over:
                display.end(trial)
            if outcome.state == "failed" and self.execution.on_failure == "stop" and self._are_left():
                self._stop_after(self.schedule.trials[job.number], display)
            self._write_rows()

    def _stop_after(self, failed: Trial, display: SweepDisplay) -> None:
        """Stops after a trial that failed: those that are under way save, as after a signal."""
        if self._stopped_by is not None:
            return
        self._stopped_by = failed
        reason = failed.outcome.reason.rstrip(".") if failed.outcome else ""
        display.say(
            f"trial {failed.number} failed, so the sweep stops (on_failure=stop): {reason}. The same command continues "
            "it with the other trials."
        )
        self.signals.received = self.signals.received or signal.SIGTERM

    def _check_arithmetic(self, experiment: Experiment) -> None:
        """Raises `UserError` for a trial that trains with another arithmetic than those that it is compared with."""
        if self._earlier is not None:
            spec = read_spec(self._earlier)
            check_same_arithmetic(self._earlier, experiment.for_spec(spec), spec)

    def _write_rows(self) -> None:
        """Writes the rows so far, from time to time, so that they can be read while the sweep runs."""
        begin = time.monotonic()
        if begin > self._rows_due:
            self.directory.check()
            write_rows(self._results("running"))
            now = time.monotonic()
            self._rows_due = now + max(_SECONDS_BETWEEN_ROWS, _TIMES_BETWEEN_ROWS * (now - begin))

    def _may_begin(self) -> bool:
        if self.signals.received is not None:
            return False
        budget = self.execution.budget_seconds
        return budget is None or time.perf_counter() - self.begin < budget

    def _results(self, status: str) -> SweepResults:
        return SweepResults(
            self.definition,
            self.directory.path,
            status,
            self.schedule.trials,
            time.perf_counter() - self.begin,
            self.cache.compiled(),
        )

    def _conclude(self, status: str) -> SweepResults:
        self.directory.check()  # must not overwrite the tables of another process
        results = self._results(status)
        if status == "completed" and (programs := self.directory.path / PROGRAMS).exists():
            with named_cause(programs, "remove"):  # each trial has checkpoints of its own
                shutil.rmtree(programs)
        write_tables(results)
        write_out_of_fold(results)
        self.directory.write_json(SUMMARY, summary(results, self.command))
        write_sweep_report(results, self.command)
        return results
