"""Whole sweeps in this process: what each trial gives, what is left behind, and how one goes on."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.record import Notes, read_config, read_notes, read_summary
from jaxdl.training.run import run_training
from tests.sweeps.small import RECIPE, SPACE, sweep

# What commit 32e8f50 draws from two rates and two batch sizes.
DRAWN_BEFORE = [(0.01, 32), (0.001, 16), (0.001, 16), (0.01, 32)]


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
        assert read_notes(run_dir) == Notes(("six",), "short trials")


def test_a_finished_sweep_is_not_run_again(done: jaxdl.SweepResults) -> None:
    before = (done.sweep_dir / "trials" / "0003" / "summary.json").stat().st_mtime_ns
    again = sweep(done.sweep_dir)
    assert again.rows == done.rows
    assert (done.sweep_dir / "trials" / "0003" / "summary.json").stat().st_mtime_ns == before


def test_another_definition_is_refused_with_the_difference(done: jaxdl.SweepResults) -> None:
    before = (done.sweep_dir / "sweep.json").read_bytes()
    with pytest.raises(UserError, match=r"has another sweep: --sweep=seed=0,1 \(not 0,1,2\)"):
        sweep(done.sweep_dir, {**SPACE, "seed": range(2)})
    with pytest.raises(UserError, match=r"training.epochs=3 \(not 2\)"):
        sweep(done.sweep_dir, recipe=jaxdl.replace(RECIPE, {"training.epochs": 3}))
    assert (done.sweep_dir / "sweep.json").read_bytes() == before


@pytest.mark.slow
def test_extend_adds_trials(tmp_path: Path) -> None:
    space = {"learning_rate": "log(1e-3,1e-1)"}
    short = sweep(tmp_path / "s", space, trials=2)
    with pytest.raises(UserError, match="give --extend"):
        sweep(tmp_path / "s", space, trials=4)
    longer = sweep(tmp_path / "s", space, trials=4, extend=True)
    whole = sweep(tmp_path / "w", space, trials=4)
    without_times = [
        {k: v for k, v in row.items() if k not in ("seconds", "examples_per_second", "attempts")} for row in longer.rows
    ]
    assert without_times == [
        {k: v for k, v in row.items() if k not in ("seconds", "examples_per_second", "attempts")} for row in whole.rows
    ]
    assert longer.rows[:2] == short.rows


@pytest.mark.slow
def test_extending_a_grid_adds_combinations(tmp_path: Path) -> None:
    sweep(tmp_path / "s", {"optimizer": ["adam"], "seed": [0, 1]})
    longer = sweep(tmp_path / "s", {"optimizer": ["adam", "sgd"], "seed": [0, 1, 2]}, extend=True)
    values = [(trial.values["optimizer"], trial.values["seed"]) for trial in longer.trials]
    assert values[:2] == [("adam", 0), ("adam", 1)]
    assert sorted(values[2:]) == [("adam", 2), ("sgd", 0), ("sgd", 1), ("sgd", 2)]
    assert [trial.state for trial in longer.trials] == ["completed"] * 6


@pytest.mark.slow
def test_a_trial_that_diverges_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    space = {"learning_rate": [1e30, 1e-2], "optimizer": ["sgd"]}
    found = sweep(tmp_path / "s", space)
    assert [trial.state for trial in found.trials] == ["failed", "completed"]
    assert found.trials[0].outcome is not None and found.trials[0].attempts == 1
    assert found.trials[0].outcome.reason.startswith("diverged at step ")
    assert found.best is not None and found.best.number == 1


@pytest.mark.slow
def test_a_failure_after_some_epochs_reads_the_same_again(tmp_path: Path) -> None:
    # Adam's steps do not grow with the gradients, so this one takes a while to overflow.
    space = {"learning_rate": [3e37, 1e-2]}
    found = sweep(tmp_path / "s", space, recipe=jaxdl.replace(RECIPE, {"training.epochs": 6}))
    assert [trial.state for trial in found.trials] == ["failed", "completed"]
    assert sweep(tmp_path / "s", space, recipe=jaxdl.replace(RECIPE, {"training.epochs": 6})).rows == found.rows


@pytest.mark.slow
def test_swept_losses_and_data_stand_in_the_rows(tmp_path: Path) -> None:
    recipe = jaxdl.replace(RECIPE, {"training.watch": "validation/loss"})
    found = sweep(tmp_path / "s", {"objective": ["softmax_cross_entropy"], "seed": [0]}, recipe=recipe)
    assert found.rows[0]["objective"] == "softmax_cross_entropy" and found.rows[0]["measured_on"] == "digits"


@pytest.mark.slow
def test_on_failure_stop_leaves_the_others(tmp_path: Path) -> None:
    space = {"learning_rate": [1e30, 1e-2], "optimizer": ["sgd"]}
    one_by_one = jaxdl.Execution(executor="processes", workers=1, on_failure="stop")
    found = sweep(tmp_path / "s", space, execution=one_by_one)
    assert found.status == "failed" and [trial.state for trial in found.trials] == ["failed", "waiting"]


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["off", 2])
def test_on_failure_stop_saves_what_is_under_way(tmp_path: Path, batch: Any) -> None:
    """One trial after another, and two in one program, of which the second goes on where it was saved."""
    recipe = jaxdl.replace(RECIPE, {"optimizer": jaxdl.SGD(), "training.epochs": 40, "checkpoint.every": "1h"})
    space = {"learning_rate": [1e30, 1e-2]}
    said: list[str] = []
    stopping = jaxdl.Execution(batch=batch, on_failure="stop")
    given: dict[str, Any] = {"sweep_dir": tmp_path / "s", "execution": stopping}
    found = jaxdl.sweep(recipe, space, notify=said.append, **given)
    left = "waiting" if batch == "off" else "running"
    assert found.status == "failed" and [trial.state for trial in found.trials] == ["failed", left]
    assert [trial.number for trial in found.failed] == [0]
    assert read_summary(found.sweep_dir)["status"] == "failed"
    if left == "running":
        assert read_summary(found.sweep_dir / "trials" / "0001")["status"] == "preempted"
    ended = jaxdl.sweep(recipe, space, notify=said.append, **given)
    assert ended.status == "completed" and [trial.state for trial in ended.trials] == ["failed", "completed"]


@pytest.mark.slow
def test_a_failed_last_trial_leaves_nothing_to_stop(tmp_path: Path) -> None:
    space = {"learning_rate": [1e-2, 1e30], "optimizer": ["sgd"]}
    found = sweep(tmp_path / "s", space, execution=jaxdl.Execution(batch="off", on_failure="stop"))
    assert found.status == "completed" and [trial.state for trial in found.trials] == ["completed", "failed"]


@pytest.mark.slow
def test_no_trial_begins_after_the_budget(tmp_path: Path) -> None:
    found = sweep(tmp_path / "s", execution=jaxdl.Execution(budget=1e-9))
    assert found.status == "preempted" and {trial.state for trial in found.trials} == {"waiting"}
    assert sweep(tmp_path / "s").status == "completed"


@pytest.mark.slow
def test_tpe_learns_from_earlier_trials_and_draws_the_same_again(tmp_path: Path) -> None:
    space = {"learning_rate": "log(1e-5,1)", "optimizer": ["adam", "sgd"]}
    found = sweep(tmp_path / "a", space, mode="tpe", trials=14)
    again = sweep(tmp_path / "b", space, mode="tpe", trials=14)
    random = sweep(tmp_path / "c", space, mode="random", trials=14)
    assert [trial.values for trial in found.trials] == [trial.values for trial in again.trials]
    # Optuna's TPE draws the first ten at random.
    assert [trial.values for trial in found.trials[10:]] != [trial.values for trial in random.trials[10:]]
    assert all(math.isfinite(trial.objective or 0) for trial in found.trials)


@pytest.mark.slow
def test_tpe_draws_each_combination_for_all_listed_seeds(tmp_path: Path) -> None:
    found = sweep(tmp_path / "s", {"learning_rate": "log(1e-5,1)", "seed": range(2)}, mode="tpe", trials=26)
    rates = [trial.values["optimizer.learning_rate"] for trial in found.trials]
    assert rates[0::2] == rates[1::2] and len(set(rates)) == 13


@pytest.mark.slow
def test_a_field_that_is_read_with_some_values_of_another_is_swept(tmp_path: Path) -> None:
    recipe = jaxdl.replace(RECIPE, {"optimizer": jaxdl.SGD(learning_rate=0.1), "training.epochs": 1})
    space = {"momentum": [0.0, 0.9], "nesterov": [False, True], "model.features": [4, 5, 6, 7]}
    with pytest.raises(UserError, match="no training reads optimizer.nesterov"):
        sweep(tmp_path / "none", {"momentum": [0.0], "nesterov": [False, True]}, recipe=recipe)
    found = sweep(tmp_path / "s", space, recipe=recipe, execution=jaxdl.Execution(budget=1e-9))
    assert len(found.trials) == 16


@pytest.mark.slow
def test_a_trial_that_runs_out_of_memory_is_tried_again_and_recorded(tmp_path: Path) -> None:
    said: list[str] = []
    space = {"model.features": [16, 2 * 10**9]}
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 1})
    found = jaxdl.sweep(recipe, space, sweep_dir=tmp_path / "s", notify=said.append)
    assert [trial.state for trial in found.trials] == ["completed", "failed"]
    failed = found.trials[1]
    assert failed.outcome is not None and failed.outcome.reason == "out of memory" and failed.attempts == 2


@pytest.mark.slow
def test_whole_numbers_for_a_field_of_floats_go_on(tmp_path: Path) -> None:
    space = {"clip_norm": "int(1,8)"}
    found = sweep(tmp_path / "s", space, trials=2)
    (tmp_path / "s" / "study.log").unlink()  # as if the process had died before it took note of what it had
    again = sweep(tmp_path / "s", space, trials=2)
    assert [trial.state for trial in again.trials] == ["completed"] * 2
    assert [trial.values for trial in again.trials] == [trial.values for trial in found.trials]


@pytest.mark.slow
def test_an_extended_sweep_keeps_the_order_of_its_fields(tmp_path: Path) -> None:
    one, other = {"learning_rate": "log(1e-4,1e-1)"}, {"clip_norm": "log(1e-2,1)"}
    whole = sweep(tmp_path / "whole", {**one, **other}, trials=4)
    sweep(tmp_path / "s", {**one, **other}, trials=2)
    extended = sweep(tmp_path / "s", {**other, **one}, trials=4, extend=True)
    assert [trial.values for trial in extended.trials] == [trial.values for trial in whole.trials]


@pytest.mark.slow
def test_a_divergence_is_told_as_the_run_tells_it(tmp_path: Path) -> None:
    found = sweep(tmp_path / "s", {"learning_rate": [1e30], "optimizer": ["sgd"]})
    assert found.trials[0].outcome is not None
    assert found.trials[0].outcome.reason.startswith("diverged at step ")
    assert "learning rate 1e+30" in found.trials[0].outcome.reason


@pytest.mark.slow
def test_trials_that_paused_for_their_other_seeds_end_with_the_bits_of_the_run_alone(tmp_path: Path) -> None:
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 4})
    found = sweep(tmp_path / "s", {"learning_rate": [1e-2, 1e-6], "seed": range(2)}, recipe=recipe, prune="asha")
    assert [trial.state for trial in found.trials] == ["completed", "completed", "pruned", "pruned"]
    assert [max(trial.outcome.curve) for trial in found.trials if trial.outcome] == [4, 4, 1, 1]
    assert [trial.attempts for trial in found.trials] == [1] * 4
    one = jaxdl.replace(recipe, found.trials[1].values)
    alone = jaxdl.train(one, run_dir=tmp_path / "alone", data_dir=tmp_path)
    assert found.trials[1].outcome and found.trials[1].outcome.params_sha256 == alone["params_sha256"]


@pytest.mark.slow
def test_a_sweep_that_was_begun_under_earlier_rules_goes_on_under_them(tmp_path: Path) -> None:
    """Its file does not say how values are drawn; here, two of the four trials are the same."""
    space = {"learning_rate": [1e-3, 1e-2], "batch_size": [16, 32]}
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 1})
    given: dict[str, Any] = {"recipe": recipe, "mode": "random", "trials": 4}
    sweep(tmp_path / "s", space, execution=jaxdl.Execution(budget=1e-9), **given)
    definition = json.loads((tmp_path / "s" / "sweep.json").read_text())
    del definition["rules"]
    (tmp_path / "s" / "sweep.json").write_text(json.dumps(definition))
    values = [tuple(trial.values.values()) for trial in sweep(tmp_path / "s", space, **given).trials]
    assert values == DRAWN_BEFORE
    longer = sweep(tmp_path / "s", space, **given | {"trials": 6}, extend=True)
    assert [tuple(trial.values.values()) for trial in longer.trials][:4] == DRAWN_BEFORE


@pytest.mark.slow
@pytest.mark.parametrize(("times", "named"), [(1, True), (2, True), (2, False)])
def test_no_trial_is_lost_to_an_error_of_the_disk_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, named: bool
) -> None:
    """Once: the trial is tried again. Twice: the sweep ends, and the same command completes it."""
    failures = iter(range(times))

    def failing(*arguments: Any, run_dir: Path, **options: Any) -> Any:
        if run_dir.name == "0001" and next(failures, None) is not None:
            error = OSError(errno.EIO, os.strerror(errno.EIO), "metrics.jsonl")
            if not named:
                raise error
            raise UserError("cannot write metrics.jsonl") from error
        return run_training(*arguments, run_dir=run_dir, **options)

    monkeypatch.setattr("jaxdl.sweeps.trials.runner.run_training", failing)
    rates = {"learning_rate": [1e-3, 1e-2, 3e-2]}
    if times > 1:
        with pytest.raises(UserError, match="trial 1: cannot (write|use) metrics.jsonl.* The same command continues"):
            sweep(tmp_path / "sweep", rates)
    results = sweep(tmp_path / "sweep", rates)
    assert [trial.state for trial in results.trials] == ["completed"] * 3
    undisturbed = sweep(tmp_path / "undisturbed", rates)
    assert [trial.outcome and trial.outcome.params_sha256 for trial in results.trials] == [
        trial.outcome and trial.outcome.params_sha256 for trial in undisturbed.trials
    ]


def test_trials_of_another_arithmetic_are_not_added_to_a_sweep(tmp_path: Path) -> None:
    recipe = jaxdl.replace(RECIPE, {"optimizer.schedule": jaxdl.OneCycle(), "training.epochs": 1})
    sweep(tmp_path / "sweep", {"seed": range(1)}, recipe=recipe)
    file = tmp_path / "sweep" / "trials" / "0000" / "record.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"arithmetic": 1}))
    with pytest.raises(UserError, match=r"another arithmetic of schedule one_cycle\. jaxdl 0\.1\.0 can finish"):
        sweep(tmp_path / "sweep", {"seed": range(2)}, recipe=recipe, extend=True)
    assert not (tmp_path / "sweep" / "trials" / "0001").exists()


@pytest.mark.slow
def test_pairs_known_settings_and_several_aims_from_python(tmp_path: Path) -> None:
    recipe = jaxdl.replace(RECIPE, {"training.epochs": 1})
    pairs = [{"batch_size": 16, "dropout": 0.1}, {"batch_size": 16, "dropout": 0.2}]
    known = [{"learning_rate": 0.01}, {"learning_rate": 0.02}]
    found = sweep(
        tmp_path / "s",
        {"learning_rate": "log(1e-3,1e-1)"},
        recipe=recipe,
        mode="sobol",
        trials=3,
        pairs=pairs,
        enqueue=known,
        sweep_if=["learning_rate > 0.002", lambda experiment: experiment.optimizer.learning_rate < 0.05],
        sweep_objective="validation/accuracy,parameters",
    )
    rates = [trial.values["optimizer.learning_rate"] for trial in found.trials]
    assert rates[:2] == [0.01, 0.02] and 0.002 < rates[2] < 0.05
    assert {trial.values["model.dropout"] for trial in found.trials} <= {0.1, 0.2}
    assert {row["parameters"] for row in found.rows} == {found.rows[0]["parameters"]} and found.front == found.groups[
        :1
    ]
    assert {row["steps"] for row in found.rows} == {found.trials[0].outcome.costs["steps"]}  # type: ignore[union-attr]
    # Who loads it has no function at hand, and reads what was tried.
    assert jaxdl.load_sweep(tmp_path / "s", recipe).rows == found.rows
