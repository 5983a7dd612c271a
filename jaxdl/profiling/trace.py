"""Reads a trace: which operations ran when on a device, and how much of a window's time each took."""

from __future__ import annotations

import bisect
import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jax.profiler import ProfileData

from jaxdl.profiling.recorder import SECTION

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Execution:
    """One run of one operation.

    Attributes:
        name: the operation's name in the compiled program.
        start, stop: in nanoseconds on the trace's clock.
        program: identifies the call of a compiled program, if the trace has it.
    """

    name: str
    start: float
    stop: float
    program: Any = None


@dataclasses.dataclass(frozen=True)
class Trace:
    """The train steps in a trace.

    Attributes:
        sections: the traced parts of the training.
        devices: the operations that ran on each device, by the name of its plane.
        programs: when each device was within a compiled program; empty if the trace does not have it.
    """

    sections: Sequence[Interval]
    devices: Mapping[str, Sequence[Execution]]
    programs: Mapping[str, Sequence[Interval]]


@dataclasses.dataclass(frozen=True)
class Division:
    """The parts of the time of all sections, in nanoseconds; `operations`, `between` and `waiting` add up to it.

    Attributes:
        operations: time by operation; if several run at once, the time is divided among them.
        runs: how often each ran.
        between: no operation ran, but a program did: the runtime went from one operation to the next.
        waiting: no program ran: the device waited for Python.
    """

    operations: Mapping[str, float]
    runs: Mapping[str, int]
    between: float
    waiting: float


def read_trace(path: Path) -> Trace:
    """Reads an ``.xplane.pb`` file.

    A GPU or TPU has its own plane, ``/device:GPU:0``. On the CPU, operations are on the lines of the threads that ran
    them. There an operation that other threads finish has a short event where it started, and another, ``end: NAME``,
    where it ended; both have the same number.
    """
    planes = list(ProfileData.from_file(str(path)).planes)
    host = [plane for plane in planes if plane.name == "/host:CPU"]
    found = [plane for plane in planes if plane.name.startswith("/device:")]
    devices = {plane.name: _executions(plane) for plane in found}
    devices = {name: runs for name, runs in devices.items() if runs} or {p.name: _executions(p) for p in host}
    programs = {plane.name: _program_intervals(plane, devices[plane.name]) for plane in planes if plane.name in devices}
    marks = (event for plane in host for line in plane.lines for event in line.events if event.name == SECTION)
    return Trace(sorted((mark.start_ns, mark.end_ns) for mark in marks), devices, programs)


def _executions(plane: Any) -> list[Execution]:
    begun: list[tuple[Execution, Any]] = []
    ends: dict[tuple[str, Any], list[float]] = defaultdict(list)
    for line in plane.lines:
        for event in line.events:
            name = event.name
            if name.startswith("end: "):
                ends[name.removeprefix("end: "), dict(event.stats).get("_c")].append(event.end_ns)
            elif event.duration_ns:
                stats = dict(event.stats)
                operation = stats.get("hlo_op") or (_tpu_operation(name) if line.name == "XLA Ops" else None)
                if operation:
                    execution = Execution(str(operation), event.start_ns, event.end_ns, stats.get("run_id"))
                    begun.append((execution, stats.get("_p")))
    for times in ends.values():
        times.sort()
    return [dataclasses.replace(run, stop=_end(run, ends.get((run.name, number), ()))) for run, number in begun]


def _tpu_operation(name: str) -> str:
    """Returns an operation's name from its text, ``%fusion.3 = f32[8]{0} fusion(...)``."""
    return name.partition(" = ")[0].lstrip("%")


def _end(run: Execution, ends: Sequence[float]) -> float:
    """Returns when an operation ended: its own end, or the first end recorded elsewhere after its start."""
    position = bisect.bisect_left(ends, run.start)
    return max(run.stop, ends[position]) if position < len(ends) else run.stop


def _program_intervals(plane: Any, executions: Sequence[Execution]) -> list[Interval]:
    """Returns when a device was within a compiled program, from a separate line or from the calls' numbers."""
    modules = [line for line in plane.lines if line.name == "XLA Modules"]
    if modules:
        return [(event.start_ns, event.end_ns) for line in modules for event in line.events]
    calls: dict[Any, list[Execution]] = defaultdict(list)
    for run in executions:
        if run.program is not None:
            calls[run.program].append(run)
    return [(min(run.start for run in runs), max(run.stop for run in runs)) for runs in calls.values()]


def divide(
    sections: Iterable[Interval], executions: Iterable[Execution], programs: Iterable[Interval], containers: set[str]
) -> Division:
    """Divides the sections' time: each instant counts for running operations, else for the program, else as waiting.

    Args:
        sections: the time to divide; they do not overlap.
        executions: the operations that ran on one device.
        programs: when the device was within a program.
        containers: operations that only run others, such as loops; their own time counts as between operations.
    """
    changes: list[tuple[float, int, str | None, str]] = []
    for kind, intervals in (("section", sections), ("program", programs)):
        for start, stop in intervals:
            changes += [(start, 1, None, kind), (stop, -1, None, kind)]
    for run in executions:
        if run.name not in containers:
            changes += [(run.start, 1, run.name, ""), (run.stop, -1, run.name, "")]
    changes.sort(key=lambda change: change[0])
    operations: dict[str, float] = defaultdict(float)
    runs: dict[str, int] = defaultdict(int)
    within = {"section": 0, "program": 0}
    active: dict[str, int] = {}
    between = waiting = now = 0.0
    for moment, change, name, kind in changes:
        passed, now = moment - now, moment
        if within["section"] and passed:
            if active:
                running_now = sum(active.values())
                for running, count in active.items():
                    operations[running] += passed * count / running_now
            elif within["program"]:
                between += passed
            else:
                waiting += passed
        if name is None:
            within[kind] += change
            continue
        active[name] = active.get(name, 0) + change
        if not active[name]:
            del active[name]
        if change > 0 and within["section"]:
            runs[name] += 1
    return Division(operations, runs, between, waiting)
