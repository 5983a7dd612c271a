"""Evaluation of a split by one program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.backend.compiler import compiled
from jaxdl.data.resident import put_on_device
from jaxdl.errors import UserError
from jaxdl.inference.evaluation import Evaluation, device_hparams
from jaxdl.steps.functions import state_shapes
from tests.small import blobs


def test_one_program_serves_all_splits_and_recipes_that_differ_in_numbers(recipe: jaxdl.Experiment) -> None:
    dataset = blobs()
    fitted = jaxdl.replace(recipe, {"training.eval_batch_size": 7}).for_spec(dataset.spec)
    steps = jaxdl.make_steps(fitted, dataset.spec, 1)
    evaluation = Evaluation(fitted, steps, put_on_device(dataset))
    program, _ = compiled(evaluation.trace(state_shapes(steps), device_hparams(fitted)))
    state = steps.init_state(0)
    for split in ("train", "validation", "test"):
        found = evaluation.figures(program, jaxdl.replace(fitted, {"optimizer.learning_rate": 0.7}), state, split)
        inputs, targets = dataset.splits[split]["inputs"], dataset.splits[split]["targets"]
        probabilities = np.asarray(steps.predict_step(state, {"inputs": inputs}))  # type: ignore[dict-item]
        assert found["accuracy"] == (probabilities.argmax(1) == targets).mean()
        losses = -np.log(probabilities[np.arange(len(targets)), targets].astype(np.float64))
        assert found["loss"] == pytest.approx(losses.mean(), rel=1e-5)


def test_numbers_enter_programs_as_float32(recipe: jaxdl.Experiment) -> None:
    hparams = device_hparams(recipe)
    assert hparams["optimizer.learning_rate"] == np.float32(1e-2)
    assert "seed" not in hparams and all(value.dtype == np.float32 for value in hparams.values())


def test_a_run_is_evaluated_on_data_of_its_own_shape_alone(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    short = jaxdl.replace(recipe, {"training.epochs": 1})
    summary = jaxdl.train(short, run_dir=tmp_path / "run", data_dir=tmp_path, notify=lambda line: None)
    told: list[str] = []
    found = jaxdl.evaluate(tmp_path / "run", short, tmp_path, told.append)
    assert found["metrics"]["test/loss"] == summary["metrics"]["test/loss"] and told == []
    assert (found["status"], found["parameters"]) == ("evaluated", summary["parameters"])
    other = jaxdl.replace(short, {"data": jaxdl.Bits()})
    with pytest.raises(UserError, match="was trained on examples of shape"):
        jaxdl.evaluate(tmp_path / "run", other, tmp_path)
