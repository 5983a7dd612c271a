"""What lies beside an exported file."""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp

import jaxdl
from jaxdl.inference.manifest import Array, manifest, output_meaning
from tests.exported import of_blobs


def test_the_description_says_what_a_consumer_needs() -> None:
    model = of_blobs(jaxdl.MLP(features=(2,)))
    inputs = [Array("inputs", "uint8", ("batch", 4, 4, 1), "examples")]
    found = json.loads(manifest(model, "stablehlo", inputs, [], {"platforms": ["cpu"]}))
    assert found["inputs"] == [{"name": "inputs", "dtype": "uint8", "shape": ["batch", 4, 4, 1], "meaning": "examples"}]
    assert (found["format"], found["class_names"], found["model"]) == ("stablehlo", ["0", "1", "2"], "MLP")
    assert found["params_sha256"] == jaxdl.params_sha256(model.state.params)
    assert found["versions"]["jax"] == jax.__version__ and found["versions"]["jaxdl"] == jaxdl.__version__
    assert (found["platforms"], found["parameters"]) == (["cpu"], "the last of the training")
    assert jaxdl.Spec.from_json(found["spec"]) == model.spec  # all that a program needs to prepare raw examples


def test_the_average_is_what_is_exported_and_named() -> None:
    model = of_blobs(jaxdl.MLP(features=(2,)), training__ema=0.9)
    found = json.loads(manifest(model, "stablehlo", [], [], {}))
    assert found["parameters"] == "their average"
    assert output_meaning(model.experiment.objective) == "probabilities, in the order of class_names"


def test_an_array_is_described_from_its_shape() -> None:
    shape = jax.ShapeDtypeStruct((3, 2), jnp.bfloat16)
    assert Array.of("some", shape, "it") == Array("some", "bfloat16", (3, 2), "it")
