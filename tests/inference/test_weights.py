"""Weights as a safetensors file, with the names that a run has."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.checkpoint.weights import read_weights
from jaxdl.inference.weights import weight_files, weights_of
from tests.exported import of_blobs

safetensors = pytest.importorskip("safetensors.numpy")


def test_a_file_of_weights_has_stated_names_and_is_read_for_init_from(tmp_path: Path) -> None:
    model = of_blobs(jaxdl.CNN(features=(2,), dense=(), pool_after=(1,), normalization="batch"))
    content, description = weight_files(model)
    found = safetensors.load(content)
    kernel = model.state.params["convolution_1"]["kernel"]
    np.testing.assert_array_equal(found["params.convolution_1.kernel"], kernel)
    names = ["convolution_1.bias", "convolution_1.kernel", "output.bias", "output.kernel"]
    normalization = ["normalize_1.batch.bias", "normalize_1.batch.scale"]
    statistics = ["batch_stats.normalize_1.batch.mean", "batch_stats.normalize_1.batch.var"]
    assert sorted(found) == sorted([*(f"params.{name}" for name in names + normalization), *statistics])
    (tmp_path / "some.safetensors").write_bytes(content)
    again = read_weights(tmp_path / "some.safetensors", "init_from").arrays
    assert {name.replace(".", "/") for name in found} == set(again)
    assert json.loads(description)["format"] == "safetensors"


def test_the_average_is_what_is_written() -> None:
    model = of_blobs(jaxdl.MLP(features=(2,)), training__ema=0.9)
    average = model.state.opt_state
    moved = jax.tree.map(lambda leaf: leaf + 1, model.state.opt_state["average"])
    state = model.state.replace(opt_state={**average, "average": moved})
    found = weights_of(jaxdl.TrainedModel(model.experiment, model.spec, model.steps, state))
    np.testing.assert_array_equal(found["params"]["output"]["bias"], moved["params"]["output"]["bias"])
