"""A model as a program that needs no jaxdl."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax.export
import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from tests.small import blobs


@pytest.mark.parametrize(
    "model",
    [
        jaxdl.MLP(features=(16,)),
        pytest.param(jaxdl.CNN(features=(4, 4), pool_after=(1,), dense=()), marks=pytest.mark.slow),
    ],
)
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


@pytest.mark.slow
def test_an_exported_program_runs_in_a_process_without_jaxdl(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    trainer = jaxdl.Trainer(recipe, blobs())
    model = jaxdl.TrainedModel(trainer.experiment, trainer.spec, trainer.programs.steps, trainer.init_state())
    inputs = blobs().splits["test"]["inputs"][:2]
    (tmp_path / "program.bin").write_bytes(jaxdl.export_program(model))
    np.save(tmp_path / "inputs.npy", inputs)
    code = (
        "import sys, numpy as np; from jax import export; from pathlib import Path\n"
        "sys.modules['jaxdl'] = None  # an import of it fails\n"
        "program = export.deserialize(bytearray(Path('program.bin').read_bytes()))\n"
        "np.save('found.npy', program.call(np.load('inputs.npy')))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment | {"JAX_PLATFORMS": "cpu"}, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), model.predict(inputs), rtol=1e-4, atol=1e-6)
