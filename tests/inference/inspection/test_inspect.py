"""Looking at a trained model: its predictions are those of `predict`, and what is kept of layers is theirs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.inference.inspection.inspect import inspect_model
from jaxdl.record.encoding import plain
from tests.inference.looked_at import QUICK, trained


def test_what_is_shown_of_digits_is_what_the_model_predicts(tmp_path: Path) -> None:
    recipe = jaxdl.Experiment(
        "digits", jaxdl.Digits(), jaxdl.CNN(features=(4, 6), padding="SAME", dense=()),
        jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(learning_rate=1e-2), QUICK,
    )  # fmt: skip
    model, dataset, found = trained(tmp_path, recipe)
    test = dataset.splits["test"]
    predicted = model.predict(test["inputs"])
    wrong = predicted.argmax(1) != test["targets"]
    assert (found["of"], found["looked_at"], found["mistakes"]) == (359, 359, wrong.sum())
    sure = np.where(wrong, predicted.max(1), 0)
    np.testing.assert_allclose([each["wrong"] for each in found["worst"]], np.sort(sure)[::-1][:12], rtol=1e-5)
    for each in [*found["worst"], *found["random"]]:
        assert each["truth"] == str(test["targets"][each["number"]])
        assert each["predicted"] == str(predicted[each["number"]].argmax())
    assert np.trace(found["confusion"]) == (~wrong).sum() and len(found["random"]) == 12
    assert found["filters"]["layer"] == "convolution_1" and found["filters"]["shape"] == [3, 3, 1, 4]
    assert "convolution_1" in [each["layer"] for each in found["activations"]] and found["traces"] == []
    assert sum(row[4] for row in found["layers"]["rows"]) == sum(leaf.size for leaf in jaxdl_leaves(model))
    assert json.loads(json.dumps(plain(found), allow_nan=False))["measure"] == "probability of the mistake"
    written = json.loads((tmp_path / "run" / "inspection.json").read_text())
    assert written["mistakes"] == found["mistakes"] and written["worst"][0]["number"] == found["worst"][0]["number"]


def jaxdl_leaves(model: jaxdl.TrainedModel) -> list[Any]:
    import jax

    return jax.tree.leaves(model.state.params)


def test_a_model_that_cannot_be_looked_at_costs_no_run(
    tmp_path: Path, recipe: jaxdl.Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("of its own kind")

    said: list[str] = []
    monkeypatch.setattr("jaxdl.training.one_run.inspect_model", fail)
    assert jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, notify=said.append)["status"] == "completed"
    assert "the report does not show the model: RuntimeError: of its own kind" in said
    assert "<h2>Results</h2>" in (tmp_path / "run" / "report.html").read_text()


def test_looking_takes_well_under_a_second_of_the_processor(tmp_path: Path, recipe: jaxdl.Experiment) -> None:
    model, dataset, _ = trained(tmp_path, recipe)
    begin = time.process_time()  # not the clock, which other work on the machine slows down
    inspect_model(model.experiment, dataset, model.state)
    assert time.process_time() - begin < 1
