"""What the report costs at the end of a run, of each kind of recipe.

    python -m benchmarks.reports [--kinds=resnet,unet] [--rounds=3] [--output=FILE.json]

Each kind trains in a process of its own, in an order that changes from round to round; see `reports_worker` for what is
measured. Allowed are 1 s and 2 MB.

Prints the medians over the rounds. Exit status: 0; 1 if a kind could not be trained; 2 for bad input.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.process import ROOT, run
from benchmarks.reports_worker import KINDS, PARTS

SECONDS, BYTES = 1.0, 2_000_000
_LIMIT = 1800.0

Figures = Mapping[str, float]


def measure(kind: str) -> tuple[Figures, str | None]:
    """Returns the figures of one process, and what its problem was, if it had one."""
    with tempfile.TemporaryDirectory(prefix="jaxdl-reports-") as folder:
        command = [sys.executable, "-m", "benchmarks.reports_worker", kind, folder]
        done = run(command, {"JAX_COMPILATION_CACHE_DIR": "", "XDG_CACHE_HOME": folder}, _LIMIT)
    return ({}, done.problem) if done.problem else (json.loads(done.output.splitlines()[-1]), None)


def table(rounds: Mapping[str, Sequence[Figures]]) -> str:
    """Returns a line for each kind: medians in seconds and kB, and whether they are what is allowed."""
    names = (*PARTS, "core_seconds")
    head = f"{'seconds':<14}{'together':>10}" + "".join(f"{name.replace('_', ' '):>14}" for name in names)
    lines = [f"{head}{'page, kB':>10}  allowed"]
    for kind, found in rounds.items():
        together = statistics.median(sum(each[part] for part in PARTS) for each in found)
        size = max(each["bytes"] for each in found)
        row = f"{kind:<14}{together:>10.2f}"
        row += "".join(f"{statistics.median(each[name] for each in found):>14.2f}" for name in names)
        fine = together <= SECONDS and size <= BYTES
        lines.append(f"{row}{size / 1000:>10,.0f}  {'yes' if fine else 'NO'}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and writes the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kinds", default=",".join(KINDS), help="which to measure, with commas between")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args(arguments)
    kinds = given.kinds.split(",")
    unknown = sorted({*kinds} - {*KINDS})
    if unknown:
        parser.error(f"--kinds={given.kinds}: {', '.join(unknown)} is none of {', '.join(KINDS)}")
    rounds: dict[str, list[Figures]] = {kind: [] for kind in kinds}
    problems: dict[str, str] = {}
    for number in range(given.rounds):
        for kind in kinds[number % len(kinds) :] + kinds[: number % len(kinds)]:
            found, problem = ({}, problems[kind]) if kind in problems else measure(kind)
            if problem:
                problems[kind] = problem
            else:
                rounds[kind].append(found)
    rounds = {kind: found for kind, found in rounds.items() if found}
    print(table(rounds))
    for kind, problem in problems.items():
        print(f"{kind} could not be measured: {problem}")
    if given.output:
        about = {"machine": machine.describe(), "commit": machine.commit(ROOT), "problems": problems}
        given.output.write_text(json.dumps({**about, "rounds": rounds}, indent=1) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
