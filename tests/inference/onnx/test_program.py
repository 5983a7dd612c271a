"""What lies round the model in an ONNX file: preprocessing, the objective, what is refused."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.inference.onnx import onnx_files
from jaxdl.inference.onnx.program import _difference
from tests.exported import disturbed, of_blobs
from tests.small import blobs

RECIPE = jaxdl.Experiment("some", jaxdl.Digits(), jaxdl.MLP(), jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam())


@pytest.fixture(scope="module")
def runtime():
    pytest.importorskip("onnx")
    return pytest.importorskip("onnxruntime")


def test_values_are_in_the_unit_of_the_targets(runtime) -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(5, 3, (30, 4)).astype(np.float32)
    split = {"inputs": inputs, "targets": (100 + 20 * inputs[:, 0]).astype(np.float32)}
    data = jaxdl.Arrays(train=split, test=split, standardize=True)
    recipe = jaxdl.Experiment("values", data, jaxdl.MLP(features=(3,)), jaxdl.MeanSquaredError(), jaxdl.Adam())
    spec = recipe.data.load().spec
    steps = jaxdl.make_steps(recipe, spec, total_steps=1)
    model = disturbed(jaxdl.TrainedModel(recipe.for_spec(spec), spec, steps, steps.init_state(np.uint32(0))))
    content, description = onnx_files(model)
    (found,) = runtime.InferenceSession(content).run(None, {"inputs": inputs})
    assert found.shape == (30,)
    np.testing.assert_allclose(found, model.predict(inputs), rtol=1e-5)
    output = json.loads(description)["outputs"][0]
    assert (output["shape"], output["meaning"]) == (["batch"], "values in the unit of the targets")


def test_a_run_in_bfloat16_is_exported_in_float32(runtime) -> None:
    model = of_blobs(jaxdl.MLP(features=(3,)), training__precision="bfloat16")
    content, description = onnx_files(model)
    inputs = np.zeros((2, 4, 4, 1), np.uint8)
    (found,) = runtime.InferenceSession(content).run(None, {"inputs": inputs})
    np.testing.assert_allclose(found, model.predict(inputs), atol=0.01)
    assert json.loads(description)["precision"] == "bfloat16"


def test_a_file_that_predicts_otherwise_is_noticed(runtime) -> None:
    model, other = of_blobs(jaxdl.MLP(features=(3,))), of_blobs(jaxdl.MLP(features=(3,)), seed=1)
    content = onnx_files(model)[0]
    assert _difference(model, content) < 1e-5
    changed = jaxdl.TrainedModel(model.experiment, model.spec, model.steps, disturbed(other).state)
    assert _difference(changed, content) > 1e-4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"model": jaxdl.UNet(features=(2, 3))},
            r"has MLP, CNN, ResNet and RNN, and not UNet; take --format=stablehlo",
        ),
        ({"model": jaxdl.RNN(attention=2)}, r"does not support RNN\(attention=2\); take --format=stablehlo"),
        ({"objective": jaxdl.CTC()}, r"does not support the objective CTC"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(runtime, fields: dict[str, Any], message: str) -> None:
    recipe = dataclasses.replace(RECIPE, **fields)
    with pytest.raises(UserError, match=message):
        onnx_files(jaxdl.TrainedModel(recipe, blobs().spec, None, None))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = jaxdl.TrainedModel(RECIPE, blobs().spec, None, None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the packages onnx and onnxruntime: pip install onnx onnxruntime"):
        onnx_files(model)


def test_several_inputs_are_refused(runtime) -> None:
    spec = dataclasses.replace(blobs().spec, inputs=(("some", blobs().spec),))
    with pytest.raises(UserError, match="does not support several inputs or outputs"):
        onnx_files(jaxdl.TrainedModel(RECIPE, spec, None, None))
