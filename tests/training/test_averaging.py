"""Stochastic weight averaging: the last epochs' parameters, with batch statistics of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.training.reproduce import compare
from tests.steps.test_functions import SPEC, experiment
from tests.training.stopped import SAVED_OFTEN, run, stop_after

RECIPE = experiment(
    model=jaxdl.MLP(features=(8,), normalization="batch"),
    optimizer=jaxdl.SGD(learning_rate=0.3),
    **{"training.swa": 2, "training.watch": "validation/swa_loss"},
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A training of three epochs that averages over the last two, and its summary."""
    path = tmp_path_factory.mktemp("swa") / "whole"
    return path, run(RECIPE, path)


def test_the_average_is_that_of_the_last_epochs_and_changes_nothing_else(whole: tuple[Path, Any]) -> None:
    path, summary = whole
    model = jaxdl.load_run(path)
    plain = jaxdl.replace(RECIPE, {**SAVED_OFTEN, "training.swa": 0, "training.watch": "validation/loss"})
    dataset = plain.data.load(path, lambda line: None)
    trainer = jaxdl.Trainer(plain, dataset)
    ends = [jax.device_get(epoch.state.params) for epoch in trainer.train(trainer.init_state())]
    assert jaxdl.params_sha256(ends[-1]) == summary["params_sha256"]
    average = model.state.opt_state["average"]
    assert average["updates"] == 2
    jax.tree.map(
        lambda found, *of: np.testing.assert_allclose(found, np.mean(of, 0), rtol=1e-6, atol=1e-7),
        average["params"],
        *ends[1:],
    )
    # Batch statistics: those of the last epoch's batches, with the averaged weights.
    train, batch_size = dataset.splits["train"], plain.training.batch_size
    order = np.asarray(trainer.feed.order(2))
    weights = jax.tree.map(np.float64, average["params"])["dense_1"]
    means, variances = [], []
    for number in range(trainer.steps_per_epoch):
        rows = order[np.arange(number * batch_size, (number + 1) * batch_size) % len(order)]
        hidden = train["inputs"][rows].reshape(batch_size, -1) / 16 @ weights["kernel"] + weights["bias"]
        means.append(hidden.mean(0))
        variances.append(hidden.var(0))
    found = average["model_state"]["batch_stats"]["normalize_1"]["batch"]
    np.testing.assert_allclose(found["mean"], np.mean(means, 0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["var"], np.mean(variances, 0), rtol=1e-3)


def test_it_is_evaluated_beside_the_parameters_watched_and_predicts(whole: tuple[Path, Any]) -> None:
    path, summary = whole
    metrics = summary["metrics"]
    assert {"test/swa_loss", "test/swa_accuracy", "validation/swa_loss", "test/accuracy"} <= metrics.keys()
    assert summary["best"]["metric"] == "validation/swa_loss"
    lines = [line for line in jaxdl.record.read_metrics(path) if line["split"] == "validation"]
    assert lines[0]["swa_loss"] == lines[0]["loss"]  # before the average begins
    assert lines[2]["swa_loss"] != lines[2]["loss"]
    test = jaxdl.Digits().load(path, lambda line: None).splits["test"]
    for ema, name in ((True, "swa_accuracy"), (False, "accuracy")):
        said = jaxdl.load_run(path, ema=ema).predict(test["inputs"]).argmax(-1)
        assert (said == test["targets"]).mean() == pytest.approx(metrics[f"test/{name}"], abs=1e-6)


def test_it_resumes_to_the_bit(whole: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(monkeypatch, RECIPE, tmp_path / "run", 5)
    run(RECIPE, tmp_path / "run")
    assert compare(whole[0], tmp_path / "run") == []


def test_a_run_with_it_is_not_made_longer(whole: tuple[Path, Any]) -> None:
    with pytest.raises(UserError, match=r"an average over the last 2 \(training\.swa\), which are other ones with 5"):
        jaxdl.train(jaxdl.replace(RECIPE, {**SAVED_OFTEN, "training.epochs": 5}), run_dir=whole[0], notify=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training.ema": 0.9}, r"swa=2 and training\.ema=0\.9 are two averages: give one"),
        ({"training.epochs": 1}, r"swa=2 averages over the last epochs, and there are only 1: lower it"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        jaxdl.replace(RECIPE, changes).for_spec(SPEC)
