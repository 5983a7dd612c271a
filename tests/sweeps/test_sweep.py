"""Whole sweeps in this process: what each trial gives, what is left behind, and how one goes on."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from scipy import stats

import jaxdl
from jaxdl.errors import UserError
from jaxdl.record import read_config, read_summary
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.directory import SweepDirectory
from jaxdl.sweeps.results import SweepResults
from jaxdl.sweeps.space import make_space
from jaxdl.sweeps.table import TABLE, Table
from jaxdl.sweeps.trial import Outcome, Trial
from tests.experiments.twins import twin

RECIPE = jaxdl.replace(twin("digits_mlp"), {"training.epochs": 2, "training.watch": "validation/accuracy"})
SPACE = {"learning_rate": [1e-3, 1e-2], "seed": range(3)}


def sweep(sweep_dir: Path, space: Any = SPACE, **given: Any) -> jaxdl.SweepResults:
    # Side by side, which is chosen by measurement, would change the last bits.
    given.setdefault("execution", jaxdl.Execution(batch="off"))
    return jaxdl.sweep(given.pop("recipe", RECIPE), space, sweep_dir=sweep_dir, notify=lambda text: None, **given)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> jaxdl.SweepResults:
    return sweep(tmp_path_factory.mktemp("sweep") / "of_six", execution=jaxdl.Execution(batch="off"))


def test_each_trial_gives_what_the_same_run_alone_gives(done: jaxdl.SweepResults, tmp_path: Path) -> None:
    assert done.status == "completed" and [trial.state for trial in done.trials] == ["completed"] * 6
    for trial in (done.trials[1], done.trials[5]):
        alone = jaxdl.train(
            jaxdl.replace(RECIPE, trial.values), run_dir=tmp_path / str(trial.number), data_dir=tmp_path, notify=print
        )
        assert trial.outcome is not None
        assert trial.outcome.params_sha256 == alone["params_sha256"]
        assert trial.outcome.objective == alone["metrics"]["validation/accuracy"]
        assert trial.outcome.metrics["test/loss"] == alone["metrics"]["test/loss"]


def test_trials_that_differ_in_traced_fields_share_one_compilation(done: jaxdl.SweepResults) -> None:
    assert done.compiled == {"train": 1, "eval": 1}


def test_each_trial_is_a_full_run_directory(done: jaxdl.SweepResults) -> None:
    for trial in done.trials:
        run_dir = done.sweep_dir / "trials" / f"{trial.number:04d}"
        present = {path.name.partition(".out")[0] for path in run_dir.iterdir()}
        expected = {
            "config.json",
            "record.json",
            "metrics.jsonl",
            "summary.json",
            "report.html",
            "checkpoints",
            "events",
        }
        assert expected <= present
        assert read_config(run_dir)["seed"] == trial.values["seed"]
        assert read_summary(run_dir)["status"] == "completed"


def test_the_tables_hold_the_trials_and_the_statistics_over_seeds(done: jaxdl.SweepResults) -> None:
    with open(done.sweep_dir / "results.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["optimizer.learning_rate"]) for row in rows] == [1e-3] * 3 + [1e-2] * 3
    assert [float(row["value"]) for row in rows] == [trial.objective for trial in done.trials]
    frame = done.to_pandas()
    assert list(frame["value"]) == [trial.objective for trial in done.trials]
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(done.sweep_dir / "results.parquet").to_pydict()["seed"] == [0, 1, 2] * 2
    for group in done.groups:
        figures = [done.trials[number].objective for number in group.trials]
        low, high = stats.t.interval(0.95, 2, np.mean(figures), stats.sem(figures))
        assert group.mean == pytest.approx(np.mean(figures)) and group.std == pytest.approx(np.std(figures, ddof=1))
        assert group.mean is not None and group.ci95 == pytest.approx((high - low) / 2)
    assert done.groups[0].mean >= done.groups[1].mean  # type: ignore[operator]
    table = (done.sweep_dir / "results.md").read_text()
    assert "| learning_rate | trials | validation/accuracy, mean |" in table and "| digits |" in table
    assert r"\toprule" in (done.sweep_dir / "results.tex").read_text()


def test_the_best_is_the_combination_with_the_best_mean(done: jaxdl.SweepResults) -> None:
    rates = {rate: [t for t in done.trials if t.values["optimizer.learning_rate"] == rate] for rate in (1e-3, 1e-2)}
    means = {rate: float(np.mean([trial.objective for trial in trials])) for rate, trials in rates.items()}  # type: ignore[misc]
    best = max(means, key=lambda rate: means[rate])
    assert done.best is not None and done.best.values == {"optimizer.learning_rate": best, "seed": 0}
    summary = json.loads((done.sweep_dir / "summary.json").read_text())
    assert summary["best"]["trial"] == done.best.number
    assert summary["best"]["values"] == {"optimizer.learning_rate": str(best), "seed": "0"}
    assert summary["trials"] == {"completed": 6, "pruned": 0, "failed": 0, "running": 0, "waiting": 0}


def test_a_combination_of_which_a_seed_failed_comes_after_whole_ones(done: jaxdl.SweepResults) -> None:
    best = done.groups[0]
    failed = [
        dataclasses.replace(t, state="failed", outcome=Outcome("failed")) if t.number == best.trials[0] else t
        for t in done.trials
    ]
    groups = dataclasses.replace(done, trials=failed).groups
    assert [len(group.trials) for group in groups] == [3, 2] and groups[1].values == best.values


def test_a_combination_that_was_drawn_twice_is_no_better_for_it(tmp_path: Path) -> None:
    space = make_space(RECIPE, {"learning_rate": "log(1e-4,1e-1)"})
    definition = make_definition(RECIPE, space, trials=3)
    figures = [(1e-3, 0.6), (1e-2, 0.9), (1e-3, 0.7)]
    trials = [
        Trial(number, {"optimizer.learning_rate": rate}, "completed", 1, Outcome("completed", figure))
        for number, (rate, figure) in enumerate(figures)
    ]
    found = SweepResults(definition, tmp_path, "completed", trials)
    assert [group.trials for group in found.groups] == [(1,), (0, 2)] and found.best == trials[1]


@pytest.mark.parametrize("second", ["completed", "pruned"])
def test_the_same_trial_drawn_twice_counts_once(tmp_path: Path, second: Any) -> None:
    space = make_space(RECIPE, {"optimizer": ["adam", "sgd"], "seed": range(2)})
    definition = make_definition(RECIPE, space, mode="random", trials=6)
    adam, sgd = RECIPE.optimizer, jaxdl.SGD()
    figures = [(adam, 0.9), (adam, 0.8), (sgd, 0.5), (sgd, 0.6), (adam, 0.9), (adam, 0.8)]
    states: list[Any] = ["completed"] * 4 + [second] * 2
    trials = [
        Trial(n, {"optimizer": part, "seed": n % 2}, states[n], 1, Outcome(states[n], figure))
        for n, (part, figure) in enumerate(figures)
    ]
    best, other = SweepResults(definition, tmp_path, "completed", trials).groups
    assert best.values == {"optimizer": adam} and other.values == {"optimizer": sgd}
    assert best.mean == pytest.approx(0.85) and best.std == pytest.approx(np.std([0.9, 0.8], ddof=1))


def test_a_combination_for_which_a_cut_grid_has_no_more_seeds_comes_last(tmp_path: Path) -> None:
    definition = make_definition(RECIPE, make_space(RECIPE, SPACE), trials=4)
    values = [(1e-3, 0), (1e-3, 1), (1e-3, 2), (1e-2, 0)]
    trials = [
        Trial(n, {"optimizer.learning_rate": rate, "seed": seed}, "completed", 1, Outcome("completed", 0.9 + n / 100))
        for n, (rate, seed) in enumerate(values)
    ]
    found = SweepResults(definition, tmp_path, "completed", trials)
    assert [group.trials for group in found.groups] == [(0, 1, 2), (3,)] and found.best == trials[0]


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


def test_a_finished_sweep_is_not_run_again(done: jaxdl.SweepResults) -> None:
    before = (done.sweep_dir / "trials" / "0003" / "summary.json").stat().st_mtime_ns
    again = sweep(done.sweep_dir)
    assert again.rows == done.rows
    assert (done.sweep_dir / "trials" / "0003" / "summary.json").stat().st_mtime_ns == before


def test_another_definition_is_refused_with_the_difference(done: jaxdl.SweepResults) -> None:
    before = (done.sweep_dir / "sweep.json").read_bytes()
    with pytest.raises(UserError, match=r"holds another sweep: --sweep=seed=0,1 \(not 0,1,2\)"):
        sweep(done.sweep_dir, {**SPACE, "seed": range(2)})
    with pytest.raises(UserError, match=r"training.epochs=3 \(not 2\)"):
        sweep(done.sweep_dir, recipe=jaxdl.replace(RECIPE, {"training.epochs": 3}))
    assert (done.sweep_dir / "sweep.json").read_bytes() == before


def test_extend_adds_trials(tmp_path: Path) -> None:
    space = {"learning_rate": "log(1e-3,1e-1)"}
    short = sweep(tmp_path / "s", space, trials=2)
    with pytest.raises(UserError, match="give --extend"):
        sweep(tmp_path / "s", space, trials=4)
    longer = sweep(tmp_path / "s", space, trials=4, extend=True)
    whole = sweep(tmp_path / "w", space, trials=4)
    without_times = [{k: v for k, v in row.items() if k not in ("seconds", "attempts")} for row in longer.rows]
    assert without_times == [{k: v for k, v in row.items() if k not in ("seconds", "attempts")} for row in whole.rows]
    assert longer.rows[:2] == short.rows


def test_extending_a_grid_adds_combinations(tmp_path: Path) -> None:
    sweep(tmp_path / "s", {"optimizer": ["adam"], "seed": [0, 1]})
    longer = sweep(tmp_path / "s", {"optimizer": ["adam", "sgd"], "seed": [0, 1, 2]}, extend=True)
    values = [(trial.values["optimizer"], trial.values["seed"]) for trial in longer.trials]
    assert values[:2] == [("adam", 0), ("adam", 1)]
    assert sorted(values[2:]) == [("adam", 2), ("sgd", 0), ("sgd", 1), ("sgd", 2)]
    assert [trial.state for trial in longer.trials] == ["completed"] * 6


def test_a_trial_that_diverges_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    space = {"learning_rate": [1e30, 1e-2], "optimizer": ["sgd"]}
    found = sweep(tmp_path / "s", space)
    assert [trial.state for trial in found.trials] == ["failed", "completed"]
    assert found.trials[0].outcome is not None and found.trials[0].attempts == 1
    assert found.trials[0].outcome.reason.startswith("diverged at step ")
    assert found.best is not None and found.best.number == 1


def test_a_failure_after_some_epochs_reads_the_same_again(tmp_path: Path) -> None:
    # Adam's steps do not grow with the gradients, so this one takes a while to overflow.
    space = {"learning_rate": [3e37, 1e-2]}
    found = sweep(tmp_path / "s", space, recipe=jaxdl.replace(RECIPE, {"training.epochs": 6}))
    assert [trial.state for trial in found.trials] == ["failed", "completed"]
    assert sweep(tmp_path / "s", space, recipe=jaxdl.replace(RECIPE, {"training.epochs": 6})).rows == found.rows


def test_swept_losses_and_data_stand_in_the_rows(tmp_path: Path) -> None:
    recipe = jaxdl.replace(RECIPE, {"training.watch": "validation/loss"})
    found = sweep(tmp_path / "s", {"objective": ["softmax_cross_entropy"], "seed": [0]}, recipe=recipe)
    assert found.rows[0]["objective"] == "softmax_cross_entropy" and found.rows[0]["measured_on"] == "digits"


def test_on_failure_stop_leaves_the_others(tmp_path: Path) -> None:
    space = {"learning_rate": [1e30, 1e-2], "optimizer": ["sgd"]}
    # One worker: in this process trials that are fast enough begin two at a time, and those under way still end.
    one_by_one = jaxdl.Execution(executor="processes", workers=1, on_failure="stop")
    found = sweep(tmp_path / "s", space, execution=one_by_one)
    assert found.status == "preempted" and [trial.state for trial in found.trials] == ["failed", "waiting"]


def test_no_trial_begins_after_the_budget(tmp_path: Path) -> None:
    found = sweep(tmp_path / "s", execution=jaxdl.Execution(budget=1e-9))
    assert found.status == "preempted" and {trial.state for trial in found.trials} == {"waiting"}
    assert sweep(tmp_path / "s").status == "completed"


@pytest.mark.parametrize(
    ("space", "given", "message"),
    [
        ({"optimizer.nesterov": [True, False], "optimizer": ["sgd"]}, {}, "no training reads optimizer.nesterov"),
        ({"seed": [0]}, {"objective": "validation/auc"}, "auc"),
        ({"seed": [0]}, {"objective": "train/f1"}, "nothing to compare by"),
        ({"model.features": ["(8),(16)"]}, {}, "must be int"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, space: Any, given: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        sweep(tmp_path / "s", space, **given)
    assert not (tmp_path / "s").exists()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="no sweep directory"):
        sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


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
        assert [{**row, "seconds": 0, "attempts": 1} for row in again.rows] == [
            {**row, "seconds": 0} for row in done.rows
        ]
        assert jaxdl.load_sweep(copy, RECIPE).status == "completed"


def test_a_sweep_without_a_table_is_read_and_none_is_made(done: jaxdl.SweepResults, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_bytes((done.sweep_dir / "sweep.json").read_bytes())
    assert [trial.state for trial in jaxdl.load_sweep(tmp_path, RECIPE).trials] == ["waiting"] * 6
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.json"]


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


def test_tpe_learns_from_earlier_trials_and_draws_the_same_again(tmp_path: Path) -> None:
    space = {"learning_rate": "log(1e-5,1)", "optimizer": ["adam", "sgd"]}
    found = sweep(tmp_path / "a", space, mode="tpe", trials=14)
    again = sweep(tmp_path / "b", space, mode="tpe", trials=14)
    random = sweep(tmp_path / "c", space, mode="random", trials=14)
    assert [trial.values for trial in found.trials] == [trial.values for trial in again.trials]
    # Optuna's TPE draws the first ten at random.
    assert [trial.values for trial in found.trials[10:]] != [trial.values for trial in random.trials[10:]]
    assert all(math.isfinite(trial.objective or 0) for trial in found.trials)


def test_tpe_draws_each_combination_for_all_listed_seeds(tmp_path: Path) -> None:
    found = sweep(tmp_path / "s", {"learning_rate": "log(1e-5,1)", "seed": range(2)}, mode="tpe", trials=26)
    rates = [trial.values["optimizer.learning_rate"] for trial in found.trials]
    assert rates[0::2] == rates[1::2] and len(set(rates)) == 13


def test_a_field_that_is_read_with_some_values_of_another_is_swept(tmp_path: Path) -> None:
    recipe = jaxdl.replace(RECIPE, {"optimizer": jaxdl.SGD(learning_rate=0.1), "training.epochs": 1})
    space = {"momentum": [0.0, 0.9], "nesterov": [False, True], "model.features": [4, 5, 6, 7]}
    with pytest.raises(UserError, match="no training reads optimizer.nesterov"):
        sweep(tmp_path / "none", {"momentum": [0.0], "nesterov": [False, True]}, recipe=recipe)
    found = sweep(tmp_path / "s", space, recipe=recipe, execution=jaxdl.Execution(budget=1e-9))
    assert len(found.trials) == 16


def test_a_trial_that_runs_out_of_memory_is_tried_again_and_recorded(tmp_path: Path) -> None:
    said: list[str] = []
    space = {"model.features": [16, 4 * 10**9]}
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 1})
    found = jaxdl.sweep(recipe, space, sweep_dir=tmp_path / "s", notify=said.append)
    assert [trial.state for trial in found.trials] == ["completed", "failed"]
    failed = found.trials[1]
    assert failed.outcome is not None and failed.outcome.reason == "out of memory" and failed.attempts == 2


def test_whole_numbers_for_a_field_of_floats_go_on(tmp_path: Path) -> None:
    space = {"clip_norm": "int(1,8)"}
    found = sweep(tmp_path / "s", space, trials=2)
    (tmp_path / "s" / "study.log").unlink()  # as if the process had died before it took note of what it had
    again = sweep(tmp_path / "s", space, trials=2)
    assert [trial.state for trial in again.trials] == ["completed"] * 2
    assert [trial.values for trial in again.trials] == [trial.values for trial in found.trials]


def test_an_extended_sweep_keeps_the_order_of_its_fields(tmp_path: Path) -> None:
    one, other = {"learning_rate": "log(1e-4,1e-1)"}, {"clip_norm": "log(1e-2,1)"}
    whole = sweep(tmp_path / "whole", {**one, **other}, trials=4)
    sweep(tmp_path / "s", {**one, **other}, trials=2)
    extended = sweep(tmp_path / "s", {**other, **one}, trials=4, extend=True)
    assert [trial.values for trial in extended.trials] == [trial.values for trial in whole.trials]


def test_a_divergence_is_told_as_the_run_tells_it(tmp_path: Path) -> None:
    found = sweep(tmp_path / "s", {"learning_rate": [1e30], "optimizer": ["sgd"]})
    assert found.trials[0].outcome is not None
    assert found.trials[0].outcome.reason.startswith("diverged at step ")
    assert "learning rate 1e+30" in found.trials[0].outcome.reason


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"optimizer": [jaxdl.Adam()]}, "give names, of sgd"),
        ({"optimizer": [3]}, "give names"),
        ({5: [1]}, "by their names, not 5"),
    ],
)
def test_what_is_no_field_or_name_is_refused(tmp_path: Path, space: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        sweep(tmp_path / "s", space)


@pytest.mark.parametrize("given", [{"mode": "bayes"}, {"prune": "ASHA"}, {"direction": "up"}])
def test_a_wrong_choice_is_named(tmp_path: Path, given: Any) -> None:
    with pytest.raises(UserError, match="unknown"):
        sweep(tmp_path / "s", trials=3, **given)
    with pytest.raises(UserError, match="unknown executor"):
        jaxdl.Execution(executor="process")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="workers=-3"):
        jaxdl.Execution(executor="processes", workers=-3)
    with pytest.raises(UserError, match="batch=some"):
        jaxdl.Execution(batch="some")  # type: ignore[arg-type]
