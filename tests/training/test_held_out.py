"""What a fold's model predicts for the examples that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.training.held_out import HELD_OUT, read_held_out


def test_the_file_has_what_the_finished_run_predicts(tmp_path: Path) -> None:
    recipe = jaxdl.replace(
        jaxdl.load_experiment("diabetes_mlp", "experiments"),
        {"data.folds": 4, "data.fold": 2, "training.epochs": 1, "training.eval_batch_size": 50},
    )
    jaxdl.train(recipe, run_dir=tmp_path / "run", notify=None)
    found = read_held_out(tmp_path / "run")
    dataset = recipe.data.load()
    assert dataset.rows is not None
    assert np.array_equal(found["examples"], dataset.rows.validation)
    assert np.array_equal(found["targets"], dataset.splits["validation"]["targets"])
    model = jaxdl.load_run(tmp_path / "run", recipe)
    assert model.spec.preprocess.mean == dataset.spec.preprocess.mean, "the run has its own fold's statistics"
    expected = model.predict(dataset.splits["validation"]["inputs"])
    np.testing.assert_allclose(found["predictions"], expected, rtol=1e-4, atol=1e-3)


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / HELD_OUT).write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(UserError, match="cannot be read"):
        read_held_out(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        read_held_out(tmp_path / "nowhere")
