"""How long it takes to list thousands of runs, and to compare fifty.

    python -m benchmarks.listing [--runs=5000] [--rounds=5] [--output=FILE.json]

Run directories are made in a temporary folder, with the files of a training of `digits_mlp` for 20 epochs (a
configuration of some 60 fields, a summary, and 41 lines of metrics). Each command is a process of its own, and its time
is from its creation to its end; a command without work, ``--version``, is measured beside them.

| command | allowed |
|---|---|
| ``--mode=runs``, also with a filter by a figure, and by a field and sorted | 2 s for 5,000 runs |
| ``--mode=compare --output=FILE.html`` of 50 runs, ten recipes with five seeds each | 5 s |
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.startup import seconds_of

ROOT = Path(__file__).resolve().parent.parent
LISTED, COMPARED = 2.0, 5.0
_COMPARED_RUNS = 50


def trained(folder: Path) -> Path:
    """Trains once, and returns the run directory."""
    run_dir = folder / "trained"
    given = ["--experiment=digits_mlp", "--epochs=20", f"--run_dir={run_dir}", "--quiet"]
    subprocess.run([sys.executable, "launch.py", *given], cwd=ROOT, check=True, capture_output=True)
    return run_dir


def copies(run_dir: Path, folder: Path, count: int) -> None:
    """Writes run directories like one, which differ in learning rate, seed and figures."""
    config, summary = (json.loads((run_dir / name).read_text()) for name in ("config.json", "summary.json"))
    record, lines = (run_dir / "record.json").read_bytes(), (run_dir / "metrics.jsonl").read_text().splitlines()
    chance = random.Random(0)
    for number in range(count):
        path = folder / f"{number:05d}"
        path.mkdir(parents=True)
        config["seed"], config["optimizer"]["learning_rate"] = number % 5, 10 ** -(1 + number // 5 % 10 / 2)
        summary["metrics"] |= {"test/accuracy": 0.9 + 0.1 * chance.random(), "test/loss": chance.random()}
        (path / "config.json").write_text(json.dumps(config, indent=2))
        (path / "summary.json").write_text(json.dumps(summary, indent=2))
        (path / "record.json").write_bytes(record)
        (path / "metrics.jsonl").write_text("\n".join(map(_moved, lines, [chance.random()] * len(lines))) + "\n")


def _moved(line: str, by: float) -> str:
    figures: dict[str, Any] = json.loads(line)
    return json.dumps({k: v + by / 100 if isinstance(v, float) else v for k, v in figures.items()})


def commands(folder: Path) -> dict[str, tuple[list[str], float]]:
    """Returns the measured commands by name, each with the seconds that it may take."""
    runs, few = f"--runs={folder / 'many'}", f"--runs={folder / 'few'}"
    listing = ["launch.py", "--mode=runs", runs]
    return {
        "nothing (--version)": (["launch.py", "--version"], LISTED),
        "runs": (listing, LISTED),
        "runs, filtered by a figure": ([*listing, "--filter=experiment=digits_mlp test/accuracy>0.99"], LISTED),
        "runs, filtered by a field and sorted": (
            [*listing, "--filter=learning_rate<=1e-3", "--sort=-test/accuracy"],
            LISTED,
        ),
        "compare, to a page": (["launch.py", "--mode=compare", few, f"--output={folder / 'page.html'}"], COMPARED),
    }


def main() -> None:
    """Measures, prints, and writes the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_dir = trained(folder)
        copies(run_dir, folder / "many", given.runs)
        copies(run_dir, folder / "few", _COMPARED_RUNS)
        measured = commands(folder)
        rounds = [{name: seconds_of(line, folder) for name, (line, _) in measured.items()} for _ in range(given.rounds)]
        size = os.path.getsize(folder / "page.html")
    found = {name: [each[name] for each in rounds] for name in measured}
    print(f"{'seconds':<40}{'median':>8}{'min':>8}{'max':>8}{'allowed':>9}")
    for name, seconds in found.items():
        row = (statistics.median(seconds), min(seconds), max(seconds), measured[name][1])
        print(f"{name:<40}" + "".join(f"{value:8.2f}" for value in row))
    print(f"the page of {_COMPARED_RUNS} runs: {size / 1e6:.2f} MB")
    if given.output:
        about = {"machine": describe(), "runs": given.runs, "compared": _COMPARED_RUNS, "page_bytes": size}
        given.output.write_text(json.dumps(about | {"seconds": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
