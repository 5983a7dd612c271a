"""A model as a program that needs no jaxdl."""

from __future__ import annotations

from pathlib import Path

import jax.export
import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError


def test_an_exported_program_predicts_for_any_batch_as_the_model_does(
    recipe: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jaxdl.train(
        jaxdl.replace(recipe, {"training.epochs": 1}),
        run_dir=tmp_path / "run",
        data_dir=tmp_path,
        notify=lambda _: None,
    )
    model = jaxdl.load_run(tmp_path / "run", recipe)
    inputs = np.random.default_rng(0).integers(0, 17, (5, 8, 8, 1)).astype(np.uint8)
    program = jax.export.deserialize(bytearray(jaxdl.export_program(model)))
    for count in (1, 5):
        np.testing.assert_allclose(program.call(inputs[:count]), model.predict(inputs[:count]), rtol=1e-5, atol=1e-6)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install .*\[export\]"):
        jaxdl.export_program(model)
