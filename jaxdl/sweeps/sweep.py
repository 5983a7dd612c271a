"""A whole sweep, from its definition to its tables and report."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import jax

from jaxdl.stopping import StopSignals
from jaxdl.sweeps.directory import SweepDirectory
from jaxdl.sweeps.display import SweepDisplay
from jaxdl.sweeps.executor import Executor, Inline
from jaxdl.sweeps.report import write_sweep_report
from jaxdl.sweeps.results import SweepResults, summary, write_tables
from jaxdl.sweeps.schedule import Schedule
from jaxdl.sweeps.table import TABLE, Table
from jaxdl.workshop import Workshop

SUMMARY = "summary.json"


@dataclasses.dataclass(frozen=True)
class Execution:
    """How a sweep is run; nothing in it changes what comes of a trial.

    Attributes:
        executor: where trials run: in this process, in worker processes, or on a Ray cluster.
        batch: how many trials are trained side by side in one program, in this process: ``auto`` measures, ``off``, or
            a number. Results are then the same within rounding, not to the bit.
        workers: how many trials run at the same time elsewhere; 0: one for each accelerator or each two cores.
        budget: seconds after which no further trial begins; None: no limit.
        retries: how often a trial is begun again that ran out of memory, lost its worker or met an unforeseen error.
        on_failure: after a trial that failed for good, go on with the others, or stop.
        settings: what `jaxdl.configure` is called with where trials run in other processes.
        ray_address: address of the Ray cluster; empty starts one on this machine.
        trial_cpus: CPUs that a trial needs on a Ray cluster.
        trial_gpus: GPUs that a trial needs there; a fraction shares one.
    """

    executor: Literal["inline", "processes", "ray"] = "inline"
    batch: str = "auto"
    workers: int = 0
    budget: float | None = None
    retries: int = 1
    on_failure: Literal["continue", "stop"] = "continue"
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ray_address: str = ""
    trial_cpus: float = 1.0
    trial_gpus: float = 0.0

    def width(self) -> int:
        """Returns how many trials run at the same time, for which it looks at devices, or connects to the cluster.

        0 stands for what is measured to be the fastest.
        """
        if self.executor == "inline":
            return {"auto": 0, "off": 1}[self.batch] if self.batch in ("auto", "off") else int(self.batch)
        if self.executor == "ray":
            from jaxdl.sweeps.ray_cluster import connect, places

            connect(self.ray_address)
            return self.workers or places(self.trial_cpus, self.trial_gpus)
        return self.workers or accelerators() or max(1, len(usable_cores()) // 2)


def usable_cores() -> list[int]:
    """Returns the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def accelerators() -> int:
    """Returns how many GPUs JAX uses; starts its backend."""
    return jax.device_count() if jax.default_backend() == "gpu" else 0


class Sweep:
    """One sweep while it runs."""

    def __init__(
        self,
        directory: SweepDirectory,
        execution: Execution,
        width: int,
        workshop: Workshop,
        data_dir: Path,
        command: Sequence[str],
        notify: Callable[[str], None],
    ):
        self.directory = directory
        self.definition = directory.definition
        self.execution = execution
        self.width = width
        self.command = command
        self.notify = notify
        self.begin = time.perf_counter()
        self.signals = StopSignals()
        self.workshop = workshop
        workshop.side_by_side = width if execution.executor == "inline" else 1
        self.table = Table(directory.path / TABLE, self.definition)
        self.table.widen()
        self.schedule = Schedule(self.definition, self.table, directory.path.absolute(), data_dir.absolute(), command)
        self._failed = False

    def run(self) -> SweepResults:
        """Runs the trials that are left and writes what came of all."""
        display = SweepDisplay(self.definition)
        for trial in self.schedule.trials:
            if trial.outcome is not None:
                display.end(trial, earlier=True)
        try:
            with self.signals, display, self._executor(display) as executor:
                self._run(executor, display)
                self.signals.raise_received()
        except KeyboardInterrupt:
            self._conclude("preempted")
            raise
        left = any(trial.outcome is None for trial in self.schedule.trials) or self.schedule.left
        return self._conclude("preempted" if left else "completed")

    def _executor(self, display: SweepDisplay) -> Executor:
        if self.execution.executor == "processes":
            from jaxdl.sweeps.processes import Processes, shares

            parts = shares(self.width, usable_cores(), accelerators())
            return Processes(parts, self.execution.settings, self.signals, display.say)
        if self.execution.executor == "ray":
            from jaxdl.sweeps.ray_cluster import RayCluster

            needs = (self.execution.trial_cpus, self.execution.trial_gpus)
            return RayCluster(self.width, *needs, self.execution.settings, self.signals, display.say)
        return Inline(self.width, self.workshop, self.signals, display.of, display.say)

    def _run(self, executor: Executor, display: SweepDisplay) -> None:
        under_way: list[int] = []
        while True:
            while len(under_way) < executor.width and self._may_begin():
                job = self.schedule.next(under_way)
                if job is None:
                    break
                display.begin(self.schedule.trials[job.number])
                under_way.append(job.number)
                executor.submit(job)
            if not under_way:
                return
            job, outcome = executor.wait()
            under_way.remove(job.number)
            trial = self.schedule.trials[job.number]
            if outcome.state == "failed" and outcome.again and trial.attempts <= self.execution.retries:
                display.say(f"trial {trial.number} failed and is begun again: {outcome.reason}")
                self.schedule.again(trial.number)
                continue
            display.end(self.schedule.take(job.number, outcome))
            self._failed |= outcome.state == "failed"

    def _may_begin(self) -> bool:
        if self.signals.received is not None:
            return False
        if self._failed and self.execution.on_failure == "stop":
            return False
        return self.execution.budget is None or time.perf_counter() - self.begin < self.execution.budget

    def _conclude(self, status: str) -> SweepResults:
        results = SweepResults(
            self.definition,
            self.directory.path,
            status,
            self.schedule.trials,
            time.perf_counter() - self.begin,
            self.workshop.compiled(),
        )
        write_tables(results)
        self.directory.write_json(SUMMARY, summary(results, self.command))
        write_sweep_report(results, self.command)
        return results
