"""A training while it runs: checkpoints, early stopping, divergence, and going on after a stop."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.record import read_metrics, read_summary


def run(recipe: jaxdl.Experiment, tmp_path: Path, **changes: object) -> Any:
    """Returns the summary, also that of a training that diverged."""
    try:
        return jaxdl.train(jaxdl.replace(recipe, changes), run_dir=tmp_path / "run", data_dir=tmp_path)
    except jaxdl.Diverged as error:
        return error.summary


def test_the_best_checkpoint_is_kept_beside_the_last(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    """A learning rate that grows until it harms makes an early epoch the best."""
    changes = {
        "optimizer": jaxdl.Adam(learning_rate=0.5),
        "training.epochs": 6,
        "training.final": "best",
        "training.watch": "validation/accuracy",
    }
    bad = jaxdl.replace(recipe, changes)
    summary = run(bad, tmp_path)
    history = [line["accuracy"] for line in read_metrics(tmp_path / "run") if line["split"] == "validation"]
    best = max(history)
    assert summary["best"]["value"] == best == summary["metrics"]["validation/accuracy"]
    lines = read_metrics(tmp_path / "run")
    of_best = next(line for line in lines if line["split"] == "train" and line["step"] == summary["best"]["step"])
    assert (summary["step"], summary["epoch"]) == (of_best["step"], of_best["epoch"])
    assert summary["metrics"]["train/loss"] == of_best["loss"]
    assert (lines[-1]["split"], lines[-1]["step"]) == ("test", of_best["step"])
    assert summary["last_step"] == max(line["step"] for line in lines) > summary["step"]
    assert summary["last_epoch"] == 6
    assert jaxdl.evaluate(tmp_path / "run", bad, tmp_path)["metrics"]["validation/accuracy"] == best
    last = jaxdl.replace(bad, {"training.final": "last"})
    assert jaxdl.evaluate(tmp_path / "run", last, tmp_path)["metrics"]["validation/accuracy"] == history[-1]


def test_early_stopping_ends_after_the_epochs_of_patience(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    still = {"optimizer": jaxdl.SGD(learning_rate=1e-12), "training.epochs": 50, "training.patience": 2}
    summary = run(recipe, tmp_path, **still)
    assert summary["epoch"] == 3
    assert summary["status"] == "completed"


@pytest.mark.slow
def test_a_training_that_diverges_says_so(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    mse = {"objective": jaxdl.SoftmaxCrossEntropy(), "optimizer": jaxdl.SGD(learning_rate=1e30)}
    summary = run(recipe, tmp_path, **mse)
    assert summary["status"] == "diverged"
    assert read_summary(tmp_path / "run")["status"] == "diverged"


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1e30, 3e38])
def test_a_last_step_that_diverges_is_seen_by_what_follows_it(
    recipe: jaxdl.Experiment, tmp_path: Path, rate: float
) -> None:
    """The train loss is measured before the step, so a single one shows nothing."""
    one_step = {"optimizer": jaxdl.SGD(learning_rate=rate), "training.epochs": 1, "training.batch_size": 1300}
    assert run(recipe, tmp_path, **one_step)["status"] == "diverged"


@pytest.mark.parametrize(("patience", "rate"), [(None, 1e-2), (1, 0.3)])
def test_an_unfinished_run_goes_on_to_the_same_bits(
    recipe: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int | None, rate: float
) -> None:
    """With patience and too large a rate it has already stopped early, and only the test is left to do."""
    changes = {
        "training.epochs": 4,
        "training.patience": patience,
        "optimizer.learning_rate": rate,
        "checkpoint.every": "1epoch",
    }
    whole = run(recipe, tmp_path / "whole", **changes)

    class Stop(Exception):
        pass

    def stop(self: object, *arguments: object) -> None:
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr("jaxdl.training.one_run.OneRun._test", stop)
        with pytest.raises(Stop):
            run(recipe, tmp_path / "cut", **changes)
    assert read_summary(tmp_path / "cut" / "run")["status"] == "failed"
    monkeypatch.setattr("jaxdl.data.sources.digits._SPLIT_SEED", 1)
    with pytest.raises(UserError, match="was started with other data"):
        run(recipe, tmp_path / "cut", **changes)
    monkeypatch.setattr("jaxdl.data.sources.digits._SPLIT_SEED", 1998)
    resumed = run(recipe, tmp_path / "cut", **changes)
    assert resumed["params_sha256"] == whole["params_sha256"]
    assert resumed["metrics"] == whole["metrics"]
    assert read_metrics(tmp_path / "cut" / "run") == read_metrics(tmp_path / "whole" / "run")


def test_a_run_without_a_checkpoint_says_that_it_begins_again(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    whole = run(recipe, tmp_path)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    (tmp_path / "run" / "summary.json").unlink()
    said: list[str] = []
    again = jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, notify=said.append)
    assert said[0] == f"{tmp_path / 'run'} has a run without a checkpoint: it begins again at step 0."
    assert again["params_sha256"] == whole["params_sha256"]
