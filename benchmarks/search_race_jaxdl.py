"""jaxdl's part in `benchmarks.search_race`: the data for all racers, its own search, and training winners again."""

from __future__ import annotations

import csv
import json
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process import ROOT
from benchmarks.search_race_process import Ended, run_for
from benchmarks.search_race_spaces import SPACES, SearchSpace

MOST_TRIALS = 3000  # more than any search here comes to
FRESH = 1_000_000  # the first of the seeds with which winners are trained again; no search uses them
_CHANCE = 0.1  # accuracy of a network that diverged, with ten classes
# Where a field stands in a recipe.
_PATHS = {
    "learning_rate": ("optimizer", "learning_rate"),
    "weight_decay": ("optimizer", "weight_decay"),
    "clip_norm": ("optimizer", "clip_norm"),
    "dropout": ("model", "dropout"),
    "label_smoothing": ("objective", "label_smoothing"),
    "batch_size": ("training", "batch_size"),
    "model.features": ("model", "features"),
}


def write_data(name: str, data_dir: str | None, file: Path) -> None:
    """Writes a space's data as jaxdl cuts them, for the other racers.

    Raises:
        jaxdl.UserError: MNIST is not available; no stand-in is used here.
    """
    import jaxdl

    source: jaxdl.Data = jaxdl.Digits()
    if name != "digits_mlp":
        source = jaxdl.Tfds("mnist", validation=1 / 12, fallback="none")
    data = source.load(Path(data_dir) if data_dir else jaxdl.default_data_dir())
    arrays = {f"{split}_{key}": array for split, found in data.splits.items() for key, array in found.items()}
    np.savez(file, scale=data.spec.preprocess.scale, **arrays)  # type: ignore[arg-type]


def recipe_flags(name: str, data_dir: str | None) -> list[str]:
    """Returns the flags of a space's recipe."""
    space = SPACES[name]
    flags = [f"--experiment={name}", "--optimizer=adamw", "--schedule=cosine", f"--epochs={space.epochs}"]
    flags += ["--metrics=accuracy", "--platform=cpu", *shlex.split(space.training)]
    if name != "digits_mlp":
        flags.append("--fallback=none")
    return [*flags, *([f"--data_dir={data_dir}"] if data_dir else [])]


def search(
    name: str, seconds: float, seed: int, folder: Path, data_dir: str | None, flags: Sequence[str]
) -> list[dict[str, Any]]:
    """Searches with one command until its time is over; returns each trial that has an accuracy on validation.

    Nothing is kept from an earlier search: the folder of compiled programs and measurements is new.

    Args:
        name: of the space.
        seconds: time of the whole command.
        seed: of the search.
        folder: an empty one.
        data_dir: folder of prepared data sets; None: the default.
        flags: how to search.

    Raises:
        RuntimeError: no trial came to its end.
    """
    sweep = folder / "sweep"
    command = [*recipe_flags(name, data_dir), *SPACES[name].flags(), *flags, f"--trials={MOST_TRIALS}"]
    command += ["--sweep_objective=validation/accuracy", f"--sweep_seed={seed}", f"--sweep_dir={sweep}"]
    began = time.time()
    ended = _run(command, folder, seconds)
    found = list(trials_of(SPACES[name], sweep, began))
    if not found:
        raise RuntimeError(f"jaxdl: {ended.error or 'no trial came to its end'}")
    return found


def trials_of(space: SearchSpace, sweep: Path, began: float) -> Iterator[dict[str, Any]]:
    """Returns what each trial in a sweep directory came to, in the order in which they ended.

    Args:
        space: what was searched.
        sweep: the directory.
        began: when the command began, in seconds since 1970.
    """
    files = [(file.stat().st_mtime, file) for file in (sweep / "trials").glob("*/summary.json")]
    for ended, file in sorted(files):
        summary = json.loads(file.read_text())
        if summary["status"] in ("completed", "preempted") and "validation/accuracy" in summary["metrics"]:
            yield {
                "seconds": ended - began,
                "figure": summary["metrics"]["validation/accuracy"],
                "values": values_of(space, json.loads((file.parent / "config.json").read_text())),
                "whole": summary["status"] == "completed",
            }


def values_of(space: SearchSpace, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the searched fields of a trial's recipe, those that are listed as the texts of the list."""
    values = {}
    for name in space.fields:
        part, field = _PATHS[name]
        value = config[part][field]
        text = f"({','.join(map(str, value))})" if isinstance(value, list) else str(value)
        values[name] = text if name in space.listed else value
    return values


def train_again(
    name: str, settings: Sequence[Mapping[str, Any]], seeds: int, folder: Path, data_dir: str | None
) -> list[list[float]]:
    """Trains settings with fresh seeds, all in one sweep; returns for each its accuracies on test.

    Args:
        name: of the space.
        settings: values of the fields that were searched.
        seeds: how many.
        folder: an empty one.
        data_dir: see `search`.

    Raises:
        RuntimeError: the sweep did not come to its end.
    """
    space, sweep, pairs = SPACES[name], folder / "again", folder / "settings.csv"
    with open(pairs, "w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(space.fields)
        writer.writerows([str(setting[field]).strip("()") for field in space.fields] for setting in settings)
    command = [*recipe_flags(name, data_dir), f"--sweep_pairs={pairs}", f"--sweep=seed={FRESH}:{FRESH + seeds}"]
    ended = _run([*command, "--sweep_objective=validation/accuracy", f"--sweep_dir={sweep}"], folder, None)
    tested: list[list[float]] = [[] for _ in settings]
    for file in sorted((sweep / "trials").glob("*/summary.json")):
        values = values_of(space, json.loads((file.parent / "config.json").read_text()))
        place = [dict(setting) for setting in settings].index(values)
        tested[place].append(json.loads(file.read_text())["metrics"].get("test/accuracy", _CHANCE))
    if any(len(each) != seeds for each in tested):
        raise RuntimeError(f"jaxdl: {ended.error or 'a training is missing'}")
    return tested


def _run(flags: Sequence[str], folder: Path, seconds: float | None) -> Ended:
    """Runs a command of jaxdl that finds nothing of earlier ones."""
    environment = {"XDG_CACHE_HOME": str(folder / "cache"), "JAX_COMPILATION_CACHE_DIR": ""}
    return run_for([sys.executable, str(ROOT / "launch.py"), *flags], folder, seconds, environment)
