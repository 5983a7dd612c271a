"""Predictions by native operations: those of XLA up to rounding, or a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.inference.predictor import RUNTIMES
from jaxdl.ops.library import why_not


def test_predictions_are_those_of_jax_up_to_rounding(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    if (problem := why_not()) is not None:
        pytest.skip(problem)
    cnn = jaxdl.CNN(features=(4, 8), pool_after=(2,), dropout=0.0, dense=(16,), dense_dropout=0.0)
    jaxdl.train(jaxdl.replace(recipe, {"model": cnn}), run_dir=tmp_path / "run", notify=None)
    xla, native = (jaxdl.load_run(tmp_path / "run", runtime=runtime) for runtime in RUNTIMES[:2])
    assert (xla.experiment.training.library, native.experiment.training.library) == ("xla", "onednn")
    inputs = recipe.data.load().splits["test"]["inputs"]
    for count in (1, 3, len(inputs)):
        np.testing.assert_allclose(native.predict(inputs[:count]), xla.predict(inputs[:count]), rtol=1e-4, atol=1e-6)


def test_where_they_cannot_be_had_it_is_said_before_the_run_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxdl.inference.predictor.why_not", lambda: "there is no C++ compiler")
    with pytest.raises(UserError, match=r"^runtime=onednn: there is no C\+\+ compiler. runtime=jax computes the same"):
        jaxdl.load_run(tmp_path / "none", runtime="onednn")
