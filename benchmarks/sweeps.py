"""The time of a sweep: jaxdl in one command, single runs one after another, Optuna and Hydra with PyTorch and Keras.

    python -m benchmarks.sweeps [--trials=64] [--rounds=3] [--cases=jaxdl,singles,optuna-torch,...] [--data_dir=DIR]
    python -m benchmarks.sweeps --workload=mnist_cnn --rates=8 --trials=8 --cases=jaxdl,singles --data_dir=DIR

The recipe is mnist_mlp, or that of ``--workload``, for one epoch on its 55,000 train images, with 16 learning rates and
as many seeds as needed for the number of trials. Each trial is validated on 5,000 images, by which trials are compared,
tested on the 10,000 test images, and saves its parameters in its own folder. Optuna's study and Hydra's basic launcher
run the trials one after another in one process; an Optuna objective uses loaded data, a Hydra job, which is a whole
program, loads them. PyTorch trains on tensors in memory (``torch``), the fastest way, and as in its own tutorials with
a Dataset and a DataLoader (``loader``); Keras with `fit` on TensorFlow. ``singles`` starts ``launch.py`` once for each
trial. Measured is the wall time of the whole command, in turns, in new processes; jaxdl's compilation cache is kept, as
on a user's machine, after one run that fills it. If jaxdl takes less than an eighth of a peer's time in the first
round, the peer is run only once. Writes sweeps.json. Needs the extra ``bench``.

Exit status: 0; 1 if a command failed; 2 for bad input.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import data, machine
from benchmarks.process import ROOT
from benchmarks.sweep_grid import Found, Grid
from benchmarks.sweep_peers import run_hydra, run_optuna
from benchmarks.workloads import WORKLOADS
from jaxdl.record.provenance import versions

# Workloads on MNIST with an experiment of the same name.
_WORKLOADS = ("mnist_mlp", "mnist_cnn_small", "mnist_cnn")
CASES = (
    "jaxdl",
    "singles",
    "optuna-torch",
    "optuna-loader",
    "optuna-keras",
    "hydra-torch",
    "hydra-loader",
    "hydra-keras",
)
# If jaxdl takes less than this fraction of a peer's time in the first round, one round of the peer is enough.
_FAR = 1 / 8


def run_jaxdl(grid: Grid, data_dir: str) -> None:
    """Runs the trials as one sweep."""
    sweep = [f"--sweep=learning_rate={','.join(map(str, grid.rates))}", f"--sweep=seed=0:{len(grid.seeds)}"]
    command = [*_launch(grid, data_dir), *sweep, "--sweep_objective=validation/accuracy", "--sweep_dir=sweep"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    summary = json.loads(Path("sweep/summary.json").read_text())
    # jaxdl's own best is the best learning rate over the seeds; here it is the best single trial, as for the others.
    with open("sweep/results.csv") as file:
        figures = [Found(float(r["validation/accuracy"]), float(r["test/accuracy"])) for r in csv.DictReader(file)]
    best = max(figures, key=lambda found: found.validation).test
    print(json.dumps({"best": best, "trials": summary["trials"]["completed"], "compiled": summary["compiled"]}))


def run_singles(grid: Grid, data_dir: str) -> None:
    """Runs the trials as one command each."""
    figures = []
    for number, (rate, seed) in enumerate(grid.trials()):
        flags = [f"--learning_rate={rate}", f"--seed={seed}", f"--run_dir=runs/{number}"]
        subprocess.run(
            [*_launch(grid, data_dir), *flags], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        metrics = json.loads(Path(f"runs/{number}/summary.json").read_text())["metrics"]
        figures.append(Found(metrics["validation/accuracy"], metrics["test/accuracy"]))
    print(json.dumps({"best": max(figures, key=lambda found: found.validation).test, "trials": len(figures)}))


def _launch(grid: Grid, data_dir: str) -> list[str]:
    flags = [
        f"--experiment={grid.workload}",
        "--epochs=1",
        "--platform=cpu",
        *([f"--data_dir={data_dir}"] if data_dir else []),
    ]
    return [sys.executable, str(ROOT / "launch.py"), *flags]


def work(options: argparse.Namespace) -> None:
    """Runs one case in this process, in the current folder."""
    tool, _, library = options.worker.partition("-")
    if tool == "jaxdl":
        run_jaxdl(Grid.of(options), options.data_dir)
    elif tool == "singles":
        run_singles(Grid.of(options), options.data_dir)
    else:
        {"optuna": run_optuna, "hydra": run_hydra}[tool](library, options.folder, Grid.of(options))


def measure(case: str, options: argparse.Namespace, folder: Path, cache: Path) -> dict[str, Any]:
    """Runs one case in a new process and folder, and returns its wall time in seconds and its output."""
    environment = os.environ | {
        "XDG_CACHE_HOME": str(cache),
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as on a user's machine, where each file is compiled once
    command = [sys.executable, "-m", "benchmarks.sweeps", f"--worker={case}", f"--folder={folder}"]
    command += [f"--workload={options.workload}", f"--rates={options.rates}", f"--trials={options.trials}"]
    command += [f"--data_dir={options.data_dir}"]
    with tempfile.TemporaryDirectory() as place:
        begin = time.monotonic()
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
        seconds = time.monotonic() - begin
    if done.returncode:
        raise RuntimeError(f"{case}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["trials"] != options.trials:
        raise RuntimeError(f"{case}: {found['trials']} trials instead of {options.trials}")
    return {"case": case, "seconds": seconds, **found}


def main(arguments: list[str]) -> int:
    """Runs the comparison, or one case of it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=_WORKLOADS, default=_WORKLOADS[0])
    parser.add_argument("--rates", type=int, default=16, help="how many learning rates (16)")
    parser.add_argument("--trials", type=int, default=64, help="a multiple of --rates (64)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument(
        "--data_dir", default="", help="folder with MNIST, or to prepare it in; default: TFDS's own folder"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks"))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.data_dir = options.data_dir and str(Path(options.data_dir).absolute())
    cases = options.cases.split(",")
    if options.rates < 1 or options.trials < 1 or options.trials % options.rates or not set(cases) <= set(CASES):
        parser.error(f"--trials must be a multiple of --rates, and --cases some of {', '.join(CASES)}")
    if options.worker:
        work(options)
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    folder = data.folder_of(WORKLOADS[options.workload], options.output.absolute() / "work")
    if not folder.exists():
        write = [sys.executable, "-m", "benchmarks.data", f"--workload={options.workload}", f"--folder={folder}"]
        subprocess.run([*write, *([f"--data_dir={options.data_dir}"] if options.data_dir else [])], check=True)
    cache = options.output.absolute() / "work" / "cache"
    runs: list[dict[str, Any]] = []
    try:
        measure("jaxdl", options, folder, cache)  # fills the compilation cache
        for number in range(1, options.rounds + 1):
            for case in cases:
                if number > 1 and is_far(runs, case):
                    continue
                runs.append({"round": number, **measure(case, options, folder, cache)})
                print(f"[{number}/{options.rounds}] {case}: {runs[-1]['seconds']:.1f} s, best {runs[-1]['best']:.4f}")
    except RuntimeError as error:
        print(f"benchmarks.sweeps: {error}", file=sys.stderr)
        return 1
    results = {
        "command": f"python -m benchmarks.sweeps --workload={options.workload} --rates={options.rates} "
        f"--trials={options.trials} --rounds={options.rounds} --cases={options.cases}",
        "commit": machine.commit(ROOT),
        "machine": machine.describe(),
        "versions": dict(versions()),
        "trials": options.trials,
        "runs": runs,
        "ratios": ratios(runs),
    }
    (options.output / "sweeps.json").write_text(json.dumps(results, indent=1) + "\n")
    for case, ratio in results["ratios"].items():
        print(f"jaxdl takes {ratio:.3f} of the time of {case}")
    return 0


def is_far(runs: Sequence[Mapping[str, Any]], case: str) -> bool:
    """Returns whether jaxdl took less than an eighth of a peer's time in the first round."""
    first = {run["case"]: run["seconds"] for run in runs if run["round"] == 1}
    return case not in ("jaxdl", "singles") and "jaxdl" in first and first["jaxdl"] / first[case] < _FAR


def ratios(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Returns jaxdl's time divided by each other's, the median over the rounds in which both ran."""
    by_round: dict[int, dict[str, float]] = {}
    for run in runs:
        by_round.setdefault(run["round"], {})[run["case"]] = run["seconds"]
    shares = {
        case: [times["jaxdl"] / times[case] for times in by_round.values() if {"jaxdl", case} <= times.keys()]
        for case in CASES
        if case != "jaxdl"
    }
    return {case: statistics.median(values) for case, values in shares.items() if values}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
