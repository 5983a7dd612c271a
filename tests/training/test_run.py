"""A training from experiment to run directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.record import read_summary


def run(recipe: jaxdl.Experiment, tmp_path: Path, **changes: object) -> Any:
    return jaxdl.train(jaxdl.replace(recipe, changes), run_dir=tmp_path / "run", data_dir=tmp_path)


def test_the_run_directory_holds_what_the_contract_names(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    run(recipe, tmp_path)
    folder = tmp_path / "run"
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "record.json", "metrics.jsonl", "checkpoints", "summary.json", "report.html"} <= names
    assert any(name.startswith("events.out.tfevents.") for name in names)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["experiment"] == "recipe"
    assert summary["status"] == "completed"
    fitted = summary["data"]["train_examples"] - summary["data"]["validation_examples"]
    assert (summary["epoch"], summary["step"]) == (2, 2 * -(-fitted // 64))
    assert summary["metrics"].keys() >= {"test/accuracy", "test/loss", "validation/accuracy", "train/loss"}
    data = summary["data"]
    assert (data["requested"], data["used"], data["substituted"]) == ("digits", "digits", False)
    assert data["train_examples"] + data["test_examples"] == 1797
    assert len(data["fingerprint"]) == len(summary["params_sha256"]) == 64
    assert summary["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    for name in ("train_examples_per_second", "compile_seconds", "wall_seconds"):
        assert summary[name] > 0, name
    assert summary["compile_seconds"] < summary["seconds_to_first_step"] < summary["wall_seconds"]
    record = json.loads((folder / "record.json").read_text())
    assert record["seed"] == 0
    assert record["data_fingerprint"] == data["fingerprint"]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["split"]) for line in lines] == [
        (1, "train"), (1, "validation"), (2, "train"), (2, "validation"), (2, "test"),
    ]  # fmt: skip


def test_two_runs_of_a_recipe_are_equal_to_the_bit_and_another_seed_is_not(
    recipe: jaxdl.Experiment, tmp_path: Path
) -> None:
    one, two, other = (run(recipe, tmp_path / name, seed=seed) for name, seed in (("one", 0), ("two", 0), ("other", 1)))
    assert one["params_sha256"] == two["params_sha256"] != other["params_sha256"]
    assert one["metrics"] == two["metrics"]


def test_run_dir_and_data_dir_have_the_commands_defaults(
    recipe: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = jaxdl.train(recipe)
    (run_dir,) = Path("runs/recipe").iterdir()
    assert read_summary(run_dir) == summary


def test_notify_takes_everything_that_is_shown_and_none_shows_nothing(
    recipe: jaxdl.Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jaxdl.train(recipe, run_dir=tmp_path / "shown", data_dir=tmp_path)
    assert "epoch 2/2  train loss" in capsys.readouterr().err
    said: list[str] = []
    jaxdl.train(recipe, run_dir=tmp_path / "told", data_dir=tmp_path, notify=said.append)
    assert [line.partition("  ")[0] for line in said] == ["epoch 1/2", "epoch 2/2"]
    jaxdl.train(recipe, run_dir=tmp_path / "quiet", data_dir=tmp_path, notify=None)
    assert capsys.readouterr() == ("", "")


def test_a_watched_metric_that_is_not_measured_is_named_before_anything_is_written(
    recipe: jaxdl.Experiment, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"--watch=validation/f1: .* measures: train/accuracy, train/loss, validation/"):
        run(recipe, tmp_path, **{"training.watch": "validation/f1"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_without_a_validation_split_training_goes_through(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    summary = run(recipe, tmp_path, **{"data.validation": 0.0})
    assert summary["status"] == "completed"
    assert summary["best"] == {"metric": None, "value": None, "step": None}
    assert not any(name.startswith("validation/") for name in summary["metrics"])
    with pytest.raises(UserError, match="--watch=validation/loss"):
        run(recipe, tmp_path / "other", **{"data.validation": 0.0, "training.patience": 1})


def test_fast_dev_run_goes_through_everything_with_one_small_batch(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    summary = run(recipe, tmp_path, **{"training.fast_dev_run": True})
    assert (summary["status"], summary["epoch"], summary["step"]) == ("completed", 1, 1)
    assert summary["data"]["test_examples"] == summary["data"]["validation_examples"] == 8
    assert (tmp_path / "run" / "report.html").exists()
    assert list((tmp_path / "run" / "checkpoints").iterdir())


@pytest.mark.slow
def test_overfitting_a_batch_learns_it_by_heart(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    overfit = {
        "training.overfit_batches": 1,
        "training.epochs": 60,
        "model.dropout": 0.0,
        "optimizer.learning_rate": 0.02,
    }
    summary = run(recipe, tmp_path, **overfit)
    assert summary["step"] == 60
    assert summary["metrics"]["validation/accuracy"] == 1.0


def test_too_few_outputs_for_the_classes_are_refused(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="model.outputs=5: the data has 10 classes"):
        run(recipe, tmp_path, **{"model.outputs": 5})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_best_possible_loss_stands_beside_cross_entropies_only(tmp_path: Path) -> None:
    bits = jaxdl.Experiment(
        name="bits",
        data=jaxdl.Bits(train_examples=64, test_examples=32),
        model=jaxdl.RNN(features=(4,), cell="gru", every_step=True),
        objective=jaxdl.SigmoidCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=1, batch_size=32),
    )
    assert run(bits, tmp_path / "one")["data"]["best_loss"] == pytest.approx(0.2294, abs=1e-4)
    squares = {"objective": jaxdl.MeanSquaredError(), "metrics": ("r_squared",)}
    assert run(bits, tmp_path / "two", **squares)["data"]["best_loss"] is None


def test_a_finished_run_is_not_trained_again(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    finished = run(recipe, tmp_path)
    before = (tmp_path / "run" / "summary.json").read_bytes()
    (tmp_path / "run" / "report.html").unlink()  # as after a kill between the two files
    messages: list[str] = []
    again = jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, notify=messages.append)
    assert again["params_sha256"] == finished["params_sha256"]
    assert messages == [f"{tmp_path}/run already has this run, and it is finished."]
    assert (tmp_path / "run" / "report.html").exists()
    with pytest.raises(UserError, match=r"another recipe: seed=7 \(not 0\)"):
        run(recipe, tmp_path, seed=7)
    with pytest.raises(UserError, match="belongs to experiment 'recipe', not 'other'"):
        run(recipe, tmp_path, name="other")
    assert (tmp_path / "run" / "summary.json").read_bytes() == before
