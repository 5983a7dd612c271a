"""What one more trial of a sweep costs: a short and a long sweep of digits_mlp, and their difference for each trial.

    python -m benchmarks.next_trial [--trials=64,256] [--rounds=3] [--before=DIR] [--flags="--sweep_batch=8"]

Each sweep is one command and a process of its own: 30 epochs, with a learning rate and a dropout rate drawn at random.
The difference leaves out what a sweep costs once: the start of Python, compiling, measuring how trials share the
process, the report. With ``--before``, a checkout of an earlier commit, the two are measured in turns, in an order that
changes from round to round. A first round, which is not counted, fills each side's caches.

Prints for each trial the wall time and the time of the processor (which other work on the machine changes less), median
[least, largest] over the rounds, the peak memory of the longer sweep, and the ratios now / before within a round.
Writes next_trial.json. Exit status: 0; 1 if a command failed; 2 for bad input.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.process import ROOT, Finished, run
from benchmarks.summary import ratios, spread
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
    """Returns the spread of each figure of each side, and of the ratios now / before, where both were measured."""
    found: dict[str, Any] = {}
    for side in rounds[0]:
        found[side] = {name: spread([each[side][name] for each in rounds]) for name in rounds[0][side]}
    if "before" in found:
        found["ratio"] = {
            name: ratios(*({n: each[side][name] for n, each in enumerate(rounds)} for side in ("now", "before")))
            for name in ("wall", "processor", "peak_gb")
        }
    return found


def main(arguments: list[str]) -> int:
    """Measures, prints and writes next_trial.json; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", default="64,256", help="of the short and of the long sweep (64,256)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=Path, help="a checkout of an earlier commit, measured in turns")
    parser.add_argument("--flags", default="", help="more flags of the sweeps")
    parser.add_argument("--output", type=Path, default=Path("runs/benchmarks"), help="folder of next_trial.json")
    options = parser.parse_args(arguments)
    counts = [int(text) if text.isdecimal() else 0 for text in options.trials.split(",")]
    if len(counts) != 2 or not 0 < counts[0] < counts[1]:
        parser.error(f"--trials={options.trials}: give two numbers, the smaller first")
    if options.rounds < 1:
        parser.error(f"--rounds={options.rounds}: must be at least 1")
    checkouts = {"now": ROOT, **({"before": options.before.absolute()} if options.before else {})}
    for checkout in checkouts.values():
        if not (checkout / "launch.py").is_file():
            parser.error(f"--before={options.before}: there is no launch.py in it")
    rounds: list[dict[str, Figures]] = []
    with tempfile.TemporaryDirectory(prefix="jaxdl-next-trial-cache-") as caches:
        try:
            for number in range(options.rounds + 1):
                figures: dict[str, Figures] = {}
                for side in list(checkouts)[:: 1 if number % 2 else -1]:
                    given = (Path(caches) / side, shlex.split(options.flags))
                    if not number:  # the first round fills the caches
                        sweep(checkouts[side], counts[0], *given)
                        continue
                    short, long = (sweep(checkouts[side], count, *given) for count in counts)
                    figures[side] = each_trial(short, long, counts[1] - counts[0])
                    print(f"[{number}/{options.rounds}] {side}: {_in_words(figures[side])}", flush=True)
                rounds += [figures] if figures else []
        except RuntimeError as error:
            print(f"benchmarks.next_trial: {error}", file=sys.stderr)
            return 1
    summary = summarise(rounds)
    print(json.dumps(summary, indent=1))
    options.output.mkdir(parents=True, exist_ok=True)
    results = {
        "command": f"python -m benchmarks.next_trial --trials={options.trials} --flags={options.flags!r}",
        "commits": {side: machine.commit(checkout) for side, checkout in checkouts.items()},
        "machine": machine.describe(),
        "versions": dict(versions()),
        "summary": summary,
        "rounds": rounds,
    }
    (options.output / "next_trial.json").write_text(json.dumps(results, indent=1) + "\n")
    return 0


def _in_words(figures: Figures) -> str:
    return (
        f"a trial {figures['wall']:.3f} s, {figures['processor']:.3f} s of a core, peak {figures['peak_gb']:.2f} GB, "
        f"others used {figures['other_cores']:.2f} cores"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
