"""The hooks that come with jaxdl: what they leave in a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import jaxdl
from jaxdl.experiment.shipped_hooks import SHIPPED
from jaxdl.record import read_metrics
from jaxdl.training.hooks import Hooks

HOOKS = ("save_predictions", "weight_histograms", "validate(every=15steps)")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = jaxdl.Experiment(
        name="shipped",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(8,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=2, batch_size=64),
        hooks=HOOKS,  # type: ignore[arg-type]
    )
    folder = tmp_path_factory.mktemp("shipped") / "run"
    jaxdl.train(recipe, run_dir=folder, notify=None, hooks=Hooks(plots=False))
    return folder


def test_predictions_of_validation_are_saved_after_each_epoch(run: Path) -> None:
    files = sorted((run / "predictions").iterdir())
    assert [file.name for file in files] == ["0000021.npy", "0000042.npy"]
    inputs = jaxdl.Digits().load().splits["validation"]["inputs"]
    np.testing.assert_array_equal(np.load(files[1]), jaxdl.load_run(run).predict(inputs))
    assert (np.load(files[0]) != np.load(files[1])).any()


def test_histograms_of_the_weights_are_those_of_numpy(run: Path) -> None:
    events = EventAccumulator(str(run / "hooks"), size_guidance={"histograms": 0}).Reload()
    found: Any = events.Histograms("dense_1/kernel")
    kernel = np.asarray(jaxdl.load_run(run).state.params["dense_1"]["kernel"], np.float64).ravel()
    assert [each.step for each in found] == [21, 42]
    last = found[-1].histogram_value
    counts, edges = np.histogram(kernel, 30)
    np.testing.assert_array_equal(last.bucket, counts)
    np.testing.assert_allclose(last.bucket_limit, edges[1:])
    assert last.num == kernel.size and last.sum == pytest.approx(kernel.sum()) and last.max == kernel.max()
    assert "output/bias" in " ".join(events.Tags()["histograms"])


def test_validation_is_measured_every_n_steps(run: Path) -> None:
    lines = [line for line in read_metrics(run) if line["split"] == "hooks"]
    assert [line["step"] for line in lines] == [15, 30]
    assert lines[0]["validation_loss"] > lines[1]["validation_loss"] > 0


def test_all_of_them_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text()
    assert all(f"`{name}`" in page for name in SHIPPED)
