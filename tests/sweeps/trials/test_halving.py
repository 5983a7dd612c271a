"""Successive halving and Hyperband: who begins together, who goes on, and that nothing depends on who ran first."""

from __future__ import annotations

import dataclasses
import math
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition, extended
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.halving import Bracket, brackets_of, survivors
from jaxdl.sweeps.trials.schedule import Schedule
from jaxdl.sweeps.trials.table import Table
from jaxdl.sweeps.trials.trial import Job, Outcome
from tests.sweeps.kills import killed_at_random, run_whole, table
from tests.sweeps.small import RECIPE, sweep

# Trials of one program, so that those that go on and those that begin stand side by side.
FLAGS = (
    "--experiment=digits_mlp",
    "--epochs=9",
    "--model.features=16",
    "--platform=cpu",
    "--every=50steps",
    "--sweep=learning_rate=log(1e-5,1e-1)",
    "--sweep=dropout=uniform(0.05,0.5)",
    "--sweep_mode=random",
    "--trials=12",
    "--sweep_batch=4",
    "--sweep_objective=validation/loss",
)


def test_brackets_are_those_of_the_paper() -> None:
    found = brackets_of("hyperband", 81 + 34 + 15 + 8 + 5, 81)
    assert [len(bracket.places) for bracket in found] == [81, 34, 15, 8, 5]
    assert [bracket.rungs for bracket in found] == [(1, 3, 9, 27), (3, 9, 27), (9, 27), (27,), ()]
    assert [found[0].goes_on(rung) for rung in found[0].rungs] == [27, 9, 3, 1]


@given(combinations=st.integers(1, 400), epochs=st.integers(1, 200), prune=st.sampled_from(["halving", "hyperband"]))
def test_each_combination_is_in_one_bracket_with_rising_rungs(combinations: int, epochs: int, prune: str) -> None:
    found = brackets_of(prune, combinations, epochs)
    assert [place for bracket in found for place in bracket.places] == list(range(combinations))
    for bracket in found:
        assert list(bracket.rungs) == sorted(set(bracket.rungs))
        assert all(1 <= rung < epochs for rung in bracket.rungs)


@given(st.dictionaries(st.integers(0, 50), st.floats(allow_nan=False)), st.integers(1, 20))
def test_no_survivor_is_worse_than_one_that_ends(losses: dict[int, float], most: int) -> None:
    kept = survivors(losses, most)
    assert len(kept) == min(most, sum(map(math.isfinite, losses.values())))
    ended = [losses[place] for place in losses if place not in kept]
    assert all(losses[place] <= loss for place in kept for loss in ended if math.isfinite(loss))


def test_the_rung_after_an_epoch() -> None:
    bracket = Bracket(range(9), (1, 3))
    assert [bracket.rung_after(epoch) for epoch in (0, 1, 2, 3)] == [1, 3, 3, 0]


# The schedule with made-up figures, one after another or several at the same time, killed or not.


def define(prune: Any, trials: int, seeds: str = "") -> Definition:
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 20, "training.watch": "validation/loss"})
    fields = {"learning_rate": "log(1e-4,1)", **({"seed": seeds} if seeds else {})}
    return make_definition(recipe, make_space(recipe, fields), Selection("random", trials, prune=prune))


def outcome(job: Job) -> Outcome:
    rate = math.log10(job.experiment.optimizer.learning_rate)
    last = job.pause_at or 20
    curve = {epoch: abs(rate + 2) + 1 / epoch + 0.01 * job.experiment.seed for epoch in range(1, last + 1)}
    if rate > -0.3:
        return Outcome("failed", reason="diverged")
    return Outcome("pruned" if job.pause_at else "completed", curve[last], {}, curve)


def searched(definition: Definition, width: int, order: random.Random, kills: float = 0.0) -> list[tuple[Any, ...]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def begin() -> Schedule:
            table = Table(folder / "study.log", definition)
            table.prepare()
            return Schedule(definition, table, folder, folder, ())

        made, under_way = begin(), dict[int, Job]()
        while True:
            while len(under_way) < width and (job := made.next(list(under_way))) is not None:
                under_way[job.number] = job
            if not under_way:
                break
            number = order.choice(sorted(under_way))
            made.take(number, outcome(under_way.pop(number)))
            if order.random() < kills:
                made, under_way = begin(), {}
        curves = [(trial.outcome.epochs if trial.outcome else 0) for trial in made.trials]
        return [(t.values, t.state, t.objective, epochs) for t, epochs in zip(made.trials, curves, strict=True)]


@pytest.mark.parametrize("prune", ["halving", "hyperband"])
@pytest.mark.parametrize("seeds", ["", "0:2"])
def test_side_by_side_and_killed_anywhere_it_is_the_table_of_one_after_another(prune: str, seeds: str) -> None:
    definition = define(prune, 14, seeds)
    expected = searched(definition, 1, random.Random(0))
    assert len(expected) == 14
    assert searched(definition, 7, random.Random(1)) == expected
    assert searched(definition, 5, random.Random(2), kills=0.2) == expected


@settings(max_examples=4, deadline=None)
@given(trials=st.integers(1, 12))
def test_halving_keeps_the_best_third_at_each_rung(trials: int) -> None:
    found = searched(define("halving", trials), 4, random.Random(trials))
    came = {rung: sum(epochs >= rung for *_, epochs in found) for rung in (1, 3, 9, 20)}
    assert came[3] <= max(1, trials // 3) and came[9] <= max(1, trials // 9) and came[20] <= 1
    fine = [row for row in found if row[1] != "failed"]
    if fine:
        best = min(fine, key=lambda row: abs(math.log10(row[0]["optimizer.learning_rate"]) + 2))
        assert best[1] == "completed", "figures keep their order here, so the best one comes to its end"


def test_halving_with_values_that_depend_on_results_is_refused() -> None:
    space = make_space(RECIPE, {"learning_rate": "log(1e-4,1)"})
    with pytest.raises(UserError, match="give --prune=asha, or --sweep_mode=random"):
        make_definition(RECIPE, space, Selection("tpe", 9, prune="halving"))


def test_trials_that_are_compared_with_one_another_get_no_further_ones() -> None:
    definition = define("halving", 9)
    with pytest.raises(UserError, match="--extend: with --prune=halving all trials are compared"):
        extended(definition, dataclasses.replace(definition, trials=12))


@pytest.mark.slow
def test_survivors_go_on_in_the_same_program_with_the_ranking_of_one_after_another(tmp_path: Path) -> None:
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 4, "training.watch": "validation/loss"})
    space, given = {"learning_rate": "log(1e-4,1e-1)"}, {"recipe": recipe, "trials": 9, "prune": "halving"}
    alone = sweep(tmp_path / "alone", space, **given)
    together = sweep(tmp_path / "together", space, execution=jaxdl.Execution(batch=4), **given)
    assert together.compiled == {"train": 2, "eval": 1}, "one for the plan, and one for all trials and rungs"
    assert [trial.state for trial in together.trials] == [trial.state for trial in alone.trials]
    assert [trial.state for trial in alone.trials].count("completed") == 1

    def ranking(results: jaxdl.SweepResults) -> list[int]:
        return sorted(range(9), key=lambda number: results.trials[number].outcome.curve[1])  # type: ignore[union-attr]

    assert ranking(together) == ranking(alone)


@pytest.mark.slow
@pytest.mark.nightly  # its smaller sibling: the schedule with made-up figures, killed anywhere, above
@pytest.mark.parametrize("prune", ["halving", "hyperband"])
def test_killed_at_random_in_one_program_it_comes_to_the_same_table(tmp_path: Path, prune: str) -> None:
    flags = (*FLAGS, f"--prune={prune}")
    seconds = run_whole(tmp_path / "whole", base=flags)
    expected = table(tmp_path / "whole")
    assert len(expected) == 12 and {row["state"] for row in expected} == {"completed", "pruned"}
    found = killed_at_random(tmp_path / "killed", (), seconds, kills=50, seed=50, base=flags)
    assert all(each == expected for each in found), "with the same bits of all parameters"
