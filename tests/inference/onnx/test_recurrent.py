"""Recurrent models as ONNX files: onnxruntime predicts as they do, for any number of steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.inference.onnx import onnx_files
from tests.exported import disturbed
from tests.padded import recurrent, untrained

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

LENGTHS = np.array([7, 0, 3, 1, 6], np.int32)


@pytest.mark.parametrize(
    "fields",
    [
        {"cell": "gru", "pool": "mean"},
        *(
            pytest.param(fields, marks=pytest.mark.slow)
            for fields in (
                {"cell": "lstm", "bidirectional": True, "features": (3, 4)},
                {"cell": "gru", "bidirectional": True, "features": (3, 2)},
                {"cell": "simple", "bidirectional": True},
                {"cell": "simple", "every_step": True},
                {"cell": "lstm", "every_step": True, "bidirectional": True},
                {"cell": "gru", "every_step": True, "features": (3, 3)},
                {"cell": "lstm", "pool": "max"},
            )
        ),
    ],
)
def test_onnxruntime_predicts_as_the_model_does(fields: dict[str, Any]) -> None:
    model = disturbed(untrained(recurrent(**fields)))
    session = onnxruntime.InferenceSession(onnx_files(model)[0])
    inputs = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)
    expected = model.predict(inputs, LENGTHS)
    counted = np.arange(7) < LENGTHS[:, None] if fields.get("every_step") else np.full(5, True)
    (found,) = session.run(None, {"inputs": inputs, "lengths": LENGTHS})
    np.testing.assert_allclose(found[counted], expected[counted], rtol=1e-5, atol=1e-6)
    longer = np.concatenate([inputs, np.full((5, 4, 2), 9, np.float32)], 1)
    (found,) = session.run(None, {"inputs": longer, "lengths": LENGTHS})
    np.testing.assert_allclose(found[:, : expected.shape[1]][counted], expected[counted], rtol=1e-5, atol=1e-6)
    (found,) = session.run(None, {"inputs": inputs, "lengths": np.array([7, -1, 3, 8, 6], np.int32)})
    assert np.isnan(found[[1, 3]]).all() and np.isfinite(found[[0, 2, 4]]).all()


def test_ids_become_vectors_and_padding_may_hold_any_id() -> None:
    random = np.random.default_rng(0)
    split = {
        "inputs": random.integers(0, 9, (12, 5)).astype(np.int32),
        "targets": random.integers(0, 2, 12).astype(np.int32),
        "lengths": random.integers(1, 6, 12).astype(np.int32),
    }
    recipe = jaxdl.replace(recurrent(embed=3, cell="lstm"), {"data": jaxdl.Arrays(train=split, test=split, ids=True)})
    spec = recipe.data.load().spec
    steps = jaxdl.make_steps(recipe, spec, total_steps=1)
    model = disturbed(jaxdl.TrainedModel(recipe.for_spec(spec), spec, steps, steps.init_state(np.uint32(0))))
    session = onnxruntime.InferenceSession(onnx_files(model)[0])
    padded = np.where(np.arange(5) < split["lengths"][:, None], split["inputs"], 77).astype(np.int32)
    (found,) = session.run(None, {"inputs": padded, "lengths": split["lengths"]})
    np.testing.assert_allclose(found, model.predict(split["inputs"], split["lengths"]), rtol=1e-5, atol=1e-6)
