"""A model as a program that needs no jaxdl."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax.export
import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError


@pytest.mark.parametrize("model", [jaxdl.MLP(features=(16,)), jaxdl.CNN(features=(4, 4), pool_after=(1,), dense=())])
def test_an_exported_program_predicts_for_any_batch_as_the_model_does(
    recipe: jaxdl.Experiment, model: jaxdl.MLP | jaxdl.CNN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(recipe, model=model)
    jaxdl.train(
        jaxdl.replace(recipe, {"training.epochs": 1}),
        run_dir=tmp_path / "run",
        data_dir=tmp_path,
        notify=lambda _: None,
    )
    trained = jaxdl.load_run(tmp_path / "run", recipe)
    inputs = np.random.default_rng(0).integers(0, 17, (5, 8, 8, 1)).astype(np.uint8)
    program = jax.export.deserialize(bytearray(jaxdl.export_program(trained)))
    for count in (1, 5):
        np.testing.assert_allclose(program.call(inputs[:count]), trained.predict(inputs[:count]), rtol=1e-5, atol=1e-6)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install .*\[export\]"):
        jaxdl.export_program(trained)
