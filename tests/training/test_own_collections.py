"""A user's module with collections of its own in whole trainings: stopped and resumed, evaluated, and side by side."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from tests.steps.test_collections import Own
from tests.training.stopped import SAVED_OFTEN, run, stop_after


@pytest.fixture
def owned(recipe: jaxdl.Experiment) -> jaxdl.Experiment:
    return dataclasses.replace(recipe, model=Own(10))


@pytest.mark.slow
def test_state_of_its_own_resumes_to_the_same_bits(
    owned: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(owned, tmp_path / "whole")
    stop_after(monkeypatch, owned, tmp_path / "cut", savings=6)
    cut = run(owned, tmp_path / "cut")
    assert cut["params_sha256"] == whole["params_sha256"]
    lines = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "cut")]
    assert lines[0] == lines[1]
    train = [json.loads(line) for line in lines[0].splitlines() if b'"train"' in line]
    assert all({"gate.decay", "gate.hidden", "largest", "added"} <= figures.keys() for figures in train)
    model = jaxdl.load_run(tmp_path / "cut", jaxdl.replace(owned, SAVED_OFTEN))
    assert int(model.state.model_state["counts"]["steps"]) == int(model.state.step) == whole["step"]
    assert model.predict(np.zeros((3, 8, 8, 1), np.uint8)).shape == (3, 10)
    again = jaxdl.evaluate(tmp_path / "cut", jaxdl.replace(owned, SAVED_OFTEN), tmp_path)["metrics"]
    assert again["test/loss"] == pytest.approx(whole["metrics"]["test/loss"], rel=1e-6)


@pytest.mark.slow
def test_it_trains_side_by_side_with_others(owned: jaxdl.Experiment, tmp_path: Path) -> None:
    results = jaxdl.sweep(
        owned,
        {"learning_rate": [1e-3, 1e-2]},
        sweep_dir=tmp_path / "sweep",
        data_dir=tmp_path,
        execution=jaxdl.Execution(batch=2),
        notify=lambda line: None,
    )
    assert [trial.state for trial in results.trials] == ["completed", "completed"]
    record = json.loads((tmp_path / "sweep" / "trials" / "0001" / "record.json").read_text())
    assert record["side_by_side"] == 2
