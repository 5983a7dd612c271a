"""Runs begun under an older arithmetic: refused where the recipe uses what changed, and continued elsewhere."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.errors import UserError
from jaxdl.models.layers import Normalize
from jaxdl.record import read_record
from jaxdl.training.arithmetic import ARITHMETIC, check_same_arithmetic
from tests.padded import recurrent
from tests.small import blobs
from tests.training.stopped import run, stop_after

SPEC = blobs().spec


class Own(nn.Module):
    """A user's model with a layer of jaxdl's."""

    kind: str = "batch"

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        return Normalize(self.kind)(nn.Dense(3)(inputs.reshape(len(inputs), -1)), train)


NESTEROV = jaxdl.Adam(nesterov=True)
CHANGED: list[tuple[dict[str, Any], str]] = [
    ({"model": jaxdl.MLP(normalization="layer")}, "normalisation of activations"),
    ({"model": jaxdl.CNN(kernel=(2, 2), pool_after=(), normalization="group")}, "normalisation of activations"),
    ({"model": Own()}, "normalisation of activations"),
    ({"optimizer.schedule": jaxdl.OneCycle()}, "schedule one_cycle"),
    ({"optimizer": NESTEROV, "model": Own()}, "normalisation of activations and Nesterov's form of Adam"),
]
UNCHANGED: list[dict[str, Any]] = [
    {},
    {"model": Own("none")},
    {"optimizer": jaxdl.Adam(schedule=jaxdl.Exponential(staircase=True))},
    {"optimizer": jaxdl.SGD(momentum=0.9, nesterov=True)},
]


def recorded(folder: Path, arithmetic: int | None) -> Path:
    (folder / "record.json").write_text(json.dumps({} if arithmetic is None else {"arithmetic": arithmetic}))
    return folder


@pytest.mark.parametrize(("changes", "part"), CHANGED)
def test_a_recipe_that_uses_a_changed_part_is_refused_with_the_version_that_can_finish_it(
    recipe: jaxdl.Experiment, tmp_path: Path, changes: dict[str, Any], part: str
) -> None:
    fitted = jaxdl.replace(recipe, changes).for_spec(SPEC)
    check_same_arithmetic(tmp_path, fitted, SPEC)  # there is no run yet
    with pytest.raises(UserError, match=rf"another arithmetic of {part}\. jaxdl 0\.1\.0 can finish or reproduce it"):
        check_same_arithmetic(recorded(tmp_path, None), fitted, SPEC)
    check_same_arithmetic(recorded(tmp_path, ARITHMETIC), fitted, SPEC)


def test_a_regression_begun_before_its_targets_were_standardised_is_refused(
    recipe: jaxdl.Experiment, tmp_path: Path
) -> None:
    spec = dataclasses.replace(SPEC, target=jaxdl.Preprocess(mean=(3.0,), deviation=(2.0,)), class_names=())
    recorded(tmp_path, 2)
    values = jaxdl.replace(recipe, {"objective": jaxdl.MeanSquaredError()})
    with pytest.raises(UserError, match=r"arithmetic of numbers to predict.*jaxdl 0\.2\.0 can finish"):
        check_same_arithmetic(tmp_path, values.for_spec(spec), spec)
    check_same_arithmetic(tmp_path, recipe.for_spec(SPEC), SPEC)
    as_before = dataclasses.replace(spec, target=jaxdl.Preprocess())
    check_same_arithmetic(tmp_path, values.for_spec(as_before), as_before)


def test_sequences_begun_before_they_were_ordered_by_length_are_refused(tmp_path: Path) -> None:
    experiment = recurrent()
    spec = experiment.data.load().spec
    recorded(tmp_path, 2)
    with pytest.raises(UserError, match=r"arithmetic of sequences of different lengths.*jaxdl 0\.2\.0 can finish"):
        check_same_arithmetic(tmp_path, experiment.for_spec(spec), spec)
    without = jaxdl.replace(experiment, {"training.buckets": 1}).for_spec(spec)
    check_same_arithmetic(tmp_path, without, spec)


@pytest.mark.parametrize("changes", UNCHANGED)
def test_a_recipe_without_changed_parts_goes_on(
    recipe: jaxdl.Experiment, tmp_path: Path, changes: dict[str, Any]
) -> None:
    check_same_arithmetic(recorded(tmp_path, None), jaxdl.replace(recipe, changes).for_spec(SPEC), SPEC)


@pytest.mark.slow
def test_a_run_begun_before_is_refused_and_stays_as_it_is_but_can_be_evaluated(
    recipe: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = jaxdl.replace(recipe, {"model.normalization": "batch", "optimizer": NESTEROV})
    run_dir = tmp_path / "run"
    stop_after(monkeypatch, recipe, run_dir, savings=2)
    record = read_record(run_dir)
    assert record.pop("arithmetic") == ARITHMETIC
    (run_dir / "record.json").write_text(json.dumps(record))
    before = {path: path.read_bytes() for path in run_dir.rglob("[!.]*") if path.is_file()}
    with pytest.raises(UserError, match=r"jaxdl 0\.1\.0 can finish"):
        run(recipe, run_dir)
    assert before == {path: path.read_bytes() for path in before}
    metrics = jaxdl.evaluate(run_dir, recipe, tmp_path)["metrics"]
    assert 0 <= metrics["test/accuracy"] <= 1


@pytest.mark.slow
def test_a_finished_run_is_not_reproduced_with_another_arithmetic(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    recipe = jaxdl.replace(recipe, {"optimizer.schedule": jaxdl.OneCycle()})
    run(recipe, tmp_path / "run")
    record = read_record(tmp_path / "run")
    (tmp_path / "run" / "record.json").write_text(json.dumps(record | {"arithmetic": 1}))
    with pytest.raises(UserError, match=r"schedule one_cycle\. jaxdl 0\.1\.0 can"):
        jaxdl.reproduce(tmp_path / "run", tmp_path / "again", recipe, tmp_path)
    assert not (tmp_path / "again").exists()
