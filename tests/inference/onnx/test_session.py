"""Predictions by onnxruntime in the place of JAX: the same numbers, checks and refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.inference.onnx import on_onnxruntime
from tests.exported import of_blobs
from tests.padded import recurrent

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("model", [jaxdl.MLP(features=(5,)), jaxdl.CNN(features=(3,), pool_after=None, dense=(4,))])
def test_predictions_are_those_of_jax_for_any_number_of_examples(model) -> None:
    with_jax = of_blobs(model, training__eval_batch_size=8)
    found = on_onnxruntime(with_jax)
    inputs = np.random.default_rng(0).integers(0, 256, (21, 4, 4, 1)).astype(np.uint8)
    for count in (0, 1, 8, 21):
        predictions = found.predict(inputs[:count])
        assert predictions.shape == (count, 3)
        assert predictions.dtype == np.float32
        np.testing.assert_allclose(predictions, with_jax.predict(inputs[:count]), atol=1e-6)
    np.testing.assert_allclose(found.warmed((1, 4)).predict(inputs), with_jax.predict(inputs), atol=1e-6)


def test_what_is_wrong_with_inputs_is_said_as_by_jax() -> None:
    found = on_onnxruntime(of_blobs(jaxdl.MLP(features=(5,))))
    with pytest.raises(UserError, match="inputs"):
        found.predict(np.zeros((1, 5, 4, 1), np.uint8))


def test_a_run_is_loaded_for_onnxruntime_and_served_by_it(tmp_path: Path) -> None:
    recipe = recurrent()
    jaxdl.train(recipe, run_dir=tmp_path / "run", notify=None)
    with_jax = jaxdl.load_run(tmp_path / "run", recipe)
    found = jaxdl.load_run(tmp_path / "run", recipe, warm=(1, 4), runtime="onnx")
    test = recipe.data.load().splits["test"]
    for rows in (slice(0, 1), slice(None)):
        inputs, lengths = test["inputs"][rows], test["lengths"][rows]
        np.testing.assert_allclose(found.predict(inputs, lengths), with_jax.predict(inputs, lengths), atol=1e-5)
    pytest.importorskip("starlette")
    assert jaxdl.serving_app(tmp_path / "run", experiment=recipe, runtime="onnx", max_batch=2).routes


def test_a_model_that_onnx_cannot_have_is_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"^runtime=onnx has MLP, CNN, ResNet and RNN, and not UNet; leave it out"):
        on_onnxruntime(of_blobs(jaxdl.UNet(features=(2, 3))))


def test_a_runtime_that_is_none_is_refused_before_the_run_is_read(tmp_path: Path) -> None:
    message = r"unknown runtime 'onxx'. Did you mean 'onnx'\? Choose from: jax, onednn, onnx"
    with pytest.raises(UserError, match=message):
        jaxdl.load_run(tmp_path / "none", runtime="onxx")  # type: ignore[arg-type]
