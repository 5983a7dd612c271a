"""Population-based training: who takes over from whom, with which values, and the same bits after any kills."""

from __future__ import annotations

import json
import random
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.backend.signals import StopSignals
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import SCHEDULE, Definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.population import MemberLeft, Population, read_schedule
from jaxdl.sweeps.trials.schedule import planned_values
from tests.sweeps.kills import killed_at_random, run_whole, table
from tests.sweeps.small import RECIPE, sweep

SPACE = {"learning_rate": "log(1e-5,1e-1)", "dropout": "uniform(0.05,0.5)", "label_smoothing": "0.01,0.02,0.05,0.1"}
FLAGS = (
    "--experiment=digits_mlp",
    "--epochs=8",
    "--model.features=16",
    "--platform=cpu",
    "--every=50steps",
    "--sweep=learning_rate=log(1e-5,1e-1)",
    "--sweep=dropout=uniform(0.05,0.5)",
    "--sweep_mode=pbt",
    "--trials=5",
    "--exchange_every=2",
)


def define(space: dict[str, Any] = SPACE, members: int = 5, **changes: Any) -> Definition:
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 6, "training.watch": "validation/loss", **changes})
    return make_definition(recipe, make_space(recipe, space), Selection("pbt", members, exchange_every=2))


def population(folder: Path, definition: Definition) -> Population:
    return Population(definition, folder, planned_values(definition) or [])


def meet(made: Population, epoch: int, figures: list[float]) -> list[Any]:
    """Lets all members come to an exchange, each in its own thread; returns the states with which they go on."""
    found: list[Any] = [None] * len(figures)

    def one(member: int) -> None:
        state = {"params": np.full(3, float(member))}
        found[member] = made.exchange(member, epoch, state, figures[member])  # type: ignore[arg-type]

    threads = [threading.Thread(target=one, args=(member,)) for member in range(len(figures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [state["params"][0] for state in found]


def test_the_worst_goes_on_from_the_best_with_values_near_its_own(tmp_path: Path) -> None:
    definition = define()
    made = population(tmp_path, definition)
    best = made.values(2, 0)
    assert meet(made, 2, [0.5, 0.9, 0.1, 0.4, 0.3]) == [0, 2, 2, 3, 4]
    (line,) = read_schedule(tmp_path)
    assert line["epoch"] == 2 and line["figures"] == [0.5, 0.9, 0.1, 0.4, 0.3]
    assert list(line["members"]) == ["1"] and line["members"]["1"]["from"] == 2
    now = made.values(1, 2)
    for path in ("optimizer.learning_rate", "model.dropout"):
        axis = next(axis for axis in definition.space.axes if axis.path == path)
        near = [min(max(best[path] * factor, axis.values.low), axis.values.high) for factor in (0.8, 1.2)]  # type: ignore[union-attr]
        assert any(now[path] == pytest.approx(each, rel=1e-3) for each in near)
    listed = [0.01, 0.02, 0.05, 0.1]
    assert abs(listed.index(now["objective.label_smoothing"]) - listed.index(best["objective.label_smoothing"])) <= 1
    assert made.values(2, 2) == best, "the others keep theirs"
    assert made.values(1, 1) == (planned_values(definition) or [])[1], "and had their own before"


def test_a_member_that_diverged_is_replaced_and_a_tie_changes_nothing(tmp_path: Path) -> None:
    made = population(tmp_path, define())
    assert meet(made, 2, [0.5, 0.5, float("nan"), 0.5, 0.5])[2] in (0, 1, 3, 4)
    assert meet(made, 4, [0.5] * 5) == [0, 1, 2, 3, 4]


def test_what_is_written_down_is_done_again(tmp_path: Path) -> None:
    definition = define()
    values = {path: value for path, value in (planned_values(definition) or [])[0].items()}
    lines = [{"epoch": 2, "figures": [], "members": {"3": {"from": 4, "values": values}}}]
    (tmp_path / SCHEDULE).write_text(json.dumps(lines))
    made = population(tmp_path, definition)
    assert meet(made, 2, [0.1, 0.2, 0.3, 0.4, 0.5]) == [0, 1, 2, 4, 4], "whatever the figures are"
    assert made.values(3, 2) == values
    assert read_schedule(tmp_path) == lines


def test_values_keep_to_conditions_and_to_the_program(tmp_path: Path) -> None:
    space = {"learning_rate": "log(1e-4,1e-1)", "dropout": "uniform(0.05,0.5)"}
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 40, "training.watch": "validation/loss"})
    limited = make_space(recipe, space, ["learning_rate * dropout < 0.01"])
    definition = make_definition(recipe, limited, Selection("pbt", 4))
    made, draws = population(tmp_path, definition), random.Random(0)
    for epoch in range(1, 39):
        meet(made, epoch, [draws.random() for _ in range(4)])
    for member in range(4):
        values = made.values(member, 39)
        assert values["optimizer.learning_rate"] * values["model.dropout"] < 0.01
        assert 0.05 <= values["model.dropout"] <= 0.5


def test_a_member_that_fails_or_a_signal_lets_nobody_wait(tmp_path: Path) -> None:
    made = population(tmp_path, define())
    made.leave(3)
    with pytest.raises(MemberLeft, match="member 3 has left before the exchange after epoch 2"):
        made.exchange(0, 2, {}, 0.5)  # type: ignore[arg-type]
    made.join(3)
    signals = StopSignals()
    signals.received = 15  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        made.exchange(0, 2, {}, 0.5, signals)  # type: ignore[arg-type]
    assert len(meet(made, 2, [0.5, 0.9, 0.1, 0.4, 0.3])) == 5


@pytest.mark.parametrize("text", ["{", "[1]", '[{"epoch": 1, "members": {"x": {}}}]', "null"])
def test_a_damaged_schedule_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / SCHEDULE).write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        read_schedule(tmp_path)


@pytest.mark.parametrize(
    ("space", "given", "message"),
    [
        ({"learning_rate": "log(1e-4,1)"}, {"trials": 1}, "at least two members"),
        ({"learning_rate": "log(1e-4,1)", "seed": "0:3"}, {"trials": 3}, "leave seed out"),
        ({"batch_size": "16,32"}, {"trials": 2}, "needs another one"),
        ({"learning_rate": "1e-3,1e-2"}, {"trials": 2, "prune": "asha"}, "leave --prune"),
        ({"learning_rate": "1e-3,1e-2"}, {"trials": 2, "execution": jaxdl.Execution(batch=2)}, "leave --executor"),
    ],
)
def test_what_can_be_no_population_is_refused(
    tmp_path: Path, space: dict[str, str], given: dict[str, Any], message: str
) -> None:
    given = {"execution": jaxdl.Execution(), **given}
    with pytest.raises(UserError, match=message):
        sweep(tmp_path / "sweep", space, mode="pbt", **given)
    assert not (tmp_path / "sweep").exists()


def digests(results: jaxdl.SweepResults) -> list[str]:
    return [trial.outcome.params_sha256 for trial in results.trials if trial.outcome is not None]


@pytest.mark.slow
def test_a_population_in_one_program_is_repeated_to_the_bit_also_by_its_schedule(tmp_path: Path) -> None:
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 4, "training.watch": "validation/loss"})
    space = {"learning_rate": "log(1e-5,1e-1)", "dropout": "uniform(0.05,0.5)"}
    given: dict[str, Any] = {"recipe": recipe, "mode": "pbt", "trials": 5, "execution": jaxdl.Execution()}
    first = sweep(tmp_path / "first", space, **given)
    assert [trial.state for trial in first.trials] == ["completed"] * 5
    assert first.compiled == {"train": 2, "eval": 1}, "one for the plan, and one for all members"
    assert [line["epoch"] for line in first.schedule] == [1, 2, 3]
    assert any(line["members"] for line in first.schedule)
    plain = sweep(tmp_path / "plain", space, **given | {"mode": "random", "execution": jaxdl.Execution(batch=5)})
    assert digests(plain) != digests(first), "an exchange changes the results"

    (tmp_path / "again").mkdir()
    shutil.copy(tmp_path / "first" / SCHEDULE, tmp_path / "again")
    replayed = sweep(tmp_path / "again", space, **given)
    assert digests(replayed) == digests(first)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.nightly)])
def test_killed_at_random_it_comes_to_the_same_table(tmp_path: Path, kills: int) -> None:
    seconds = run_whole(tmp_path / "whole", base=FLAGS)
    expected = table(tmp_path / "whole")
    assert len(expected) == 5
    found = killed_at_random(tmp_path / "killed", (), seconds, kills, seed=kills, base=FLAGS)
    assert all(each == expected for each in found)
