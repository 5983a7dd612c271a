"""The results of a sweep: its best trial, its trial table, and how its folder is read again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import jaxdl
from jaxdl.errors import UserError
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.directory import SweepDirectory
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.trials.table import TABLE, Table
from jaxdl.sweeps.trials.trial import Outcome
from tests.sweeps.small import RECIPE, SPACE, sweep


def test_the_best_is_the_combination_with_the_best_mean(done: jaxdl.SweepResults) -> None:
    rates = {rate: [row for row in done.rows if row["optimizer.learning_rate"] == rate] for rate in (1e-3, 1e-2)}
    means = {rate: float(np.mean([row["value"] for row in rows])) for rate, rows in rates.items()}
    best = max(means, key=lambda rate: means[rate])
    assert done.best is not None and done.best.values == {"optimizer.learning_rate": best, "seed": 0}
    summary = json.loads((done.sweep_dir / "summary.json").read_text())
    assert summary["best"]["trial"] == done.best.number
    assert summary["best"]["values"] == {"optimizer.learning_rate": str(best), "seed": "0"}
    assert summary["trials"] == {"completed": 6, "pruned": 0, "failed": 0, "running": 0, "waiting": 0}


def test_a_sweep_is_loaded_from_its_folder(done: jaxdl.SweepResults) -> None:
    loaded = jaxdl.load_sweep(done.sweep_dir, RECIPE)
    assert loaded.rows == done.rows and loaded.status == "completed"
    assert (done.sweep_dir / loaded.rows[3]["run_dir"] / "summary.json").exists()


def test_optuna_opens_the_trial_table(done: jaxdl.SweepResults) -> None:
    storage = JournalStorage(JournalFileBackend(str(done.sweep_dir / "study.log")))
    study = optuna.load_study(study_name="digits_mlp", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert [trial.value for trial in study.trials] == [trial.objective for trial in done.trials]
    assert [trial.params["seed"] for trial in study.trials] == [0, 1, 2] * 2
    assert all(sorted(trial.intermediate_values) == [1, 2] for trial in study.trials)


def test_a_damaged_table_is_named(done: jaxdl.SweepResults, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(done.sweep_dir, copy)
    table = copy / "study.log"
    lines = table.read_bytes().splitlines(keepends=True)
    for line in (b"no journal at all\n", b"[1]\n", b"{}\n", b'{"op_code": 77}\n', b"\xff\n"):
        table.write_bytes(b"".join([*lines[:5], line, *lines[5:]]))
        with pytest.raises(UserError, match=r"the trial table .*study\.log cannot be used"):
            sweep(copy)


@pytest.mark.slow
def test_a_line_of_the_table_that_was_not_finished_is_no_loss(done: jaxdl.SweepResults, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(done.sweep_dir, copy)
    table = copy / "study.log"
    whole = table.read_bytes()
    for left in (len(whole) - 1, len(whole) - 40, len(whole) // 2, 20, 0):  # as if the process had died there
        table.write_bytes(whole[:left])
        assert jaxdl.load_sweep(copy, RECIPE).status == "running" and table.read_bytes() == whole[:left]
        again = sweep(copy)
        same = {"seconds": 0, "examples_per_second": 0}
        assert [{**row, **same, "attempts": 1} for row in again.rows] == [{**row, **same} for row in done.rows]
        assert jaxdl.load_sweep(copy, RECIPE).status == "completed"


def test_a_sweep_without_a_table_is_read_and_none_is_made(done: jaxdl.SweepResults, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_bytes((done.sweep_dir / "sweep.json").read_bytes())
    assert [trial.state for trial in jaxdl.load_sweep(tmp_path, RECIPE).trials] == ["waiting"] * 6
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]


@pytest.mark.slow
def test_a_sweep_whose_folder_was_made_anew_by_another_leaves_it_alone(tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "sweep"
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 1})
    definition = make_definition(recipe, make_space(recipe, SPACE))
    with SweepDirectory.create(folder, definition) as directory:
        table = Table(folder / TABLE, definition, directory.check)
        table.prepare()
        table.add({"optimizer.learning_rate": 1e-3, "seed": 0})
        begun = table.begin(table.trials()[0])
        shutil.rmtree(folder)
        other = sweep(folder, recipe=recipe)
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(UserError, match="was removed while it was in use"):
            table.finish(begun, Outcome("failed", reason="the run directory was removed"))
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert other.status == "completed" and jaxdl.load_sweep(folder, recipe).rows == other.rows


def test_without_pandas_the_message_says_what_to_do(done: jaxdl.SweepResults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r"needs the package pandas: pip install pandas .*, or use the rows"):
        done.to_pandas()
