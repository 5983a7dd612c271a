"""What one more trial of a sweep costs: a short and a long sweep of digits_mlp, and their difference for each trial.

    python -m benchmarks.next_trial [--trials=64,256] [--rounds=3] [--before=DIR] [--flags="--sweep_batch=8"]
    python -m benchmarks.next_trial --python=optuna-torch=PATH   # beside Optuna with PyTorch, in turns

Each sweep is one command and a process of its own: 30 epochs, with a learning rate and a dropout rate drawn at random.
The difference leaves out what a sweep costs once: the start of Python, compiling, measuring how trials share the
process, the report. With ``--before``, a checkout of an earlier commit, or a Python with Optuna and PyTorch (see
`benchmarks.next_trial_torch`), the sides are measured in turns, in an order that changes from round to round. A first
round, which is not counted, fills each side's caches.

Prints for each trial the wall time and the time of the processor (which other work on the machine changes less), median
[least, largest] over the rounds, the peak memory of the longer sweep, and the ratios to each other side in a round.
Writes next_trial.json. Exit status: 0; 1 if a command failed; 2 for bad input.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.process import ROOT, Finished, run, versions_in
from benchmarks.search_race_jaxdl import write_data
from benchmarks.summary import ratios, spread
from benchmarks.turns import Turns
from jaxdl.record.provenance import versions

_SWEEP = (
    "--experiment=digits_mlp",
    "--platform=cpu",
    "--sweep=learning_rate=log(1e-4,1e-1)",
    "--sweep=dropout=uniform(0.05,0.5)",
    "--sweep_mode=random",
    "--sweep_objective=validation/accuracy",
)
_MOST_SECONDS = 3600.0
_PEER = "optuna-torch"
# Figures of a side in a round, by name.
Figures = Mapping[str, float]


def sweep(checkout: Path, trials: int, cache: Path, flags: Sequence[str]) -> Finished:
    """Runs a sweep of that many trials with a checkout's own files.

    Raises:
        RuntimeError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="jaxdl-next-trial-") as place:
        command = [sys.executable, str(checkout / "launch.py"), *_SWEEP, f"--trials={trials}", *flags]
        environment = {"PYTHONPATH": str(checkout), "XDG_CACHE_HOME": str(cache), "JAX_COMPILATION_CACHE_DIR": ""}
        done = run([*command, f"--sweep_dir={place}/sweep"], environment, _MOST_SECONDS)
    if done.problem is not None:
        raise RuntimeError(f"{checkout}: {trials} trials: {done.problem}")
    return done


def peer_sweep(python: str, data: Path, trials: int) -> Finished:
    """Runs that many trials with Optuna and PyTorch in their own Python.

    Raises:
        RuntimeError: it failed.
    """
    command = [python, "-m", "benchmarks.next_trial_torch", str(data), f"--trials={trials}"]
    done = run(command, {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}, _MOST_SECONDS)
    if done.problem is not None:
        raise RuntimeError(f"{_PEER}: {trials} trials: {done.problem}")
    return done


def each_trial(short: Finished, long: Finished, more: int) -> dict[str, float]:
    """Returns what each of the trials costs that a longer sweep has more than a short one, in seconds.

    Args:
        short: the short sweep.
        long: the longer one.
        more: how many trials it has more.
    """
    return {
        "wall": (long.wall_seconds - short.wall_seconds) / more,
        "processor": (long.cpu_seconds - short.cpu_seconds) / more,
        "peak_gb": long.peak_mib * 2**20 / 1e9,
        "other_cores": long.other_cores or 0.0,
    }


def summarise(rounds: Sequence[Mapping[str, Figures]]) -> dict[str, Any]:
    """Returns the spread of each figure of each side, and of the ratios of now to each other side."""
    found: dict[str, Any] = {}
    for side in rounds[0]:
        found[side] = {name: spread([each[side][name] for each in rounds]) for name in rounds[0][side]}
    found["ratio"] = {
        side: {
            name: ratios(*({n: each[one][name] for n, each in enumerate(rounds)} for one in ("now", side)))
            for name in ("wall", "processor", "peak_gb")
        }
        for side in rounds[0]
        if side != "now"
    }
    return found


def sides_of(options: argparse.Namespace, python: str | None, folder: Path) -> dict[str, Callable[[int], Finished]]:
    """Returns by side what runs a number of trials.

    Args:
        options: of the command.
        python: with Optuna and PyTorch; None: not measured.
        folder: for caches and data.
    """
    flags = shlex.split(options.flags)
    sides: dict[str, Callable[[int], Finished]] = {"now": lambda trials: sweep(ROOT, trials, folder / "now", flags)}
    if options.before:
        before = options.before.absolute()
        sides["before"] = lambda trials: sweep(before, trials, folder / "before", flags)
    if python is not None:
        data = folder / "data.npz"
        write_data("digits_mlp", None, data)
        sides[_PEER] = lambda trials: peer_sweep(python, data, trials)
    return sides


def main(arguments: list[str]) -> int:
    """Measures, prints and writes next_trial.json; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", default="64,256", help="of the short and of the long sweep (64,256)")
    parser.add_argument("--peer_trials", default="8,32", help=f"the same of {_PEER}, which is slower (8,32)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=Path, help="a checkout of an earlier commit, measured in turns")
    parser.add_argument("--python", action="append", default=[], help=f"{_PEER}=PATH of its Python")
    parser.add_argument("--flags", default="", help="more flags of the sweeps")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks"), help="folder of next_trial.json")
    options = parser.parse_args(arguments)
    counts = {"trials": _counts(parser, "trials", options.trials)}
    counts["peer_trials"] = _counts(parser, "peer_trials", options.peer_trials)
    if options.rounds < 1:
        parser.error(f"--rounds={options.rounds}: must be at least 1")
    if options.before and not (options.before / "launch.py").is_file():
        parser.error(f"--before={options.before}: there is no launch.py in it")
    turns = Turns(parser, options.python, [_PEER])
    rounds: list[dict[str, Figures]] = []
    with tempfile.TemporaryDirectory(prefix="jaxdl-next-trial-") as folder:
        sides = sides_of(options, turns.python(_PEER) if options.python else None, Path(folder))
        try:
            for number in range(options.rounds + 1):
                figures: dict[str, Figures] = {}
                for side in list(sides)[:: 1 if number % 2 else -1]:
                    few, many = counts["peer_trials" if side == _PEER else "trials"]
                    if not number:  # the first round fills the caches
                        sides[side](few)
                        continue
                    short, long = sides[side](few), sides[side](many)
                    figures[side] = each_trial(short, long, many - few)
                    print(f"[{number}/{options.rounds}] {side}: {_in_words(figures[side])}", flush=True)
                rounds += [figures] if figures else []
        except RuntimeError as error:
            print(f"benchmarks.next_trial: {error}", file=sys.stderr)
            return 1
    summary = summarise(rounds)
    print(json.dumps(summary, indent=1))
    options.output.mkdir(parents=True, exist_ok=True)
    results = {
        "command": f"python -m benchmarks.next_trial {shlex.join(arguments)}",
        "commits": {
            "now": machine.commit(ROOT),
            **({"before": machine.commit(options.before)} if options.before else {}),
        },
        "machine": machine.describe(),
        "versions": dict(versions()),
        **({"peer_versions": versions_in(turns.python(_PEER), ["optuna", "torch"])} if _PEER in sides else {}),
        "summary": summary,
        "rounds": rounds,
    }
    (options.output / "next_trial.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0


def _counts(parser: argparse.ArgumentParser, name: str, text: str) -> tuple[int, int]:
    """Returns the trials of a short and a long sweep; ends the process with status 2 if they are not that."""
    few, many = ([int(part) if part.isdecimal() else 0 for part in text.split(",")] + [0, 0])[:2]
    if text.count(",") != 1 or not 0 < few < many:
        parser.error(f"--{name}={text}: give two numbers, the smaller first")
    return few, many


def _in_words(figures: Figures) -> str:
    return (
        f"a trial {figures['wall']:.3f} s, {figures['processor']:.3f} s of a core, peak {figures['peak_gb']:.2f} GB, "
        f"others used {figures['other_cores']:.2f} cores"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
