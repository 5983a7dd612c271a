"""A race of searches: the best validation accuracy over time, jaxdl beside Optuna with PyTorch.

    python -m benchmarks.search_race --seconds=600 --seeds=3 --python=optuna-torch=PATH
    python -m benchmarks.search_race --seconds=20 --seeds=1 --retrained=1   # a short form, to see that it works

The recipe is digits_mlp with AdamW, 30 epochs; its space has six fields. Each search has the same time for the whole
command, with the start of Python and all compilation, and another seed in each round; they run in turns. Optuna samples
with TPE, prunes with ASHA, and trains in PyTorch on tensors in memory, one trial after another, with as many threads as
there are cores. jaxdl is one command; ``--search`` are its flags.

The winner at the end is trained again with fresh seeds (``--retrained``, 5), and its mean accuracy on test is what the
race is about: the best of many on validation is also the luckiest. A curve has a point for each new best, and the
number of settings tried so far. Writes search_race.json.

Exit status: 0; 1 if a search failed; 2 for bad input.
"""

from __future__ import annotations

import csv
import functools
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.process import ROOT
from benchmarks.search_race_torch import LISTED, LOGARITHMIC, UNIFORM
from benchmarks.turns import Turns, parser_of

RACERS = ("jaxdl", "optuna-torch")
SEARCH = "--sweep_mode=random --prune=asha"
_RECIPE = ("--experiment=digits_mlp", "--optimizer=adamw", "--platform=cpu")
_PATIENCE = 30.0  # seconds that a search may take to end after its time


def space_flags() -> list[str]:
    """Returns the space as flags of a sweep."""
    ranges = [f"{name}=log({low!r},{high!r})" for name, (low, high) in LOGARITHMIC.items()]
    ranges += [f"{name}=uniform({low!r},{high!r})" for name, (low, high) in UNIFORM.items()]
    return [f"--sweep={each}" for each in (*ranges, *(f"{name}={','.join(v)}" for name, v in LISTED.items()))]


def write_data(folder: Path) -> Path:
    """Writes the digits as jaxdl cuts them, for the other racer; returns the file."""
    import jaxdl

    splits = jaxdl.Digits().load(folder).splits
    arrays = {f"{name}_{key}": array for name, split in splits.items() for key, array in split.items()}
    np.savez(folder / "digits.npz", **arrays)  # type: ignore[arg-type]
    return folder / "digits.npz"


def jaxdl_search(options: Any, seed: int, folder: Path) -> list[dict[str, Any]]:
    """Searches with one command until its time is over; returns each trial that ended by then."""
    command = [sys.executable, str(ROOT / "launch.py"), *_RECIPE, *space_flags(), *shlex.split(options.search)]
    command += ["--trials=5000", "--sweep_objective=validation/accuracy", f"--sweep_seed={seed}"]
    command += [f"--sweep_dir={folder / 'sweep'}"]
    began = time.time()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        process.wait(options.seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
    try:
        _, errors = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        _, errors = process.communicate()
    found = []
    for file in (folder / "sweep" / "trials").glob("*/summary.json"):
        summary = json.loads(file.read_text())
        if summary["status"] in ("completed", "preempted") and "validation/accuracy" in summary["metrics"]:
            values = {"trial": file.parent.name, "whole": summary["status"] == "completed"}
            figure = summary["metrics"]["validation/accuracy"]
            found.append({"seconds": file.stat().st_mtime - began, "figure": figure, "values": values})
    if not found:
        raise RuntimeError(f"jaxdl: {(errors.strip().splitlines() or ['no trial came to its end'])[-1]}")
    return sorted(found, key=lambda trial: trial["seconds"])


def jaxdl_again(options: Any, folder: Path, values: Mapping[str, Any]) -> list[float]:
    """Trains the setting of a trial with fresh seeds; returns accuracies on test."""
    config = folder / "sweep" / "trials" / values["trial"] / "config.json"
    count = options.retrained
    command = [sys.executable, str(ROOT / "launch.py"), "--platform=cpu", f"--config={config}"]
    command += [f"--sweep=seed=1000:{1000 + count}", f"--sweep_dir={folder / 'again'}"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    with open(folder / "again" / "results.csv") as file:
        return [float(row["test/accuracy"]) for row in csv.DictReader(file)]


def torch_worker(python: str, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Runs the other racer in its own Python; returns the lines that it prints."""
    command = [python, "-m", "benchmarks.search_race_torch", str(folder / "digits.npz"), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"optuna-torch: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def curve(trials: Sequence[Mapping[str, Any]], seconds: float) -> list[dict[str, float]]:
    """Returns a point for each new best within the time: when, its figure, and how many settings were tried so far."""
    found: list[dict[str, float]] = []
    for tried, trial in enumerate(sorted(trials, key=lambda trial: trial["seconds"]), start=1):
        if trial["seconds"] <= seconds and (not found or trial["figure"] > found[-1]["figure"]):
            found.append({"seconds": trial["seconds"], "figure": trial["figure"], "tried": tried})
    return found


def reached(points: Sequence[Mapping[str, float]], figure: float) -> float | None:
    """Returns when a curve came to a figure, in seconds; None if it never did."""
    return next((point["seconds"] for point in points if point["figure"] >= figure), None)


def race(racer: str, python: str, options: Any, seed: int) -> dict[str, Any]:
    """Lets one racer search once; returns its curve, how much it tried, and the winner's accuracies on test."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        if racer == "jaxdl":
            trials = jaxdl_search(options, seed, folder)
        else:
            trials = torch_worker(python, folder, f"--seconds={options.seconds}", f"--seed={seed}")
        within = [trial for trial in trials if trial["seconds"] <= options.seconds]
        whole = [trial for trial in within if trial["values"].get("whole", True)]
        best = max(whole, key=lambda trial: trial["figure"], default=None)
        tested: list[float] = []
        if best is not None and options.retrained:
            if racer == "jaxdl":
                tested = jaxdl_again(options, folder, best["values"])
            else:
                given = json.dumps(best["values"])
                lines = torch_worker(python, folder, f"--values={given}", f"--retrained={options.retrained}")
                tested = [line["test"] for line in lines]
    return {
        "racer": racer,
        "seed": seed,
        "curve": curve(whole, options.seconds),
        "tried": len(within),
        "completed": len(whole),
        "test": tested,
    }


def main(arguments: list[str]) -> int:
    """Runs the race; returns the exit status."""
    parser = parser_of(__doc__, "runs/benchmarks/search_race.json")
    parser.add_argument("--seconds", type=float, default=600.0, help="time of each search (600)")
    parser.add_argument("--seeds", type=int, default=3, help="how many rounds, each from another seed (3)")
    parser.add_argument("--retrained", type=int, default=5, help="fresh seeds of the winner; 0: none")
    parser.add_argument("--racers", default=",".join(RACERS))
    parser.add_argument("--search", default=SEARCH, help=f"flags of jaxdl's search ({SEARCH})")
    options = parser.parse_args(arguments)
    racers = options.racers.split(",")
    if options.seconds <= 0 or options.seeds < 1 or options.retrained < 0 or not set(racers) <= set(RACERS):
        parser.error(f"--seconds above 0, --seeds at least 1, --retrained at least 0, --racers of {', '.join(RACERS)}")
    turns = Turns(parser, options.python, RACERS)
    runs: list[Mapping[str, Any]] = []
    for seed in range(options.seeds):
        found = turns.round(seed + 1, functools.partial(race, options=options, seed=seed), only=racers)
        runs += found.values()
        for run in found.values():
            print(text_of(run))
    if not runs:
        return 1
    options.output.parent.mkdir(parents=True, exist_ok=True)
    about = {"command": shlex.join(["python", "-m", "benchmarks.search_race", *arguments]), "seconds": options.seconds}
    results = {**about, "commit": machine.commit(ROOT), "machine": machine.describe(), "runs": runs}
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if turns.left_out else 0


def text_of(run: Mapping[str, Any]) -> str:
    """Returns what one search found in one line."""
    last = run["curve"][-1] if run["curve"] else {"figure": float("nan"), "seconds": float("nan")}
    test = f", test {statistics.fmean(run['test']):.4f} over {len(run['test'])} seeds" if run["test"] else ""
    return (
        f"{run['racer']} from seed {run['seed']}: {run['tried']} settings, best {last['figure']:.4f} after "
        f"{last['seconds']:.1f} s{test}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
