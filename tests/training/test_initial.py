"""Trainings that begin with weights of another run or of a file."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxdl
from jaxdl.checkpoint.weights import read_weights
from jaxdl.errors import UserError
from jaxdl.steps.functions import make_beside_steps
from jaxdl.training.initial import Initial, initial_weights
from tests.checkpoint.test_weights import first_state, write_run
from tests.steps.test_functions import SPEC, experiment
from tests.training.stopped import run, stop_after

MODEL = jaxdl.MLP(features=(4,), normalization="batch")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an MLP with one more layer and three outputs, of seed 7."""
    recipe = experiment(model=jaxdl.MLP(features=(4, 5), normalization="batch"))
    return write_run(tmp_path_factory.mktemp("source") / "run", recipe, {30: first_state(recipe, 7)})


def taken(recipe: jaxdl.Experiment) -> Initial:
    found = initial_weights(recipe, first_state(recipe))
    assert found is not None
    return found


def test_what_fits_by_name_and_shape_is_taken_and_all_else_is_told(source: Path) -> None:
    found = taken(experiment(model=MODEL, init_from=str(source)))
    state = first_state(experiment(model=jaxdl.MLP(features=(4, 5), normalization="batch")), 7)
    assert found.names("taken") == [
        *(f"batch_stats/normalize_1/batch/{name}" for name in ("mean", "var")),
        *(f"params/{name}" for name in ("dense_1/bias", "dense_1/kernel")),
        *(f"params/normalize_1/batch/{name}" for name in ("bias", "scale")),
        "params/output/bias",
    ]
    np.testing.assert_array_equal(found.taken["params/dense_1/kernel"], state.params["dense_1"]["kernel"])
    assert [row[1:] for row in found.rows if row[0] == "another shape"] == [
        ("params/output/kernel", "float32[5, 3] there, float32[4, 3] here")
    ]
    assert len(found.names("left")) == 6
    table = found.table().splitlines()
    assert table[0] == f"init_from {source} (step 30): 7 of the 8 arrays of this model are its"
    assert [line.split() for line in table[1:] if line.startswith("    ")] == [
        ["normalize_1/batch", "mean,", "var,", "bias,", "scale"],
        ["dense_1", "bias,", "kernel"],
        ["output", "bias"],
        ["output", "kernel", "(float32[5,", "3]", "there,", "float32[4,", "3]", "here)"],
        ["normalize_2/batch", "mean,", "var,", "bias,", "scale"],
        ["dense_2", "bias,", "kernel"],
    ]
    digest = hashlib.sha256()
    for name in found.names("taken"):  # in order of their names
        array = found.taken[name]
        digest.update(f"{name}\0float32\0{','.join(map(str, array.shape))}\0".encode() + array.tobytes())
    assert found.record()["sha256"] == digest.hexdigest()


def test_an_expression_says_which_are_taken(source: Path) -> None:
    found = taken(experiment(model=MODEL, init_from=str(source), init_only="normalize_1"))
    assert {name.split("/")[1] for name in found.taken} == {"normalize_1"}
    assert len(found.taken) == 4  # with its statistics
    assert len(found.names("not chosen")) == 4
    with pytest.raises(UserError, match=r"init_only=dense: this chooses none .*Did you mean 'dense_1'\?"):
        taken(experiment(model=MODEL, init_from=str(source), init_only="dense"))
    with pytest.raises(UserError, match="init_only=x says what init_from takes: give init_from, too"):
        experiment(init_only="x").for_spec(SPEC)


def test_where_nothing_fits_what_is_near_is_told(source: Path) -> None:
    with pytest.raises(
        UserError, match=r"nothing of its 14 arrays has name and shape .* dense_1/bias is float32\[4\] there"
    ):
        taken(experiment(model=jaxdl.MLP(features=(6,)), init_from=str(source), init_only="dense_1"))

    with pytest.raises(
        UserError, match=r"Near: dense_3/bias float32\[3\] here, params/dense_2/bias float32\[5\] there"
    ):
        taken(experiment(model=jaxdl.MLP(features=(2, 2, 3)), init_from=str(source), init_only="dense_3"))


def test_a_file_may_name_collections_or_not_and_is_cast(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    state = first_state(experiment(model=MODEL))
    arrays = {
        "dense_1.kernel": np.full((16, 4), 0.1, np.float16),
        "params.dense_1.bias": np.full(4, 0.2, jnp.bfloat16),
        "batch_stats/normalize_1/batch/mean": np.arange(4.0),
        "normalize_1.batch.var": np.arange(4),  # whole numbers
    }
    numpy.save_file(arrays, tmp_path / "a.safetensors")
    found = taken(experiment(model=MODEL, init_from=tmp_path / "a.safetensors", init_only="dense_1|normalize_1"))
    params, model_state = found.put(state)
    assert params["dense_1"]["kernel"].tolist() == np.float32(arrays["dense_1.kernel"]).tolist()
    assert params["dense_1"]["bias"].tolist() == [0.2001953125] * 4  # 0.2 in bfloat16
    assert model_state["batch_stats"]["normalize_1"]["batch"]["mean"].tolist() == [0, 1, 2, 3]
    assert [row[1:] for row in found.rows if row[0] == "another shape"] == [
        ("batch_stats/normalize_1/batch/var", "int64[4] there, float32[4] here")
    ]


def test_the_optimizer_and_the_average_begin_with_what_was_taken(source: Path) -> None:
    def remembers(learning_rate: Any) -> optax.GradientTransformation:
        return optax.GradientTransformation(lambda params: params, lambda updates, state, params: (updates, state))

    recipe = experiment(model=MODEL, init_from=str(source), optimizer=remembers, **{"training.ema": 0.9})
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    state = steps.init_state(0)
    begun = make_beside_steps(recipe, SPEC, 10).begin_with(state, *taken(recipe).put(state))
    kernel = np.asarray(begun.params["dense_1"]["kernel"])
    assert not np.array_equal(kernel, state.params["dense_1"]["kernel"])
    average = begun.opt_state["average"]["params"]
    held = [leaf for leaf in jax.tree.leaves(begun.opt_state["optimizer"]) if np.array_equal(leaf, kernel)]
    assert len(held) == 1
    np.testing.assert_array_equal(average["dense_1"]["kernel"], kernel)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[jaxdl.Experiment, Path, Any]:
    """A recipe that trains the head of another run's network, its directory, and the summary."""
    folder = tmp_path_factory.mktemp("tuned")
    digits = experiment(model=jaxdl.MLP(features=(8,)))
    steps = jaxdl.make_steps(digits, jaxdl.Digits().spec(folder), 10)
    write_run(folder / "source", digits, {3: steps.init_state(9)})
    recipe = jaxdl.replace(
        digits,
        {
            "init_from": str(folder / "source"),
            "init_only": "dense_1",
            "optimizer": jaxdl.Adam(freeze="dense_1", groups={"output/bias": 0.1}),
        },
    )
    told: list[str] = []
    summary = run(recipe, folder / "whole", notify=told.append)
    assert any(line.startswith("init_from ") and "not chosen" in line for line in told)
    return recipe, folder, summary


def test_a_frozen_network_ends_as_it_began(tuned: tuple[jaxdl.Experiment, Path, Any]) -> None:
    _, folder, summary = tuned
    state = jaxdl.load_run(folder / "whole").state
    before = read_weights(folder / "source", "init_from").arrays["params/dense_1/kernel"]
    np.testing.assert_array_equal(state.params["dense_1"]["kernel"], before)
    record = json.loads((folder / "whole/record.json").read_text())["initial"]
    assert record["taken"] == ["params/dense_1/bias", "params/dense_1/kernel"]
    dense = {f"params/dense_1/{name}": array for name, array in state.params["dense_1"].items()}
    assert jaxdl.params_sha256(dense) == record["sha256"]
    assert summary["status"] == "completed"


def test_it_resumes_to_the_bit_without_its_source(
    tuned: tuple[jaxdl.Experiment, Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, folder, whole = tuned
    stop_after(monkeypatch, recipe, folder / "stopped", 1)
    shutil.move(folder / "source", folder / "away")
    resumed = run(recipe, folder / "stopped")
    shutil.move(folder / "away", folder / "source")
    assert resumed["params_sha256"] == whole["params_sha256"]
    assert resumed["metrics"] == whole["metrics"]


def test_a_source_that_has_changed_is_told(tuned: tuple[jaxdl.Experiment, Path, Any]) -> None:
    recipe, folder, _ = tuned
    begun = folder / "begun"  # a run that was killed before its first checkpoint
    begun.mkdir()
    for name in ("config.json", "record.json"):
        shutil.copy(folder / "whole" / name, begun / name)
    shutil.move(folder / "source", folder / "away")
    digits = experiment(model=jaxdl.MLP(features=(8,)))
    write_run(folder / "source", digits, {3: jaxdl.make_steps(digits, jaxdl.Digits().spec(folder), 10).init_state(10)})
    message = r"init_from=.*source has changed since .* was begun: it gives other weights now \(digest"
    with pytest.raises(UserError, match=message):
        run(recipe, begun)
    with pytest.raises(UserError, match=message):
        jaxdl.reproduce(folder / "whole", folder / "again", data_dir=folder, notify=lambda line: None)
    assert not (folder / "again").exists()
    shutil.rmtree(folder / "source")
    shutil.move(folder / "away", folder / "source")


def test_fit_takes_it(tuned: tuple[jaxdl.Experiment, Path, Any], tmp_path: Path) -> None:
    _, folder, _ = tuned
    random = np.random.default_rng(0)
    x, y = random.integers(0, 17, (40, 8, 8, 1)).astype(np.uint8), np.arange(40) % 3
    told: list[str] = []
    result = jaxdl.fit(
        jaxdl.MLP(features=(8,)), (x, y), epochs=1, init_from=folder / "source", freeze="dense_1", notify=told.append
    )
    assert "init_from" in " ".join(told)
    np.testing.assert_array_equal(
        result.model.state.params["dense_1"]["kernel"],
        jaxdl.load_run(folder / "whole").state.params["dense_1"]["kernel"],
    )
