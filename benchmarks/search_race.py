"""A race of searches: the best setting over time, jaxdl beside Optuna and Ray Tune with PyTorch, on four spaces.

    python -m benchmarks.search_race --data_dir=DIR --python=optuna-torch=PATH --python=ray-torch=PATH
    python -m benchmarks.search_race --space=digits_mlp --seeds=1 --seconds=20  # a short form
    python -m benchmarks.search_race --summary runs/benchmarks/search_race.json

Each search has the same time for the whole command, with the start of Python and all compilation, and another seed in
each round; they run in turns, and nothing is kept from one to the next. All racers search the same fields of the same
recipe on the same data (`benchmarks.search_race_spaces`), and compare settings after 1, 3, 9 ... epochs, of which a
third goes on. Optuna samples with TPE, prunes with ASHA, and trains in PyTorch on tensors in memory, one setting after
another, with one thread or one for each core, whichever is faster. Ray Tune does the same with a setting on each core.
jaxdl is one command, for CNN and RNN with native operations (the extra ``native``), which each search builds anew;
``--search`` replaces the flags of its search, and ``--share=0.2`` gives it only a part of the others' time.

A curve has a point for each new best on validation, with the number of settings tried so far. The best of many on
validation is also the luckiest, so after the search, and outside its time, the setting of each point is trained again
with fresh seeds (``--retrained``, 5): their mean accuracy on test is what the race is about.

Each result is added to the output as soon as it is known, and a later call does only what is missing there, so the
race may be run in parts: ``--budget=1200`` begins nothing that would take longer than that in all. ``--again`` searches
anew. ``--summary`` prints the table of a file in Markdown, and draws its curves beside it.

Exit status: 0; 1 if a search failed; 2 for bad input.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import resource
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine, search_race_jaxdl, search_race_summary
from benchmarks.process import ROOT, versions_in
from benchmarks.search_race_jaxdl import FRESH
from benchmarks.search_race_process import PATIENCE, run_for
from benchmarks.search_race_spaces import SPACES
from benchmarks.search_race_summary import RACERS
from benchmarks.turns import Turns, parser_of
from jaxdl.errors import UserError
from jaxdl.files.atomic import replace_file

Run = dict[str, Any]
_MODULES = {"optuna-torch": "benchmarks.search_race_torch", "ray-torch": "benchmarks.search_race_ray"}
_PACKAGES = {"jaxdl": "jax jaxlib flax optuna", "optuna-torch": "torch optuna", "ray-torch": "torch optuna ray"}


def peer_lines(python: str, module: str, folder: Path, seconds: float | None, *arguments: str) -> list[dict[str, Any]]:
    """Runs another racer in its own Python; returns the lines that it prints.

    Raises:
        RuntimeError: it failed.
    """
    environment = {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    ended = run_for([python, "-m", module, *arguments], folder, seconds, environment)
    lines = [json.loads(line) for line in ended.output.splitlines() if line.startswith("{") and line.endswith("}")]
    if (ended.in_time and ended.status) or not lines:
        why = ended.error if ended.in_time else "nothing came to its end in the time"
        raise RuntimeError(f"{module}: {why or f'status {ended.status}, and no result'}")
    return lines


def curve(trials: Sequence[Mapping[str, Any]], seconds: float) -> list[dict[str, Any]]:
    """Returns a point for each new best of the settings that came to their end within the time.

    A point says when, the figure, the setting, and how many had been tried by then, those stopped early included.
    """
    found: list[dict[str, Any]] = []
    for tried, trial in enumerate(sorted(trials, key=lambda trial: float(trial["seconds"])), start=1):
        better = not found or trial["figure"] > found[-1]["figure"]
        if trial["whole"] and trial["seconds"] <= seconds and better:
            found.append({name: trial[name] for name in ("seconds", "figure", "values")} | {"tried": tried})
    return found


class Race:
    """The searches of a race, of which each result is kept in the output file.

    Args:
        options: of the command.
        pythons: the Python of each racer.
        work: a folder for what is not kept.
    """

    def __init__(self, options: Any, pythons: Callable[[str], str], work: Path):
        self._options = options
        self._pythons = pythons
        self._work = work
        self._began = time.monotonic()
        self.runs: list[Run] = search_race_summary.read(options.output) if options.output.exists() else []

    def _save(self) -> None:
        self._options.output.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self._options.output, json.dumps({"runs": self.runs}, indent=1) + "\n")

    def _has_time(self, seconds: float) -> bool:
        budget = self._options.budget
        return budget is None or time.monotonic() - self._began + seconds <= budget

    @contextlib.contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="search-", dir=self._work, ignore_cleanup_errors=True) as name:
            yield Path(name)

    def _data(self, space: str) -> Path:
        file = self._work / f"{space}.npz"
        if not file.exists():
            search_race_jaxdl.write_data(space, self._options.data_dir, file)
        return file

    def seconds(self, space: str, racer: str) -> float:
        """Returns the time of a search."""
        seconds: float = self._options.seconds or SPACES[space].seconds
        return seconds * self._options.share if racer == "jaxdl" else seconds

    def known(self, space: str, racer: str, seed: int) -> Run | None:
        """Returns an earlier search of the same time; None if there is none."""
        sought = {"space": space, "racer": racer, "seed": seed, "seconds": self.seconds(space, racer)}
        return next((run for run in self.runs if all(run[name] == value for name, value in sought.items())), None)

    def enter(self, space: str, racer: str, seed: int) -> None:
        """Does what is missing of one search: the search itself, and training its winners again.

        Raises:
            RuntimeError: something failed.
        """
        run = self.known(space, racer, seed)
        if run is None or self._options.again:
            if not self._has_time(self.seconds(space, racer) + PATIENCE):
                return
            found = self._search(space, racer, seed)
            self.runs = [each for each in self.runs if each is not run] + [found]
            run = found
            self._save()
            print(text_of(run), flush=True)
        self._train_again(run)

    def _search(self, space: str, racer: str, seed: int) -> Run:
        options, seconds = self._options, self.seconds(space, racer)
        before = _cpu_seconds()
        flags = options.search or SPACES[space].search
        with self._folder() as folder:
            if racer == "jaxdl":
                trials = search_race_jaxdl.search(space, seconds, seed, folder, options.data_dir, shlex.split(flags))
            else:
                data, python = self._data(space), self._pythons(racer)
                arguments = [str(data), f"--space={space}", f"--seconds={seconds}", f"--seed={seed}"]
                arguments.append(f"--began={time.time()}")
                trials = peer_lines(python, _MODULES[racer], folder, seconds, *arguments)
        within = [trial for trial in trials if trial["seconds"] <= seconds]
        return {
            "space": space,
            "racer": racer,
            "seed": seed,
            "seconds": seconds,
            "curve": curve(within, seconds),
            "tried": len(within),
            "completed": sum(trial["whole"] for trial in within),
            **({"search": flags} if racer == "jaxdl" else {}),
            # How busy the machine was: of processes that were waited for, which those of Ray's trials are not.
            "cpu_seconds": _cpu_seconds() - before,
            "load": os.getloadavg(),
            "ended": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "commit": machine.commit(ROOT),
            "machine": machine.describe(),
            "versions": self._versions(racer),
        }

    def _versions(self, racer: str) -> dict[str, str]:
        return versions_in(self._pythons(racer), _PACKAGES[racer].split())

    def _train_again(self, run: Run) -> None:
        """Trains the winners again that have not been, the last one first; jaxdl all of them in one sweep."""
        count, space = self._options.retrained, run["space"]
        left = [point for point in reversed(run["curve"]) if len(point.get("test", ())) < count]
        while left and self._has_time(0.0):
            points = left if run["racer"] == "jaxdl" else left[:1]
            settings = [point["values"] for point in points]
            with self._folder() as folder:
                if run["racer"] == "jaxdl":
                    data_dir = self._options.data_dir
                    tested = search_race_jaxdl.train_again(space, settings, count, folder, data_dir)
                else:
                    seeds = [*range(FRESH, FRESH + count)]
                    arguments = [f"--space={space}", f"--settings={json.dumps(settings)}", f"--fresh={seeds}"]
                    python, module = self._pythons(run["racer"]), _MODULES["optuna-torch"]
                    lines = peer_lines(python, module, folder, None, str(self._data(space)), *arguments)
                    tested = [[line["test"] for line in lines]]
            for point, test in zip(points, tested, strict=True):
                point["test"] = test
            left = left[len(points) :]
            self._save()


def _cpu_seconds() -> float:
    """Returns the time on the processor of all processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def text_of(run: Mapping[str, Any]) -> str:
    """Returns what one search found in one line."""
    last: Mapping[str, Any] = run["curve"][-1] if run["curve"] else {"figure": math.nan, "seconds": math.nan}
    test = last.get("test")
    tested = f", test {statistics.fmean(test):.4f} over {len(test)} seeds" if test else ""
    return (
        f"{run['space']}, {run['racer']} from seed {run['seed']}: {run['tried']} settings, best {last['figure']:.4f} "
        f"after {last['seconds']:.1f} s{tested}"
    )


def _options(arguments: Sequence[str]) -> tuple[argparse.ArgumentParser, Any]:
    parser = parser_of(__doc__, "runs/benchmarks/search_race.json")
    parser.add_argument("--space", default=",".join(SPACES), help="one or several of " + ", ".join(SPACES))
    parser.add_argument("--racers", default=",".join(RACERS))
    parser.add_argument("--seeds", type=int, default=3, help="how many rounds, each from another seed (3)")
    parser.add_argument("--seconds", type=float, help="time of each (600; 1800 for CNN and RNN)")
    parser.add_argument("--share", type=float, default=1.0, help="part of that time which jaxdl gets (1)")
    parser.add_argument("--search", default="", help="flags of jaxdl's search instead of those of the space")
    parser.add_argument("--retrained", type=int, default=5, help="fresh seeds of each winner; 0: none")
    parser.add_argument("--budget", type=float, help="seconds after which nothing more begins")
    parser.add_argument("--again", action="store_true", help="search also what the output has")
    parser.add_argument("--data_dir", help="folder where MNIST is prepared")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="only show what the output of a race says")
    options = parser.parse_args(arguments)
    options.space, options.racers = options.space.split(","), options.racers.split(",")
    for name, known in (("space", SPACES), ("racers", RACERS)):
        if not set(getattr(options, name)) <= set(known):
            parser.error(f"--{name}={','.join(getattr(options, name))}: must be of {', '.join(known)}")
    if (options.seconds is not None and options.seconds <= 0) or options.seeds < 1 or options.retrained < 0:
        parser.error("--seconds above 0, --seeds at least 1, --retrained at least 0")
    if not 0 < options.share <= 1:
        parser.error(f"--share={options.share:g}: must be above 0, and at most 1")
    return parser, options


def main(arguments: list[str]) -> int:
    """Runs the race, or what is missing of it; returns the exit status."""
    parser, options = _options(arguments)
    if options.summary is not None:
        return search_race_summary.show(options.summary)
    turns = Turns(parser, options.python, RACERS)
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="race-", ignore_cleanup_errors=True) as work:
        race = Race(options, turns.python, Path(work))
        for seed in range(options.seeds):
            for space in options.space:
                first = seed % len(options.racers)
                for racer in [*options.racers[first:], *options.racers[:first]]:
                    if f"{space}, {racer}" in failed:
                        continue
                    try:
                        race.enter(space, racer, seed)
                    except (RuntimeError, OSError, UserError) as error:
                        failed[f"{space}, {racer}"] = str(error)
                        print(f"{space}, {racer} failed: {error}", file=sys.stderr)
    if race.runs:
        print(search_race_summary.markdown(race.runs))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
