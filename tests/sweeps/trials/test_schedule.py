"""Which trial comes next: begun ones first, equal programs together, and each after what decides about it."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.schedule import Schedule, check_values, planned_values, with_waiting
from jaxdl.sweeps.trials.table import Table
from jaxdl.sweeps.trials.trial import Outcome
from tests.experiments.twins import twin

RECIPE = twin("digits_mlp")
LAUNCH = ("launch.py", "--experiment=digits_mlp")


def define(fields: dict[str, str], selection: Selection | None = None, lag: int = 1) -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, fields), selection, lag=lag)


def schedule(folder: Path, definition: Definition, command: tuple[str, ...] = LAUNCH) -> Schedule:
    table = Table(folder / "study.log", definition)
    table.prepare()
    return Schedule(definition, table, folder, folder / "data", command)


def completed(figure: float) -> Outcome:
    return Outcome("completed", figure, {"validation/loss": figure}, {1: figure})


def next_number(made: Schedule, *under_way: int) -> int:
    job = made.next(under_way)
    assert job is not None
    return job.number


def test_a_job_is_all_that_a_worker_needs(tmp_path: Path) -> None:
    made = schedule(tmp_path, define({"learning_rate": "1e-3,1e-2"}))
    assert next_number(made) == 0
    job = made.next([0])
    assert job is not None and job.experiment.optimizer.learning_rate == 1e-2
    assert job.run_dir == tmp_path / "trials" / "0001" and job.data_dir == tmp_path / "data"
    assert job.command == (*LAUNCH, "--optimizer.learning_rate=0.01", f"--run_dir={job.run_dir}")
    assert made.next([0, 1]) is None and made.left == 0


def test_trials_with_the_same_programs_follow_one_another(tmp_path: Path) -> None:
    made = schedule(tmp_path, define({"seed": "0,1", "model.features": "(8),(4)"}))
    assert [trial.values["model.features"] for trial in made.trials] == [(8,), (4,), (8,), (4,)]
    assert [next_number(made) for _ in range(4)] == [0, 2, 1, 3]


def test_what_an_earlier_process_began_comes_first(tmp_path: Path) -> None:
    definition = define({"seed": "0:4"})
    first = schedule(tmp_path, definition)
    assert [next_number(first), next_number(first)] == [0, 1]
    first.take(0, completed(0.5))
    again = schedule(tmp_path, definition)
    assert [trial.state for trial in again.trials] == ["completed", "running", "waiting", "waiting"]
    assert [next_number(again) for _ in range(3)] == [1, 2, 3]


def test_a_trial_that_is_to_be_tried_again_comes_next(tmp_path: Path) -> None:
    made = schedule(tmp_path, define({"seed": "0:3"}))
    assert next_number(made) == 0
    made.again(0)
    assert next_number(made) == 0
    assert made.trials[0].attempts == 2


def test_with_tpe_a_trial_waits_for_those_that_decide_about_it(tmp_path: Path) -> None:
    made = schedule(tmp_path, define({"learning_rate": "log(1e-4,1e-1)"}, Selection(sweep_mode="tpe", trials=3), lag=2))
    assert [next_number(made), next_number(made, 0)] == [0, 1]
    assert made.next([0, 1]) is None and made.left == 1
    made.take(0, completed(0.5))
    assert next_number(made, 1) == 2
    assert len(made.trials) == 3


def test_what_is_planned_and_not_in_the_table_waits() -> None:
    trials = with_waiting([], planned_values(define({"seed": "0:3"})))
    assert [(trial.number, trial.values, trial.state) for trial in trials] == [
        (number, {"seed": number}, "waiting") for number in range(3)
    ]


def test_values_that_make_no_experiment_are_refused_before_anything_starts() -> None:
    recipe = jaxdl.replace(RECIPE, {"optimizer": jaxdl.SGD()})
    space = make_space(recipe, {"optimizer": "sgd,adam", "optimizer.momentum": "0.5,0.9"})
    with pytest.raises(UserError, match="with optimizer=adam there is no field 'momentum' to vary"):
        check_values(make_definition(recipe, space))
    check_values(make_definition(recipe, make_space(recipe, {"optimizer.momentum": "0.5,0.9"})))
