"""What is shown of an output of each kind is what the model predicts, in the unit that one reads."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from tests.inference.looked_at import QUICK, trained


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
    assert {each[name] for each in found["random"] for name in ("truth", "predicted")} == {""}
    assert found["of_pixels"] == list(dataset.spec.class_names) and "confusion" not in found


@pytest.mark.slow
def test_what_is_drawn_is_not_written_in_numbers(tmp_path: Path) -> None:
    recipe = jaxdl.Experiment(
        "digits", jaxdl.Digits(), jaxdl.Autoencoder(features=(4,)), jaxdl.Reconstruction(), jaxdl.Adam(), QUICK
    )
    (*_, found) = trained(tmp_path, recipe)
    example = found["random"][0]
    assert [name for name, _ in example["shown"]["pictures"]] == ["input", "reconstruction"]
    assert (example["truth"], example["predicted"]) == ("", "") and example["wrong"] > 0
    assert found["measure"] == "mean absolute error"


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
