"""Weights by name: of a run as it predicts, and of a safetensors file."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.checkpoint import Checkpoints
from jaxdl.checkpoint.weights import read_weights
from jaxdl.errors import UserError
from tests.steps.test_functions import SPEC, experiment


def write_run(path: Path, recipe: jaxdl.Experiment, states: dict[int, Any], best: int | None = None) -> Path:
    """Writes what a run directory has of a run's weights."""
    path.mkdir()
    (path / "config.json").write_text(json.dumps(jaxdl.to_config(recipe)))
    with Checkpoints(path / "checkpoints", "validation/loss", "min", keep=len(states)) as checkpoints:
        for step, state in states.items():
            checkpoints.save(step, state.replace(step=np.int32(step)), {"validation/loss": float(step != best)})
            checkpoints.wait()
    return path


def first_state(recipe: jaxdl.Experiment, seed: int = 0) -> Any:
    return jaxdl.make_steps(recipe, SPEC, 10).init_state(seed)


def test_of_a_run_they_are_those_it_predicts_by(tmp_path: Path) -> None:
    recipe = experiment(model=jaxdl.MLP(features=(2,), normalization="batch"))
    states = {step: first_state(recipe, step) for step in (1, 2)}
    for final, step in (("last", 2), ("best", 1)):
        run = write_run(tmp_path / final, jaxdl.replace(recipe, {"training.final": final}), states, best=1)
        found = read_weights(run, "init_from")
        assert found.step == step
        np.testing.assert_array_equal(found.arrays["params/dense_1/kernel"], states[step].params["dense_1"]["kernel"])
        assert {name.partition("/")[0] for name in found.arrays} == {"params", "batch_stats"}
        assert found.arrays["batch_stats/normalize_1/batch/var"].tolist() == [1.0, 1.0]


def test_an_average_that_was_moved_is_taken(tmp_path: Path) -> None:
    recipe = experiment(**{"training.ema": 0.9})
    state = first_state(recipe)
    tripled = jax.tree.map(lambda leaf: 3 * leaf, state.opt_state["average"])
    for updates, factor in ((0, 1), (1, 3)):
        average = {**tripled, "updates": np.int32(updates)}
        run = write_run(
            tmp_path / str(updates), recipe, {1: state.replace(opt_state={**state.opt_state, "average": average})}
        )
        kernel = read_weights(run, "init_from").arrays["params/output/kernel"]
        np.testing.assert_array_equal(kernel, factor * np.asarray(state.params["output"]["kernel"]))


def test_of_a_file_names_may_have_points(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    arrays = {"dense_1.kernel": np.ones((2, 3), np.float16), "step": np.arange(3)}
    numpy.save_file(arrays, tmp_path / "a.safetensors")
    found = read_weights(tmp_path / "a.safetensors", "init_from")
    assert found.step is None
    assert {*found.arrays} == {"dense_1/kernel", "step"}
    assert found.arrays["dense_1/kernel"].dtype == np.float16
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-9])
    with pytest.raises(UserError, match=r"b\.safetensors: the file is damaged \(.*not fully covered"):
        read_weights(tmp_path / "b.safetensors", "init_from")


def test_anything_else_is_refused_and_no_pickle_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "executed",))

    (tmp_path / "weights.pt").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "empty.safetensors").touch()
    for name, message in (
        ("weights.pt", r"this is no \.safetensors file.* never from a pickle"),
        ("nothing", r"init_from=.*nothing: there is nothing; give a run directory or"),
        (".", r"this is no run directory \(it has no config\.json\)"),
    ):
        with pytest.raises(UserError, match=message):
            read_weights(tmp_path / name, "init_from")
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    with pytest.raises(UserError, match="needs the package safetensors.*: pip install safetensors"):
        read_weights(tmp_path / "empty.safetensors", "init_from")
    assert not (tmp_path / "executed").exists()
