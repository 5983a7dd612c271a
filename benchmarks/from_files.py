"""From files to a trained model: what the benchmarks of sounds and of texts share."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.image_worker import core_seconds
from benchmarks.process import run
from benchmarks.turns import Figures, Turns

FIGURES = ("seconds", "core_seconds", "epoch")
_LIMIT = 3600.0
# Yields after the imports, after each epoch, and at last the test accuracy.
Training = Iterator[float]
Trainings = Mapping[str, Callable[[Path, int], Training]]


AGAIN, NATIVE, NATIVE_AGAIN = "jaxdl, again", "jaxdl, native", "jaxdl, native, again"
_EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"


def jaxdl_training(
    name: str, data_of: Callable[[], Any], folder: Path, epochs: int, *, again: bool, library: str = "xla"
) -> Training:
    """Trains one of jaxdl's recipes.

    Args:
        name: of the recipe.
        data_of: makes its data source.
        folder: the files; what is decoded is kept beside them, in a new folder.
        epochs: how long to train.
        again: whether programs that an earlier process compiled are taken, as by default; False: they are compiled.
        library: what computes recurrences, see ``--library``.
    """
    import jaxdl
    from jaxdl.ops.library import computed_by, library_of

    jaxdl.configure(compilation_cache=again)
    experiment = jaxdl.load_experiment(name, _EXPERIMENTS)
    with computed_by(library_of(library)):  # native operations are built once for a machine, so not in the time
        pass
    yield 0
    data = data_of()
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=tempfile.mkdtemp(dir=folder.parent)):
        dataset = data.load(notify=lambda line: None)
    changes = {"data": data, "training.epochs": epochs, "training.library": library, "metrics": ("accuracy",)}
    experiment = jaxdl.replace(experiment, changes)
    trainer = jaxdl.Trainer(experiment, dataset)
    trainer.compile()
    for epoch in trainer.train(trainer.init_state()):
        state = epoch.state
        yield 0
    yield trainer.evaluate(state, "test")["accuracy"]


def timed(trainings: Trainings, arguments: Sequence[str]) -> int:
    """Trains what the arguments FRAMEWORK, FOLDER and EPOCHS say, and prints the seconds."""
    framework, folder, epochs = arguments
    training = trainings[framework](Path(folder), int(epochs))
    next(training)  # imports
    begin, before = time.perf_counter(), core_seconds()
    ends = [begin]
    for _ in range(int(epochs)):
        next(training)
        ends.append(time.perf_counter())
    accuracy = next(training)
    seconds = [end - start for start, end in itertools.pairwise(ends)]
    told = {"seconds": time.perf_counter() - begin, "core_seconds": core_seconds() - before}
    print(json.dumps({**told, "epochs": seconds, "accuracy": accuracy}))
    return 0


def in_turns(turns: Turns, worker: str, folder: Path, epochs: int, rounds: int) -> list[dict[str, Figures]]:
    """Returns the figures of all rounds by framework.

    Args:
        turns: the frameworks.
        worker: the module that calls `timed`.
        folder: the files.
        epochs: how long to train.
        rounds: how many rounds to measure.
    """
    found = []
    with tempfile.TemporaryDirectory() as kept:
        measure = lambda name, python: _measure(worker, name, python, folder, epochs, Path(kept))  # noqa: E731
        for number in range(rounds):
            found.append(turns.round(number, measure))
            print(f"round {number + 1}: {'; '.join(found[-1])}", file=sys.stderr)
    return found


def _measure(worker: str, framework: str, python: str, folder: Path, epochs: int, kept: Path) -> Figures:
    """Runs one framework once; returns its figures, or a problem."""
    command = [python, "-m", worker, framework, str(folder), str(epochs)]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    if framework in (AGAIN, NATIVE_AGAIN):
        kept /= framework
        environment["XDG_CACHE_HOME"] = str(kept)
        if not kept.exists():  # the process that compiles is not measured
            run(command, environment, _LIMIT)
    done = run(command, environment, _LIMIT)
    if done.problem:
        return {"problem": done.problem}
    told = json.loads(done.output.splitlines()[-1])
    return {"problem": None, **told, "epoch": min(told["epochs"]), "other_cores": done.other_cores}


def table(rounds: Sequence[Mapping[str, Figures]], frameworks: Sequence[str]) -> str:
    """Returns the figures of all rounds by framework, as a table in Markdown."""
    lines = ["| framework | file to model | a core's work | fastest epoch | test accuracy |", "|---|---|---|---|---|"]
    for framework in frameworks:
        both = [each for each in rounds if {"jaxdl", framework} <= each.keys()]
        if not both:
            continue
        cells = []
        for which in FIGURES:
            ratios = [each[framework][which] / each["jaxdl"][which] for each in both]
            ratio = "" if framework == "jaxdl" else f" ({statistics.median(ratios):.2f})"
            cells.append(f"{statistics.median(each[framework][which] for each in both):.3g} s{ratio}")
        accuracy = statistics.median(each[framework]["accuracy"] for each in both)
        lines.append(f"| {framework} | {' | '.join(cells)} | {accuracy:.4f} |")
    return "\n".join(lines)
