"""A run's model is written for other programs, also from Python in one call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jaxdl

X = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)


def test_a_fitted_model_is_exported(tmp_path: Path) -> None:
    result = jaxdl.fit(jaxdl.MLP(features=(3,)), (X, X.sum(1)), epochs=1, batch_size=16, notify=None)
    path = result.export(tmp_path / "model.bin")
    assert {each.name for each in tmp_path.iterdir()} == {"model.bin", "model.json", "model.md"}
    np.testing.assert_allclose(jaxdl.load_program(path).predict(X), result.predict(X), rtol=1e-6)
    for name, message in {"model.onnx": "format onnx; give --format=onnx", "model.md": "another ending"}.items():
        with pytest.raises(jaxdl.UserError, match=message):
            result.export(tmp_path / name)
