"""The update of whole trainings as a native operation: they learn the same, resume to the bit, and share devices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.backend.mesh import make_mesh
from jaxdl.ops import library
from jaxdl.steps import update
from jaxdl.steps.layout import Layout
from jaxdl.steps.update import may_be_in_place
from jaxdl.training.hooks import Hooks
from tests.steps.test_functions import SPEC, batch, experiment

# The operations are built once for all tests here: in one process.
pytestmark = [
    pytest.mark.xdist_group("onednn"),
    pytest.mark.skipif(not library.can_be_built(), reason="needs a C++ compiler and the extra native"),
]
ROOT = Path(__file__).resolve().parents[2]
PARAMS = {"kernel": np.zeros((4, 3), np.float32)}
# A process with 8 devices of the CPU; prints nothing where all is well.
CODE = """
import jax
jax.config.update("jax_num_cpu_devices", 8)
import jaxdl, numpy as np
from jaxdl.steps import update
from tests.steps.test_update import trained, twin

update.LEAST = 0

found = {}
for devices in (1, 8):
    trainer, losses, state = trained(twin(devices=devices))
    text = trainer.programs.optimized_text("train")
    assert text.count('custom_call_target="jaxdl_adam"') == 1 and "all-gather" not in text
    for leaf in jax.tree.leaves(state.params):
        copies = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        assert len(copies) == devices and all(np.array_equal(copy, copies[0]) for copy in copies)
    found[devices] = losses, jax.tree.map(np.asarray, state.params)
for losses, params in found.values():
    np.testing.assert_allclose(losses, found[1][0], rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-4), params, found[1][1])
"""


@pytest.fixture(autouse=True)
def small_updates_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "LEAST", 0)


def test_small_updates_are_those_of_xla(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "LEAST", 13)
    assert not may_be_in_place(twin(), None, PARAMS)
    monkeypatch.setattr(update, "LEAST", 12)
    assert may_be_in_place(twin(), None, PARAMS)


def twin(**fields: Any) -> jaxdl.Experiment:
    """A recipe of some steps, with a layer that is large enough for several threads."""
    recipe = jaxdl.Experiment(
        name="update",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(160,), dropout=0.1),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.AdamW(learning_rate=1e-2, clip_norm=1.0, schedule=jaxdl.Cosine()),
        training=jaxdl.Training(epochs=2, batch_size=64, ema=0.5, library="onednn"),
    )
    return jaxdl.replace(recipe, {f"training.{name}": value for name, value in fields.items()})


def trained(recipe: jaxdl.Experiment) -> tuple[jaxdl.Trainer, np.ndarray, Any]:
    """Returns a trainer after twelve steps, the losses, and the state."""
    trainer = jaxdl.Trainer(recipe, recipe.data.load(Path("no folder"), print))
    state, losses = trainer.advance(trainer.init_state(), 12)
    return trainer, np.asarray(losses), state


def calls(trainer: jaxdl.Trainer) -> int:
    return trainer.programs.source_text("train").count("@jaxdl_adam")


def test_a_training_learns_as_with_xla_s_operations_and_its_state_has_the_same_form():
    (native, losses, state), (own, expected, other) = (trained(twin(library=name)) for name in ("onednn", "xla"))
    assert (calls(native), calls(own)) == (1, 0)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert jax.tree.structure(state) == jax.tree.structure(other)  # type: ignore[operator]
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)  # noqa: E731
    jax.tree.map(close, state.params, other.params)
    jax.tree.map(close, state.opt_state["average"]["params"], other.opt_state["average"]["params"])
    pairs = zip(jax.tree.leaves(state.params), jax.tree.leaves(other.params), strict=True)
    assert any((np.asarray(a) != b).any() for a, b in pairs)


def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path):
    straight = jaxdl.train(twin(), run_dir=tmp_path / "straight", notify=None, hooks=Hooks(plots=False))
    stop = Hooks(give_up=lambda epoch, figures: epoch == 1, plots=False)
    assert jaxdl.train(twin(), run_dir=tmp_path / "run", notify=None, hooks=stop)["status"] == "preempted"
    again = jaxdl.train(twin(), run_dir=tmp_path / "run", notify=None, hooks=Hooks(plots=False))
    assert again["params_sha256"] == straight["params_sha256"]


@pytest.mark.parametrize("fields", [{"norms": True}, {"nan": "skip"}, {"precision": "float16"}])
def test_where_the_old_arrays_or_the_updates_are_needed_the_update_is_xla_s(fields):
    recipe = twin(**fields)
    assert not may_be_in_place(recipe, None, PARAMS)
    assert calls(jaxdl.Trainer(recipe, recipe.data.load(Path("no folder"), print))) == 0


def test_parameters_that_are_divided_among_devices_are_xla_s():
    mesh = make_mesh((("data", 1),), jax.devices())
    assert may_be_in_place(twin(), None, PARAMS)
    layouts = [Layout(mesh, shard) for shard in ("replicated", "fsdp", "rules")]
    assert [may_be_in_place(twin(), layout, PARAMS) for layout in layouts] == [True, False, False]


def test_trainings_side_by_side_step_as_each_does_alone():
    recipe = experiment(**{"optimizer": jaxdl.Adam(), "training.library": "onednn"})
    steps, hparams = jaxdl.make_steps(recipe, SPEC, 10), jaxdl.hyperparameters(recipe)
    state, rates = steps.init_state(0), np.array([1e-3, 1e-2], np.float32)
    several = {name: np.full(2, number, np.float32) for name, number in hparams.items()}
    together = jax.vmap(steps.train_step, (None, None, 0))
    found, _ = together(state, batch(), several | {"optimizer.learning_rate": rates})
    for place, rate in enumerate(rates):
        alone, _ = steps.train_step(state, batch(), hparams | {"optimizer.learning_rate": rate})
        close = lambda a, b: np.testing.assert_allclose(a[place], b, rtol=1e-5, atol=1e-7)  # noqa: B023, E731
        jax.tree.map(close, found.params, alone.params)


@pytest.mark.slow
@pytest.mark.slow
def test_each_of_several_devices_updates_its_own_copy():
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
