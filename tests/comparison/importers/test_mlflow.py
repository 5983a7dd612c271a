"""Folders of MLflow: those that its own library wrote, and one written by hand in its form."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import jaxdl
from tests.record.trackers.given import give


def by_hand(folder: Path) -> Path:
    """Writes an experiment with a run, as ``mlruns`` has them."""
    run = folder / "0/0123abcd"
    for name, text in (("metrics/train/loss", "1 2.0 0\n2 nan 1\n"), ("metrics/val_loss", "1 1.5 1\n")):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(text)
    (run / "params").mkdir()
    (run / "params/seed").write_text("7")
    (folder / "0/meta.yaml").write_text("name: mine\nexperiment_id: '0'\n")
    (run / "meta.yaml").write_text("status: 3\nstart_time: 1000\nend_time: 3500\nlifecycle_stage: active\n")
    return run


def test_a_folder_is_read_without_the_library(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "mlruns")
    (run,) = jaxdl.find_runs(tmp_path / "mlruns")
    assert (run.path, run.experiment, run.status, run.seed) == (path, "mine", "completed", 7)
    assert run.facts["wall_seconds"] == 2.5 and run.metrics["validation/loss"] == 1.5
    assert math.isnan(run.metrics["train/loss"]) and [line["step"] for line in run.history] == [0, 1, 1]
    (path / "meta.yaml").write_text("status: 3\nlifecycle_stage: deleted\n")
    with pytest.raises(jaxdl.UserError, match="there is no run"):
        jaxdl.find_runs(tmp_path / "mlruns")


@pytest.mark.slow
@pytest.mark.parametrize("store", ["files", "database"])
def test_what_its_library_wrote_is_read(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow", reason="MLflow: extra mlflow")
    place = tmp_path / ("mlruns" if store == "files" else "mlflow.db")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.as_uri() if store == "files" else f"sqlite:///{place}")
    monkeypatch.chdir(tmp_path)
    assert give("mlflow", tmp_path / "run") == []
    (run,) = jaxdl.find_runs(place)
    assert (run.experiment, run.status, run.tool, run.seed) == ("digits", "completed", "mlflow", 3)
    assert run.config["optimizer.learning_rate"] == 0.001 and run.metrics["test/accuracy"] == 0.875
    losses = [(line["step"], line["epoch"], line["loss"]) for line in run.history if line["split"] == "train"]
    assert losses == [(10, 1, 1.0), (20, 2, 0.5), (30, 3, pytest.approx(1 / 3))]
    assert math.isnan(run.metrics["train/odd"])
