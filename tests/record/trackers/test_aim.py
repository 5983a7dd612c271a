"""Aim takes a run: read back with its own library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.record.trackers.given import give

pytestmark = pytest.mark.slow


def test_a_run_is_there_with_its_recipe_figures_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aim = pytest.importorskip("aim", reason="Aim: pip install 'jaxdl[aim]'")
    monkeypatch.setenv("AIM_REPO", str(tmp_path))
    aim.Repo.from_path(str(tmp_path), init=True)
    assert give("aim", tmp_path / "run") == []
    repo = aim.Repo.from_path(str(tmp_path))
    (name,) = repo.list_all_runs()
    run = aim.Run(name, repo=repo, read_only=True)
    assert run["recipe", "optimizer.learning_rate"] == 0.001 and run["status"] == "completed"
    losses = run.get_metric("loss", aim.sdk.sequence_collection.Context({"subset": "train"}))
    _, (values, *_rest) = losses.data.items_list()
    assert list(values) == [1.0, 0.5, pytest.approx(1 / 3)]
