"""Each search is repeatable from its seed, and a process that takes it up again draws what the first would have."""

from __future__ import annotations

import importlib.util
import math
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.schedule import Schedule
from jaxdl.sweeps.trials.table import Table
from jaxdl.sweeps.trials.trial import Job, Outcome
from tests.experiments.twins import twin

RECIPE = twin("digits_mlp")
FIELDS = {
    "optimizer": "adam,sgd",
    "optimizer.momentum": "uniform(0.5,0.95) if optimizer=sgd",
    "learning_rate": "log(1e-4,1)",
    "batch_size": "int(8,64,step=8)",
}
CMAES = pytest.param(
    "cmaes", marks=pytest.mark.skipif(importlib.util.find_spec("cmaes") is None, reason="needs the package cmaes")
)


def define(mode: Any, trials: int, seeds: str = "", **more: Any) -> Definition:
    fields = FIELDS | ({"seed": seeds} if seeds else {})
    space = make_space(RECIPE, fields, ["batch_size * learning_rate < 20"])
    selection = Selection(mode, trials, enqueue=("learning_rate=0.01 batch_size=16",), sweep_seed=3, **more)
    return make_definition(RECIPE, space, selection, lag=3)


def outcome(job: Job) -> Outcome:
    """Returns a made-up result that depends on the trial alone, in place of a training."""
    rate, size = job.experiment.optimizer.learning_rate, job.experiment.training.batch_size
    figure = abs(math.log10(float(rate)) + 2) + size / 100 + 0.01 * job.experiment.seed
    if rate > 0.5:
        return Outcome("failed", reason="diverged")
    costs = {"parameters": float(size)}
    return Outcome("completed", figure, {"validation/loss": figure}, {1: figure + 1, 2: figure}, costs=costs)


def searched(definition: Definition, order: random.Random, kills: float) -> list[tuple[Any, ...]]:
    """Runs a search of which any process may be killed after any step; trials end in any order."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def begin() -> Schedule:
            table = Table(folder / "study.log", definition)
            table.prepare()
            return Schedule(definition, table, folder, folder, ())

        made = begin()
        under_way: dict[int, Job] = {}
        while True:
            while len(under_way) < 3 and (job := made.next(list(under_way))) is not None:
                under_way[job.number] = job
            if not under_way:
                break
            number = order.choice(sorted(under_way))
            made.take(number, outcome(under_way.pop(number)))
            if order.random() < kills:
                made, under_way = begin(), {}
        return [(trial.values, trial.state, trial.objective) for trial in made.trials]


@pytest.mark.parametrize("mode", ["random", "sobol", "tpe", CMAES, "tpe with two aims"])
def test_killed_anywhere_it_comes_to_the_same_table(mode: str) -> None:
    aims = "validation/loss,parameters" if "two aims" in mode else "validation/loss"
    definition = define(mode.partition(" ")[0], 12, sweep_objective=aims)
    expected = searched(definition, random.Random(0), 0.0)
    assert len(expected) == 12 and len({str(values) for values, _, _ in expected}) == 12
    assert expected[0][0]["optimizer.learning_rate"] == 0.01 and expected[0][0]["training.batch_size"] == 16
    assert all(v["training.batch_size"] * v["optimizer.learning_rate"] < 20 for v, _, _ in expected)
    assert all(("optimizer.momentum" in v) == (v["optimizer"] == "sgd") for v, _, _ in expected)
    assert searched(definition, random.Random(1), 0.4) == expected


@pytest.mark.parametrize("mode", ["tpe", CMAES])
def test_with_seeds_and_the_median_it_does_too(mode: str) -> None:
    definition = define(mode, 16, "0,1", prune="median")
    expected = searched(definition, random.Random(0), 0.0)
    assert [values["seed"] for values, _, _ in expected] == [0, 1] * 8
    assert searched(definition, random.Random(1), 0.2) == expected


@pytest.mark.parametrize("mode", ["tpe", CMAES])
def test_what_was_found_guides_what_is_tried(mode: str) -> None:
    """The best learning rate is 1e-2: late trials are nearer to it than random ones, which are 1 away on average."""
    found = searched(define(mode, 50), random.Random(0), 0.0)
    rates = [math.log10(values["optimizer.learning_rate"]) for values, _, _ in found[25:]]
    assert sum(abs(rate + 2) for rate in rates) / len(rates) < 0.7
