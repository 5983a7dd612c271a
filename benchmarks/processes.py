"""Throughput of one training in several processes, on as many cores: jaxdl beside PyTorch DDP, both over gloo.

Process i runs on core i alone. The same recipe, the whole batch divided among the processes; the first epoch, which
compiles, does not count. PyTorch needs to be in the Python of ``--python=torch-ddp=PATH``.

    python -m benchmarks.processes --data_dir=DIR --python=torch-ddp=/path/to/python
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.process import ROOT
from benchmarks.turns import Turns, parser_of
from benchmarks.workloads import WORKLOADS

FRAMEWORKS = ("jaxdl", "torch-ddp")
EXPERIMENTS = ("mnist_mlp", "mnist_cnn", "mnist_rnn")
_LIMIT_S = 3600


def main() -> int:
    """Measures in turns, writes the figures, and prints the table."""
    parser = parser_of(__doc__, "processes.json")
    parser.add_argument("--workloads", default="mnist_mlp,mnist_cnn")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--library", default="onednn", help="jaxdl's: xla, or onednn for native operations (default)")
    parser.add_argument("--epochs", type=int, default=3, help="at least 2, of which the first does not count")
    parser.add_argument("--data_dir", type=Path, help="where MNIST is prepared")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "jaxdl-processes")
    options = parser.parse_args()
    names = options.workloads.split(",")
    for name in names:
        if name not in EXPERIMENTS:
            parser.error(f"--workloads={name}: give some of {', '.join(EXPERIMENTS)}")
        folder = data.folder_of(WORKLOADS[name], options.work)
        given = [f"--data_dir={options.data_dir}"] if options.data_dir else []
        prepare = [sys.executable, "-m", "benchmarks.data", f"--workload={name}", f"--folder={folder}", *given]
        subprocess.run(prepare, cwd=ROOT, check=True)
    turns = Turns(parser, options.python, FRAMEWORKS)

    def measure(framework: str, python: str) -> Mapping[str, Any]:
        found: dict[str, Any] = {"problem": None}
        for name in names:
            commands = commands_of(framework, python, name, options)
            speed, problem = run_together(commands)
            if problem:
                return {"problem": problem}
            found[name] = speed
        return found

    rounds = [turns.round(number, measure) for number in range(options.rounds)]
    about = {"command": " ".join(sys.argv), "processes": options.processes, "load": os.getloadavg()}
    return turns.conclude(options.output, rounds, table(rounds, names), **about)


def commands_of(framework: str, python: str, name: str, options: Any) -> list[list[str]]:
    """Returns the commands of the processes, whose first one prints its examples per second as its last line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    folder = data.folder_of(WORKLOADS[name], options.work)
    shutil.rmtree(options.work / "run", ignore_errors=True)
    of_worker = [f"--{key}={value}" for key, value in (("workload", name), ("epochs", options.epochs), ("port", port))]
    of_worker += [f"--library={options.library}", f"--processes={options.processes}"]
    of_worker += [f"--folder={folder}", f"--run_dir={options.work / 'run'}"]
    of_worker += [f"--data_dir={options.data_dir}"] if options.data_dir else []
    start = [python, "-m", "benchmarks.processes_worker", f"--framework={framework}", *of_worker]
    return [[*start, f"--process={number}"] for number in range(options.processes)]


def run_together(commands: Sequence[Sequence[str]]) -> tuple[float, str | None]:
    """Runs processes side by side; returns the number that the first one prints, and None or what went wrong."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        running = [
            subprocess.Popen(command, cwd=ROOT, stdout=None if number else output, stderr=errors)
            for number, command in enumerate(commands)
        ]
        try:
            failed = [process.wait(_LIMIT_S) for process in running]
        except subprocess.TimeoutExpired:
            return 0.0, f"took longer than {_LIMIT_S} s"
        finally:
            for process in running:
                process.kill()
                process.wait()
        output.seek(0)
        errors.seek(0)
        lines, said = output.read().split(), errors.read().strip().splitlines()
    if any(failed) or not lines:
        return 0.0, said[-1] if said else f"ended with {failed}"
    return float(json.loads(lines[-1])), None


def table(rounds: Sequence[Mapping[str, Mapping[str, Any]]], names: Sequence[str]) -> str:
    """Returns the medians over the rounds as a table of Markdown, with the ratio of each round's pair."""
    lines = ["| workload | jaxdl, examples/s | torch-ddp, examples/s | jaxdl beside torch-ddp |", "|---|---|---|---|"]
    for name in names:
        pairs = [[each[framework][name] for framework in FRAMEWORKS] for each in rounds if len(each) == len(FRAMEWORKS)]
        ratios = [ours / theirs for ours, theirs in pairs]
        if not pairs:
            continue
        ours, theirs = (statistics.median(speeds) for speeds in zip(*pairs, strict=True))
        spread = f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
        lines.append(f"| `{name}` | {ours:,.0f} | {theirs:,.0f} | {spread} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
