"""Models of pictures as ONNX files: onnxruntime predicts as they do."""

from __future__ import annotations

import json

import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.inference.onnx import onnx_files
from tests.exported import of_blobs
from tests.small import blobs

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.mark.parametrize(
    "model",
    [
        jaxdl.MLP(features=(8, 6), normalization="batch", activation="gelu"),
        jaxdl.CNN(features=(4, 8), pool_after=(1,), pool="average", padding="SAME", dense=(5,), normalization="group"),
        pytest.param(
            jaxdl.CNN(features=(4,), pool_after=(1,), dense=(), kernel=(2, 3), padding="SAME"), marks=pytest.mark.slow
        ),
        pytest.param(
            jaxdl.CNN(features=(4, 3), pool_after=None, pool_window=(2, 1), padding="SAME"), marks=pytest.mark.slow
        ),
        pytest.param(jaxdl.ResNet(depth=8, features=(2, 4, 4)), marks=pytest.mark.slow),
        pytest.param(jaxdl.ResNet(depth=14, features=(2, 4, 3), shortcut="B"), marks=pytest.mark.slow),
    ],
)
def test_onnxruntime_predicts_as_the_model_does_for_any_batch(model: nn.Module) -> None:
    trained = of_blobs(model)
    data, description = onnx_files(trained)
    session = onnxruntime.InferenceSession(data)
    inputs = blobs().splits["test"]["inputs"][:8]
    expected = trained.predict(inputs)
    assert np.ptp(expected, 0).max() > 1e-3  # so that the comparison says something
    for count in (1, 8):
        (found,) = session.run(["predictions"], {"inputs": inputs[:count]})
        np.testing.assert_allclose(found, expected[:count], rtol=1e-5, atol=1e-6)
    assert json.loads(description)["inputs"][0]["shape"] == ["batch", 4, 4, 1]
