"""The trial table: what is written comes back, in another process and in Optuna's own tools."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.table import Table, numbers_left
from jaxdl.sweeps.trials.trial import Outcome, Trial
from tests.experiments.twins import twin

RECIPE = twin("digits_mlp")
COMPLETED = Outcome("completed", 0.5, {"validation/loss": 0.5}, {1: 0.75, 2: 0.5}, seconds=3.0, params_sha256="ab")
FAILED = Outcome("failed", reason="out of memory", seconds=1.0, again=True)


def define(rates: str = "1e-3,1e-2,1e-1") -> Definition:
    return make_definition(RECIPE, make_space(RECIPE, {"learning_rate": rates}))


def filled(path: Path) -> Table:
    """A table with a completed trial, a failed one that was begun twice, and one that is running."""
    table = Table(path, define())
    table.prepare()
    for number, rate in enumerate((1e-3, 1e-2, 1e-1)):
        values = {"optimizer.learning_rate": rate}
        table.add(values)
        trial = table.begin(Trial(number, values, "waiting"))
        if number == 1:
            trial = table.begin(trial)
        if number < 2:
            table.finish(trial, (COMPLETED, FAILED)[number])
    return table


def test_trials_are_read_as_they_were_written(tmp_path: Path) -> None:
    expected = [
        Trial(0, {"optimizer.learning_rate": 1e-3}, "completed", 1, COMPLETED),
        # Whether another attempt may help is of no use later.
        Trial(1, {"optimizer.learning_rate": 1e-2}, "failed", 2, dataclasses.replace(FAILED, again=False)),
        Trial(2, {"optimizer.learning_rate": 1e-1}, "running", 1),
    ]
    assert filled(tmp_path / "study.log").trials() == expected
    assert Table(tmp_path / "study.log", define()).trials() == expected
    assert numbers_left(tmp_path / "study.log", define(), define()) == [2]
    assert numbers_left(tmp_path / "none.log", None, define()) == [0, 1, 2]


def test_optuna_opens_it(tmp_path: Path) -> None:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    filled(tmp_path / "study.log")
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    study = optuna.load_study(study_name="digits_mlp", storage=storage)
    assert study.best_params == {"optimizer.learning_rate": 1e-3} and study.best_value == 0.5
    assert study.trials[0].intermediate_values == {1: 0.75, 2: 0.5}


def test_a_last_line_that_was_cut_short_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    filled(path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":6,"worker')
    table = Table(path, define())
    table.prepare()
    assert path.read_bytes() == whole
    assert [trial.state for trial in table.trials()] == ["completed", "failed", "running"]


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    filled(path)
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\n{}\n" + rest)
    with pytest.raises(UserError, match=f"the trial table {path} cannot be used"):
        Table(path, define()).trials()


def test_a_disk_that_fails_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = filled(tmp_path / "study.log")

    def fail(descriptor: int) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "fsync", fail)
    line = f"cannot use the trial table {tmp_path}/study.log: Too many open files; raise the limit on open files"
    with pytest.raises(UserError, match=line):
        table.add({"optimizer.learning_rate": 1e-3})


def test_a_longer_grid_is_taken_up_with_the_trials_before(tmp_path: Path) -> None:
    before = filled(tmp_path / "study.log").trials()
    table = Table(tmp_path / "study.log", define("1e-3,1e-2,1e-1,1"))
    table.prepare()
    assert table.trials() == before
    table.add({"optimizer.learning_rate": 1.0})
    assert table.trials()[3] == Trial(3, {"optimizer.learning_rate": 1.0}, "waiting")


def test_nothing_is_written_into_a_folder_that_is_held_no_more(tmp_path: Path) -> None:
    def check() -> None:
        raise UserError("the sweep directory was removed")

    filled(tmp_path / "study.log")
    before = (tmp_path / "study.log").read_bytes()
    with pytest.raises(UserError, match="the sweep directory was removed"):
        Table(tmp_path / "study.log", define(), check).add({"optimizer.learning_rate": 1e-3})
    assert (tmp_path / "study.log").read_bytes() == before


def test_a_finished_trial_is_synced_once_and_nothing_of_it_stays_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optuna.storages.journal import JournalFileBackend

    table = filled(tmp_path / "study.log")
    trial, before = table.trials()[2], (tmp_path / "study.log").read_bytes()
    outcome = dataclasses.replace(COMPLETED, curve={epoch: 1 / epoch for epoch in range(1, 31)})
    synced: list[int] = []

    def fail(journal: JournalFileBackend, logs: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(JournalFileBackend, "append_logs", fail)
        with pytest.raises(UserError, match="Input/output error"):
            table.finish(trial, outcome)
    assert (tmp_path / "study.log").read_bytes() == before and table.trials()[2] == trial
    monkeypatch.setattr(os, "fsync", synced.append)
    ended = table.finish(trial, outcome)
    assert len(synced) == 1
    assert table.trials()[2] == ended == Table(tmp_path / "study.log", define()).trials()[2]
    assert ended.outcome == outcome
