"""Measures whether a change made jaxdl slower: this checkout and an earlier one, in turns.

    python -m benchmarks.paired --before=DIR [--rounds=5] [--data_dir=DIR] [--only=list,digits_cnn]

DIR is a checkout of the earlier commit (``git worktree add DIR COMMIT``). Every measurement is a separate process, on
one checkout and then on the other, in an order that changes from round to round. Each checkout has its own compilation
cache in a temporary folder. A first round, which is not counted, fills it.

| name | unit | what is measured |
|---|---|---|
| ``list``, ``help`` | s | ``launch.py --list`` and ``launch.py --help``, to their end |
| ``first_step`` | s | ``--experiment=digits_mlp --fast_dev_run``: ``seconds_to_first_step`` of its summary |
| ``digits_cnn``, ``mnist_mlp`` | examples/s | ``train_examples_per_second`` of a training of 30 and of 5 epochs |
| ``processor`` | core s | the same training of digits_cnn: how long it keeps cores busy, whatever else runs |
| ``sweep`` | s | 8 trials of digits_mlp, 5 epochs each, in one command, to its end |

mnist_mlp is trained only with ``--data_dir``, the folder of the original archives or of the prepared set. Prints median
[smallest, largest] of each side, and the median of the ratios within a round; writes paired.json.

Exit status: 0; 1 if a command failed; 2 for bad input.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.process import ROOT
from benchmarks.summary import ratios, spread
from jaxdl.record.provenance import versions

SIDES = ("before", "now")


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One command, and the figure to measure.

    Attributes:
        arguments: arguments of ``launch.py``.
        figure: name of the figure in the run's ``summary.json``; None: the seconds until the process has ended.
        unit: unit of the figure.
        processor: instead of a time, the seconds that the process kept cores busy: other load on the machine hardly
            changes them.
        needs_data: whether it needs ``--data_dir``.
    """

    arguments: tuple[str, ...]
    figure: str | None = None
    unit: str = "s"
    processor: bool = False
    needs_data: bool = False


MEASUREMENTS = {
    "list": Measurement(("--list",)),
    "help": Measurement(("--help",)),
    "first_step": Measurement(("--experiment=digits_mlp", "--fast_dev_run"), "seconds_to_first_step"),
    "digits_cnn": Measurement(
        ("--experiment=digits_cnn", "--epochs=30"), "train_examples_per_second", unit="examples/s"
    ),
    "processor": Measurement(("--experiment=digits_cnn", "--epochs=30"), unit="core s", processor=True),
    "mnist_mlp": Measurement(
        ("--experiment=mnist_mlp", "--epochs=5", "--data.fallback=none"),
        "train_examples_per_second",
        unit="examples/s",
        needs_data=True,
    ),
    "sweep": Measurement(
        ("--experiment=digits_mlp", "--epochs=5", "--sweep=learning_rate=1e-3,2e-3,4e-3,8e-3", "--sweep=seed=0:2")
    ),
}
# For each round, the figures of both sides by name of the measurement.
Rounds = Sequence[Mapping[str, Mapping[str, float]]]


def measure(measurement: Measurement, checkout: Path, cache: Path, data_dir: str) -> float:
    """Runs one measurement in a new process and returns its figure.

    Args:
        measurement: what to run.
        checkout: the checkout with the ``launch.py`` to run.
        cache: folder of the checkout's compilation cache and of other files that runs share.
        data_dir: ``--data_dir``; empty: TFDS's own.

    Raises:
        RuntimeError: the command failed.
    """
    environment = os.environ | {"PYTHONPATH": str(checkout), "XDG_CACHE_HOME": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)  # both sides would share it
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as on a user's machine, where each file is compiled once
    with tempfile.TemporaryDirectory(prefix="jaxdl-paired-") as place:
        command = [sys.executable, str(checkout / "launch.py"), *measurement.arguments]
        if measurement.figure is not None or measurement.processor:
            command.append(f"--run_dir={place}/run")
        if any(argument.startswith("--sweep=") for argument in measurement.arguments):
            command.append(f"--sweep_dir={place}/sweep")
        if measurement.needs_data:
            command.append(f"--data_dir={data_dir}")
        begin, busy = time.perf_counter(), _busy_seconds()
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
        seconds = time.perf_counter() - begin
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise RuntimeError(f"{checkout}: {' '.join(measurement.arguments)}: {last}")
        if measurement.processor:
            return _busy_seconds() - busy
        if measurement.figure is None:
            return seconds
        return float(json.loads((Path(place) / "run" / "summary.json").read_text())[measurement.figure])


def _busy_seconds() -> float:
    """Returns for how long the processes that this one started and saw end kept cores busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summarise(rounds: Rounds) -> dict[str, dict[str, Any]]:
    """Returns for each measurement the spread of both sides, and of the ratios now / before within a round."""
    summary: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for one in rounds for name in one):
        sides = {side: {number: one[name][side] for number, one in enumerate(rounds) if name in one} for side in SIDES}
        summary[name] = {side: spread(figures.values()) for side, figures in sides.items()}
        summary[name]["ratio"] = ratios(sides["now"], sides["before"])
    return summary


def table(summary: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns a line for each measurement of `summarise`."""
    lines = [f"{'':<12}{'unit':<12}{'before':>28}{'now':>28}{'now / before':>24}"]
    for name, found in summary.items():
        before, now, ratio = (_in_words(found[part]) for part in ("before", "now", "ratio"))
        lines.append(f"{name:<12}{MEASUREMENTS[name].unit:<12}{before:>28}{now:>28}{ratio:>24}")
    return "\n".join(lines)


def _in_words(values: Mapping[str, float]) -> str:
    places = 0 if values["median"] >= 1000 else 3
    return f"{values['median']:,.{places}f} [{values['min']:,.{places}f}, {values['max']:,.{places}f}]"


def main(arguments: list[str]) -> int:
    """Measures, prints the table and writes paired.json; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="a checkout of the earlier commit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data_dir", default="", help="folder with MNIST or to prepare it in; without it, no MNIST")
    parser.add_argument("--only", default="", help=f"some of {','.join(MEASUREMENTS)}; all by default")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks"), help="folder of paired.json")
    options = parser.parse_args(arguments)
    checkouts = {"before": options.before.absolute(), "now": ROOT}
    names = options.only.split(",") if options.only else list(MEASUREMENTS)
    data_dir = options.data_dir and str(Path(options.data_dir).absolute())
    if not set(names) <= MEASUREMENTS.keys():
        parser.error(f"--only={options.only}: must be some of {', '.join(MEASUREMENTS)}")
    if not (checkouts["before"] / "launch.py").is_file():
        parser.error(f"--before={options.before}: there is no launch.py in it")
    if options.rounds < 1:
        parser.error(f"--rounds={options.rounds}: must be at least 1")
    names = [name for name in names if data_dir or not MEASUREMENTS[name].needs_data]
    rounds: list[dict[str, dict[str, float]]] = []
    with tempfile.TemporaryDirectory(prefix="jaxdl-paired-cache-") as caches:
        try:
            for number in range(options.rounds + 1):
                figures: dict[str, dict[str, float]] = {name: {} for name in names}
                for name in names:
                    for side in SIDES if number % 2 else SIDES[::-1]:
                        figures[name][side] = measure(
                            MEASUREMENTS[name], checkouts[side], Path(caches) / side, data_dir
                        )
                print(f"[{number}/{options.rounds}]", end=" ", flush=True)
                if number:  # the first one fills the caches
                    rounds.append(figures)
        except RuntimeError as error:
            print(f"\nbenchmarks.paired: {error}", file=sys.stderr)
            return 1
    summary = summarise(rounds)
    print("\n" + table(summary))
    results = {
        "commits": {side: machine.commit(checkout) for side, checkout in checkouts.items()},
        "machine": machine.describe(),
        "versions": dict(versions()),
        "units": {name: MEASUREMENTS[name].unit for name in names},
        "summary": summary,
        "rounds": rounds,
    }
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "paired.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
