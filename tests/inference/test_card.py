"""The model card says what the run directory says."""

from __future__ import annotations

import json
from pathlib import Path

import jaxdl
from jaxdl.inference import model_card
from jaxdl.inference.manifest import Array, manifest
from tests.exported import of_blobs

SUMMARY = {
    "status": "preempted",
    "step": 30,
    "metrics": {"test/accuracy": 0.91234567, "test/loss": 0.5},
    "data": {"requested": "mnist", "used": "my|set", "substituted": True, "train_examples": 1200, "test_examples": 30},
}


def test_a_card_has_figures_data_use_recipe_and_limits(tmp_path: Path) -> None:
    model = of_blobs(jaxdl.MLP(features=(2,)))
    inputs = [Array("inputs", "uint8", ("batch", 4, 4, 1), "as stored")]
    description = manifest(model, "onnx", inputs, [], {"runs_as": "session.run(...)"})
    record = {"git": {"commit": "abc", "dirty": True}, "versions": {"jax": "9.9"}}
    files = {"config.json": jaxdl.to_config(model.experiment), "record.json": record, "summary.json": SUMMARY}
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    card = model_card(tmp_path, "model.onnx", description)
    lines = card.splitlines()
    assert lines[0] == "# blobs: model.onnx"
    assert "| input | inputs | uint8 | (batch, 4, 4, 1) | as stored |" in lines
    assert "3 classes: 0, 1, 2" in lines
    assert r"my\|set, **which took the place of mnist**. 1,200 examples of train, 30 examples of test." in lines
    assert "| test/accuracy | 0.9123 |" in lines and "| commit | abc (with changes) |" in lines
    assert "- It was trained on a stand-in for its data set." in lines
    assert "- The training did not end by itself: its status is preempted." in lines
    assert json.loads(card.partition("```json\n")[2].partition("```")[0]) == files["config.json"]
    (tmp_path / "summary.json").unlink()
    unfinished = model_card(tmp_path, "model.onnx", description)
    assert "The training has not ended" in unfinished and "## Figures" not in unfinished
