"""Looking at a trained model: its predictions are those of `predict`, and what is kept of layers is theirs."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.inference.inspection.inspect import inspect_model
from jaxdl.record.encoding import plain

QUICK = jaxdl.Training(epochs=1, batch_size=64)


def trained(path: Path, recipe: jaxdl.Experiment) -> tuple[jaxdl.TrainedModel, Any, dict[str, Any]]:
    """Trains a recipe; returns its model, its data, and what is seen in it."""
    jaxdl.train(recipe, run_dir=path / "run", data_dir=path, notify=None)
    model, dataset = jaxdl.load_run(path / "run", recipe), recipe.data.load(path, lambda line: None)
    return model, dataset, inspect_model(model.experiment, dataset, model.state).found


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


@pytest.mark.slow
def test_states_of_both_directions_are_traced_up_to_the_length(tmp_path: Path) -> None:
    recipe = jaxdl.Experiment(
        "text", jaxdl.Text("reviews", fallback="embedded"), jaxdl.RNN(features=(5,), embed=4, bidirectional=True),
        jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(learning_rate=1e-2), dataclasses.replace(QUICK, overfit_batches=2),
    )  # fmt: skip
    _, dataset, found = trained(tmp_path, recipe)
    (trace,) = found["traces"]
    tokens = found["example"]["tokens"]
    assert (trace["layer"], trace["units"], trace["steps"]) == ("forward_1", 10, len(tokens))
    assert found["worst"][0]["predicted"] in dataset.spec.class_names


@pytest.mark.slow
def test_forecasts_are_in_order_of_time_and_in_the_unit_of_the_series(tmp_path: Path) -> None:
    recipe = jaxdl.Experiment(
        "series", jaxdl.Series("no such file", window=8, fallback="embedded"), jaxdl.RNN(features=(4,), cell="gru"),
        jaxdl.MeanSquaredError(), jaxdl.Adam(learning_rate=1e-2), QUICK,
    )  # fmt: skip
    model, dataset, found = trained(tmp_path, recipe)
    test = dataset.splits["test"]
    right, forecast = np.array(found["forecast"]).T
    count = found["looked_at"]
    np.testing.assert_allclose(right, test["targets"].reshape(-1)[-count:], rtol=1e-4)
    expected = model.steps.predict_step(model.state, {"inputs": test["inputs"][-count:]})
    np.testing.assert_allclose(forecast, np.reshape(expected, -1), rtol=1e-3, atol=1e-4)
    assert len(found["worst"][0]["shown"]["curves"][0][1]) == 8 and len(found["worst"][0]["shown"]["ahead"][0]) == 1


@pytest.mark.slow
def test_masks_are_shown_beside_what_they_should_be(tmp_path: Path) -> None:
    recipe = jaxdl.Experiment(
        "masks", jaxdl.Shapes(masks=True, size=16, kinds=2, train_examples=20, test_examples=9),
        jaxdl.UNet(features=(2, 3)), jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(),
        dataclasses.replace(QUICK, batch_size=9),
    )  # fmt: skip
    _, dataset, found = trained(tmp_path, recipe)
    assert [name for name, _ in found["random"][0]["shown"]["pictures"]] == ["input", "right", "predicted"]
    assert found["of_pixels"] == list(dataset.spec.class_names) and "confusion" not in found


class Both(nn.Module):
    outputs_bright: int = 2

    @nn.compact
    def __call__(self, image: Any, table: Any, *, train: bool = False, lengths: Any = None) -> dict[str, Any]:
        seen = nn.relu(nn.Conv(4, (3, 3))(image)).mean((1, 2))
        hidden = jnp.concatenate([seen, table], -1)
        return {"bright": nn.Dense(self.outputs_bright)(hidden), "price": nn.Dense(1)(hidden)}


@pytest.mark.slow
def test_each_of_several_outputs_is_seen_with_all_inputs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image, table = rng.integers(0, 256, (60, 6, 6, 1)).astype(np.uint8), rng.normal(size=(60, 2))
    inputs = {"image": image, "table": table}
    targets = {"bright": image.mean((1, 2, 3)) > 128, "price": table.sum(1)}
    targets["bright"] = np.array(["dark", "light"])[targets["bright"].astype(int)]
    result = jaxdl.fit(Both(), (inputs, targets), epochs=1, run_dir=tmp_path / "run", notify=None)
    found = json.loads((tmp_path / "run" / "inspection.json").read_text())
    predictions = result.predict(inputs)
    assert list(found["outputs"]) == ["bright", "price"]
    assert found["outputs"]["bright"]["looked_at"] == np.sum(found["outputs"]["bright"]["confusion"]) == 60
    for name, each in found["outputs"].items():
        example = each["random"][0]
        assert [part for part, _ in example["shown"]["parts"]] == ["image", "table"]
        value = predictions[name][example["number"]]
        expected = ("dark", "light")[int(value.argmax())] if name == "bright" else f"{value.item():.4g}"
        assert example["predicted"] == expected
    assert found["filters"]["shape"] == [3, 3, 1, 4] and found["activations"]
    titles = re.findall("<h2>(.*?)</h2>", (tmp_path / "run" / "report.html").read_text())
    assert {"Classes: bright", "Calibration: bright", "Largest errors: price", "Activations"} <= set(titles)


@pytest.mark.slow
def test_answers_that_are_aligned_are_decoded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(24, 6, 2)).astype(np.float32), rng.integers(0, 3, (24, 2))
    split = {"inputs": inputs, "targets": targets, "target_lengths": np.full(24, 2)}
    recipe = jaxdl.Experiment(
        "answers", jaxdl.Arrays(train=split, test=split, validation=0.0),
        jaxdl.RNN(features=(4,), cell="simple", every_step=True), jaxdl.CTC(), jaxdl.Adam(),
        dataclasses.replace(QUICK, batch_size=12),
    )  # fmt: skip
    model, _, found = trained(tmp_path, recipe)
    decoded = jaxdl.ctc_decode(model.predict(inputs))
    for each in found["random"]:
        assert each["truth"] == "".join(str(label) for label in targets[each["number"]])
        assert each["predicted"] == "".join(str(label) for label in decoded[each["number"]])


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
