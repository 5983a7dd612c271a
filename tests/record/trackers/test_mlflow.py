"""MLflow takes a run: read back with its own client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.record.trackers.given import give

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("store", ["files", "database"])
def test_a_run_is_there_with_its_parameters_figures_and_files(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client_module = pytest.importorskip("mlflow.tracking", reason="MLflow: extra mlflow")
    address = (tmp_path / "mlruns").as_uri() if store == "files" else f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.chdir(tmp_path)
    assert give("mlflow", tmp_path / "run") == []
    client = client_module.MlflowClient()
    experiment = client.get_experiment_by_name("digits")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "run" and run.info.status == "FINISHED" and run.data.tags["jaxdl.status"] == "completed"
    assert run.data.params["optimizer.learning_rate"] == "0.001" and run.data.params["model.features"] == "128,64"
    assert run.data.params["training.patience"] == "none" and run.data.params["seed"] == "3"
    losses = client.get_metric_history(run.info.run_id, "train/loss")
    assert sorted((each.step, each.value) for each in losses) == [(10, 1.0), (20, 0.5), (30, 1 / 3)]
    assert run.data.metrics["test/accuracy"] == 0.875 and run.data.metrics["train/odd"] != run.data.metrics["train/odd"]
    files = {each.path for each in client.list_artifacts(run.info.run_id, "hooks")}
    assert files == {"hooks/picture", "hooks/colours", "hooks/weights", "hooks/note"}
