"""Peak memory of a training of one epoch with all of MNIST, beside PyTorch and Keras, in turns.

    python -m benchmarks.memory --data_dir=DIR [--python=torch=PATH] [--workloads=mnist_cnn,mnist_mlp] [--rounds=1]

Each framework trains in a process of its own, and measures the accuracy on test once. All hold the pictures as bytes:
see `memory_worker`. jaxdl is its command, with validation, record and report; ``jaxdl, first run`` has to compile its
programs, ``jaxdl`` has them from the run before, as by default.

Prints the median over rounds of the peak resident memory in MiB, and jaxdl's divided by it. Other work on the machine
does not change it. Writes all figures with the machine. A framework that is not installed in its Python is left out,
with the reason.

Exit status: 0; 1 if jaxdl failed; 2 for bad input.
"""

from __future__ import annotations

import functools
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.process import run
from benchmarks.turns import Turns, parser_of
from benchmarks.workloads import WORKLOADS

OURS = ("jaxdl, first run", "jaxdl")
FRAMEWORKS = (*OURS, "torch", "keras-tensorflow")
_LIMIT = 1800.0
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "KERAS_BACKEND": ""}


def measure(
    workloads: Sequence[str], data_dir: Path, folder: Path, number: int, framework: str, python: str
) -> dict[str, Any]:
    """Returns the peak memory of each workload in MiB; ``problem`` is None where all is well."""
    figures: dict[str, Any] = {"problem": None}
    for name in workloads:
        given = dict(_QUIET)
        if framework in OURS:
            given["XDG_CACHE_HOME"] = str(folder / f"cache-{number}-{name}")  # the second one finds what the first left
            run_dir = folder / f"run-{number}-{name}-{framework}".replace(", ", "-").replace(" ", "-")
            command = [python, "launch.py", f"--experiment={name}", "--epochs=1", "--quiet", f"--run_dir={run_dir}"]
            command += [f"--data_dir={data_dir}", "--platform=cpu"]
        else:
            command = [python, "-m", "benchmarks.memory_worker", framework, name, str(folder / name)]
        done = run(command, given, _LIMIT)
        if done.problem:
            return {"problem": done.problem}
        figures[name] = done.peak_mib
    return figures


def table(rounds: Sequence[Mapping[str, Mapping[str, Any]]], workloads: Sequence[str]) -> str:
    """Returns the medians over rounds as a table of Markdown, with jaxdl's divided by each."""
    lines = ["| " + " | ".join(["MiB", *workloads]) + " |", "|---" * (len(workloads) + 1) + "|"]

    def median(framework: str, name: str) -> float:
        found: float = statistics.median(each[framework][name] for each in rounds if framework in each)
        return found

    for framework in FRAMEWORKS:
        if not any(framework in found for found in rounds):
            continue
        cells = [framework]
        for name in workloads:
            beside = ""
            if framework not in OURS and any("jaxdl" in found for found in rounds):
                beside = f" ({median('jaxdl', name) / median(framework, name):.2f})"
            cells.append(f"{median(framework, name):,.0f}{beside}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = parser_of(__doc__, "memory.json")
    parser.set_defaults(rounds=1)
    parser.add_argument("--data_dir", type=Path, required=True, help="where MNIST is prepared")
    parser.add_argument("--workloads", default="mnist_cnn,mnist_mlp")
    options = parser.parse_args(arguments)
    names = options.workloads.split(",")
    for name in names:
        if name not in WORKLOADS or WORKLOADS[name].data != "mnist":
            parser.error(f"--workloads={name}: give workloads on MNIST")
    turns = Turns(parser, options.python, FRAMEWORKS)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in names:
            command = [sys.executable, "-m", "benchmarks.data", f"--workload={name}", f"--folder={folder / name}"]
            prepared = run([*command, f"--data_dir={options.data_dir}"], {}, _LIMIT)
            if prepared.problem:
                parser.error(prepared.problem)
        # Not in another order from round to round: the second run of jaxdl has what the first one compiled.
        rounds = [
            turns.round(0, functools.partial(measure, names, options.data_dir.resolve(), folder, number))
            for number in range(options.rounds)
        ]
    return turns.conclude(options.output, rounds, table(rounds, names), workloads=names)


if __name__ == "__main__":
    sys.exit(main())
