"""Weights & Biases takes a run offline: read back from its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.record.trackers.given import give

pytestmark = pytest.mark.slow


def test_a_run_is_written_offline_and_resumed_under_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="Weights & Biases: extra wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    assert give("wandb", tmp_path / "run") == []
    first, second = sorted(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
    assert first.name == second.name  # one id: they are one run where they are sent to
    content = first.read_bytes()
    assert b"optimizer.learning_rate" in content and b"train/loss" in content
    pictures = {file.suffix for file in first.parent.glob("files/media/**/*") if file.is_file()}
    assert pictures == {".png", ".html"}
