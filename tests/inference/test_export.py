"""A model as a program that needs no jaxdl."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.errors import UserError
from tests.exported import of_blobs
from tests.padded import recurrent, untrained
from tests.small import blobs


@pytest.mark.slow
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
    with pytest.raises(UserError, match=r"pip install flatbuffers"):
        jaxdl.export_program(trained)


MODELS = [
    jaxdl.MLP(features=(4,)),
    jaxdl.CNN(features=(3, 3), pool_after=(1, 2), dense=(), padding="SAME"),
    jaxdl.CNN(features=(3,), pool_after=(1,), dense=(4,)),
    *(
        pytest.param(model, marks=pytest.mark.slow)
        for model in (
            jaxdl.CNN(features=(4,), pool_after=(1,), dense=(), normalization="batch"),
            jaxdl.CNN(features=(4,), pool_after=(1,), dense=(), normalization="layer"),
            jaxdl.CNN(features=(4,), pool_after=(1,), dense=(), normalization="group"),
            jaxdl.CNN(
                features=(4, 3), pool_after=(1,), dense=(), pool="average", padding="SAME", normalization="group"
            ),
            jaxdl.RNN(features=(3,)),
            jaxdl.RNN(features=(3,), attention=1, pool="mean"),
            jaxdl.ResNet(depth=8, features=(2, 3, 4)),
            jaxdl.ResNet(depth=8, features=(2, 3, 2), shortcut="B"),
            jaxdl.UNet(features=(2, 3), normalization="batch"),
            jaxdl.Autoencoder(features=(3, 2)),
        )
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_built_in_model_is_exported_for_any_batch(recipe: jaxdl.Experiment, model: nn.Module) -> None:
    recipe, spec = dataclasses.replace(recipe, model=model), blobs().spec
    steps = jaxdl.make_steps(recipe, spec, total_steps=1)
    trained = jaxdl.TrainedModel(recipe.for_spec(spec), spec, steps, steps.init_state(np.uint32(0)))
    program = jax.export.deserialize(bytearray(jaxdl.export_program(trained)))
    assert [str(size) for size in program.in_avals[0].shape] == ["batch", "4", "4", "1"]
    inputs = blobs().splits["test"]["inputs"]
    for count in (1, 3):
        expected = steps.predict_step(trained.state, {"inputs": jnp.asarray(inputs[:count])})
        np.testing.assert_allclose(program.call(inputs[:count]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{"training.precision": "bfloat16"}, {"training.ema": 0.9}, {"training.swa": 1}])
def test_precisions_and_averages_are_exported_as_they_predict(fields: dict[str, object]) -> None:
    trained = of_blobs(jaxdl.MLP(features=(4,)), **{path.replace(".", "__"): value for path, value in fields.items()})
    if "training.precision" not in fields:  # an average that is another than the parameters
        moved = jax.tree.map(lambda leaf: leaf + 1, trained.state.opt_state)
        trained = dataclasses.replace(trained, state=trained.state.replace(opt_state=moved))
    program = jax.export.deserialize(bytearray(jaxdl.export_program(trained)))
    inputs = blobs().splits["test"]["inputs"][:3]
    np.testing.assert_allclose(program.call(inputs), trained.predict(inputs), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("fields", [{"bidirectional": True, "cell": "lstm", "pool": "max"}, {"attention": 2}])
def test_time_is_symbolic_where_there_are_lengths(fields: dict[str, object]) -> None:
    trained = untrained(recurrent(**fields))
    program = jax.export.deserialize(bytearray(jaxdl.export_program(trained)))
    assert [str(size) for size in program.in_avals[0].shape] == ["batch", "time", "2"]
    inputs, lengths = np.random.default_rng(0).normal(size=(3, 7, 2)).astype(np.float32), np.array([7, 2, 5], np.int32)
    longer = np.concatenate([inputs, np.ones((3, 4, 2), np.float32)], 1)
    expected = trained.predict(inputs, lengths)
    np.testing.assert_allclose(program.call(longer, lengths), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {},
        pytest.param({"bidirectional": True, "cell": "lstm"}, marks=pytest.mark.slow),
        pytest.param({"every_step": True, "cell": "simple", "features": (3, 3)}, marks=pytest.mark.slow),
    ],
)
def test_the_program_of_a_model_with_lengths_takes_them(fields: dict[str, object]) -> None:
    trained = untrained(recurrent(**fields))
    program = jax.export.deserialize(bytearray(jaxdl.export_program(trained)))
    inputs = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)
    lengths = np.array([7, 0, 3, 1, 6], np.int32)
    found = np.asarray(program.call(inputs, lengths))
    np.testing.assert_allclose(found, trained.predict(inputs, lengths), rtol=1e-5, atol=1e-6)
    assert not np.allclose(found, program.call(inputs, np.full(5, 7, np.int32)))
    wrong = np.asarray(program.call(inputs, np.array([7, -1, 3, 8, 6], np.int32)))
    assert np.isnan(wrong[[1, 3]]).all()
    np.testing.assert_array_equal(wrong[[0, 2, 4]], found[[0, 2, 4]])


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
