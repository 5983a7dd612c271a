"""Fails each file operation of trainings, savings, resumptions, sweeps and predictions, and looks what is lost.

    python -m benchmarks.faults [--points=60] [--seed=0] [--scenarios=training,save,...] [--output=DIR]

Each point is one command that is disturbed at one of its file operations, drawn from all: the operation fails with
ENOSPC, EIO, EACCES, EMFILE or EROFS (those that it can give), alone or with all writing operations after it (a disk
that stays full or read-only), or the process is killed there. Operations are system calls below the command's folder:
those of Python, Orbax, TensorStore, XLA and JAX's compilation cache. After it,

- the status is 0 and the whole result is that of an undisturbed command, to the bit, or
- there is one line that names what failed and where, no traceback, and another status;

and in both cases the same command once more ends with status 0 and the undisturbed result. Writes faults.json and
faults.md. Exit status: 0; 1 if a point did not hold; 2 where the system cannot stop a process's operations (Linux can).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import fault_scenarios as scenarios
from benchmarks import machine, process, syscalls
from benchmarks.fault_scenarios import Done, Scenario
from benchmarks.syscalls import Operation
from jaxdl.record import new_run_dir
from jaxdl.record.provenance import versions

# What must not be written: tracebacks, and what libraries complain of beside our line.
_NOISE = re.compile(r"Traceback|Exception ignored|Warning:|Error:|never retrieved|^[EWF]\d{4} ", re.MULTILINE)
_ERROR = re.compile(r"^launch\.py: error: .*$", re.MULTILINE)
_NAMED = re.compile(r"\b(run|sweep|checkpoints|images|predictions\.csv)\b")
_LASTING = ("ENOSPC", "EROFS")


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is done to a command.

    Attributes:
        number: at which of its operations, from 0.
        draw: a number in [0, 1) that chooses among what is possible there.
        lasting: whether writing operations after it fail as well, where the error is one that lasts.
    """

    number: int
    draw: float
    lasting: bool


@dataclasses.dataclass
class Point:
    """A fault, what it met, and what came of it.

    Attributes:
        scenario: name of the scenario.
        fault: the fault.
        operation: what it met: call, kind and file; None if the command had fewer operations.
        answer: the error, or `syscalls.KILL`.
        status: of the disturbed command.
        line: its line, if it ended with another status than 0.
        problems: what did not hold; empty if all did.
        errors: what the commands wrote, where something did not hold.
    """

    scenario: str
    fault: Fault
    operation: Operation | None = None
    answer: str = ""
    status: int = 0
    line: str = ""
    problems: list[str] = dataclasses.field(default_factory=list)
    errors: str = ""


class Injector:
    """Decides about the operations of one command: counts them, and strikes at one."""

    def __init__(self, fault: Fault, below: Path):
        self._fault, self._below, self._count = fault, below, 0
        self.operation: Operation | None = None
        self.answer = ""

    def __call__(self, operation: Operation) -> str | None:
        self._count += 1
        if self._count - 1 == self._fault.number:
            possible = (*syscalls.ERRORS[operation.kind], syscalls.KILL)
            self.answer = possible[int(self._fault.draw * len(possible))]
            self.operation = operation._replace(path=str(Path(operation.path).relative_to(self._below)))
            return self.answer
        lasts = self._fault.lasting and self.answer in _LASTING
        return self.answer if lasts and operation.kind in syscalls.WRITING else None


def strike(name: str, template: Path, folder: Path, truth: Done, result: dict[str, Any], fault: Fault) -> Point:
    """Tries one point.

    Args:
        name: name of the scenario.
        template: its prepared state.
        folder: where it runs; made anew.
        truth: how the undisturbed command ended.
        result: its result.
        fault: what to do.
    """
    scenario = scenarios.SCENARIOS[name]
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    injector, point = Injector(fault, folder), Point(name, fault)
    done = scenarios.run(scenario, folder, injector)
    point.operation, point.answer, point.status = injector.operation, injector.answer, done.status
    if point.operation is None:
        return point
    lines = _ERROR.findall(done.errors)
    point.line = lines[-1] if lines and done.status else ""
    point.problems += _problems(done, killed=point.answer == syscalls.KILL)
    if done.status == 0:
        point.problems += _differences("status 0, with another result", scenario, folder, done, truth, result)
    again = scenarios.run(scenario, folder)
    if again.status != 0:
        point.problems.append(f"the same command again ends with status {again.status}")
    else:
        point.problems += [f"the same command again: {problem}" for problem in _problems(again, killed=False)]
        point.problems += _differences("again, with another result", scenario, folder, again, truth, result)
    if point.problems:
        point.errors = f"{done.errors}--- again:\n{again.errors}"
    return point


def _problems(done: Done, *, killed: bool) -> list[str]:
    found = []
    if done.hung:
        found.append("it hung")
    elif done.status < 0 and not killed:
        found.append(f"it died of signal {-done.status}")
    lines = _ERROR.findall(done.errors)
    if done.status > 0 and len(lines) != 1:
        found.append(f"status {done.status} with {len(lines)} lines")
    elif done.status > 0 and not _NAMED.search(lines[0]):
        found.append(f"status {done.status} with a line that names no file")
    if _NOISE.search(done.errors):
        found.append("a traceback or a complaint of a library")
    return found


def _differences(
    what: str, scenario: Scenario, folder: Path, done: Done, truth: Done, result: dict[str, Any]
) -> list[str]:
    try:
        found = scenario.result(folder)
    except (OSError, ValueError, KeyError) as error:
        return [f"{what}: {type(error).__name__}: {error}"]
    names = [name for name in result if found.get(name) != result[name]]
    if not scenario.arguments and done.output != truth.output:
        names.append("digests")
    return [f"{what}: {', '.join(names)}"] if names else []


def campaign(names: list[str], points: int, seed: int, folder: Path) -> Iterator[tuple[dict[str, int], list[Point]]]:
    """Tries points of some scenarios in turns.

    Yields after each point: the number of operations of each scenario, and all points so far.
    """
    scenarios.import_all()
    draws, here = random.Random(seed), folder / "here"
    operations: dict[str, int] = {}
    ends: dict[str, tuple[Done, dict[str, Any]]] = {}
    for name in dict.fromkeys(names):
        scenario, template = scenarios.SCENARIOS[name], folder / "templates" / name
        for each in (template, here):
            shutil.rmtree(each, ignore_errors=True)
        scenarios.prepare(scenario, here)
        shutil.copytree(here, template)
        truth, operations[name] = _undisturbed(scenario, here)
        ends[name] = truth, scenario.result(here)
    tried: list[Point] = []
    for place in range(points):
        name = names[place % len(names)]
        fault = Fault(draws.randrange(operations[name]), draws.random(), draws.random() < 0.5)
        tried.append(strike(name, folder / "templates" / name, here, *ends[name], fault))
        yield operations, tried


def _undisturbed(scenario: Scenario, folder: Path) -> tuple[Done, int]:
    """Returns how a command ends by itself, and how many operations it has."""
    seen: list[Operation] = []
    done = scenarios.run(scenario, folder, seen.append)
    if done.status:
        raise RuntimeError(f"{' '.join(scenario.arguments)} ends with status {done.status}: {done.errors}")
    return done, len(seen)


def table(operations: dict[str, int], tried: list[Point]) -> list[str]:
    """Returns the counts as a table in Markdown."""
    lines = ["| command | operations | points | killed | status 0 | one line | did not hold |", "|---|" + "---:|" * 6]
    for name in [*operations, "all"]:
        points = [point for point in tried if name in (point.scenario, "all") and point.operation is not None]
        killed = sum(point.answer == syscalls.KILL for point in points)
        whole = sum(point.status == 0 and point.answer != syscalls.KILL for point in points)
        failed = sum(bool(point.problems) for point in points)
        size = operations.get(name, sum(operations.values()))
        line = len(points) - killed - whole
        lines.append(f"| {name} | {size:,} | {len(points):,} | {killed:,} | {whole:,} | {line:,} | {failed:,} |")
    return lines


def page(results: dict[str, Any], counts: list[str], tried: list[Point]) -> str:
    """Returns the results as a page in Markdown."""
    met = Counter(point.answer for point in tried if point.operation is not None)
    kinds = Counter(point.operation.kind for point in tried if point.operation is not None)
    where = results["machine"]
    lines = [
        "# Faults of files",
        "",
        f"`{results['command']}`, commit {results['commit']}, {where['processor']} ({where['cores']} cores), "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items() if name in _TOLD)
        + f"; {results['seconds']:,.0f} s.",
        "",
        *counts,
        "",
        "Faults: " + ", ".join(f"{name} {count:,}" for name, count in sorted(met.items())) + ".",
        "Operations met: " + ", ".join(f"{name} {count:,}" for name, count in sorted(kinds.items())) + ".",
        f"Points that lay beyond the last operation of their command: {sum(p.operation is None for p in tried):,}.",
        "",
    ]
    return "\n".join(lines)


_TOLD = ("python", "jax", "jaxlib", "orbax-checkpoint", "tensorstore", "jaxdl")


def main(arguments: list[str]) -> int:
    """Runs the campaign; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=60, help="number of points (60)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the points (0)")
    parser.add_argument("--scenarios", default=",".join(scenarios.SCENARIOS), help="which commands, in turns (all)")
    parser.add_argument("--output", type=Path, help="folder of the runs and the results (a new one)")
    options = parser.parse_args(arguments)
    names = options.scenarios.split(",")
    if not set(names) <= set(scenarios.SCENARIOS):
        print(f"benchmarks.faults: --scenarios={options.scenarios}: there are {', '.join(scenarios.SCENARIOS)}")
        return 2
    if not syscalls.is_possible():
        print("benchmarks.faults: this system cannot stop the operations of a process", file=sys.stderr)
        return 2
    folder = (options.output or new_run_dir(Path("runs"), "faults")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks.faults", *arguments]),
        "commit": machine.commit(process.ROOT),
        "machine": machine.describe(),
        "versions": dict(versions()),
    }
    begin, counts, failed = time.monotonic(), [""], 0
    for operations, tried in campaign(names, options.points, options.seed, folder):
        counts = table(operations, tried)
        results |= {"seconds": time.monotonic() - begin, "operations": operations}
        results["points"] = [dataclasses.asdict(point) for point in tried]
        (folder / "faults.json").write_text(json.dumps(results, indent=2) + "\n")
        (folder / "faults.md").write_text(page(results, counts, tried))
        point = tried[-1]
        if point.problems:
            failed += 1
            what = f"{point.scenario}, {point.fault}: {point.answer} at {point.operation}"
            print(f"\n{what}: {'; '.join(point.problems)}", flush=True)
        _overwrite(f"{len(tried)} of {options.points} points, {failed} did not hold")
    print("\n".join(["", *counts]))
    return 1 if failed else 0


def _overwrite(line: str) -> None:
    print(f"\r{line:<60}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
