"""The benchmark of single predictions: all ways compute the same model, and jaxdl's sides run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.serving_worker import jaxdl_model
from benchmarks.single import table
from benchmarks.single_worker import FRAMEWORKS


@pytest.mark.parametrize(("framework", "batch"), [("jax.jit", 1), ("jax.jit", 3), ("onnxruntime", 1)])
def test_others_give_what_jaxdl_gives(framework: str, batch: int) -> None:
    pytest.importorskip("onnxruntime" if framework == "onnxruntime" else "jax")
    inputs = np.random.default_rng(0).integers(0, 256, (batch, 28, 28, 1)).astype(np.uint8)
    expected = jaxdl_model("mlp").predict(inputs, notify=lambda line: None)
    np.testing.assert_allclose(FRAMEWORKS[framework]("mlp", batch)(inputs), expected, rtol=1e-4, atol=1e-6)


def test_medians_over_rounds_are_printed() -> None:
    names = [f"{model}/{name}" for model in ("mlp", "cnn") for name in ("median", "p99", "first")]
    rounds = [{"jaxdl": {name: number for name in names}} for number in (1.0, 5.0, 3.0)]
    head, line = table(rounds).splitlines()
    assert head.split() == ["microseconds", *names]
    assert line.split() == ["jaxdl", *["3"] * 6]
