"""What a run directory says of an earlier start, and what its record says of each resumption."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.experiment.config import to_config
from jaxdl.record import RunDirectory, read_record
from jaxdl.training.resuming import about_programs, check_same_data, earlier_summary, newest_unfinished, write_record
from tests.small import blobs


def begun(folder: Path, recipe: jaxdl.Experiment, status: str | None = None) -> Path:
    """Makes the files of a run that was begun with a recipe, and ended with a status."""
    with RunDirectory.create(folder, recipe.name) as run:
        run.write_config(to_config(recipe))
        if status is not None:
            run.write_summary({"experiment": recipe.name, "status": status})
    return folder


@pytest.mark.parametrize("status", ["completed", "preempted", "failed", "diverged", None])
def test_only_a_completed_run_is_finished(recipe: jaxdl.Experiment, tmp_path: Path, status: str | None) -> None:
    assert earlier_summary(tmp_path, recipe) is None  # nothing is there yet
    found = earlier_summary(begun(tmp_path / "run", recipe, status), recipe)
    assert (found and found["status"]) == ("completed" if status == "completed" else None)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, r"seed=1 \(not 0\)"),
        ({"optimizer.learning_rate": 0.5}, r"learning_rate=0\.5 \(not 0\.01\)"),
        ({"training.watch": "train/loss"}, "watch=train/loss"),
        ({"training.epochs": 9}, r"epochs=9 \(not 2\)"),
        ({"checkpoint.every": "1h"}, None),
        ({"checkpoint.keep": 5}, None),
        ({"training.eval_batch_size": 7}, r"eval_batch_size=7"),
    ],
)
def test_a_run_resumes_with_the_same_recipe_but_may_be_saved_in_another_way(
    recipe: jaxdl.Experiment, tmp_path: Path, change: dict[str, Any], named: str | None
) -> None:
    folder, other = begun(tmp_path / "run", recipe), jaxdl.replace(recipe, change)
    if named is None:
        assert earlier_summary(folder, other) is None
        return
    with pytest.raises(UserError, match=f"another recipe: .*{named}.* Give another --run_dir"):
        earlier_summary(folder, other)


def test_a_field_that_follows_the_data_is_no_difference(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    fitted = recipe.for_spec(blobs().spec)
    assert fitted != recipe
    assert earlier_summary(begun(tmp_path / "run", fitted), recipe) is None


def test_metrics_that_follow_from_the_objective_are_no_difference(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    named = jaxdl.replace(recipe, {"metrics": ("accuracy",)})
    assert earlier_summary(begun(tmp_path / "run", named), jaxdl.replace(recipe, {"metrics": None})) is None
    with pytest.raises(UserError, match=r"another recipe: metrics=f1 \(not accuracy\)"):
        earlier_summary(tmp_path / "run", jaxdl.replace(recipe, {"metrics": ("f1",)}))


def test_a_regression_begun_when_accuracy_was_the_default_is_read_but_not_continued(
    recipe: jaxdl.Experiment, tmp_path: Path
) -> None:
    now = jaxdl.replace(recipe, {"objective": jaxdl.MeanSquaredError(), "metrics": None})
    then = jaxdl.replace(now, {"metrics": ("accuracy",)})
    finished = earlier_summary(begun(tmp_path / "finished", then, "completed"), now)
    assert finished is not None and finished["status"] == "completed"
    with pytest.raises(
        UserError, match="was begun by an earlier jaxdl, which measured accuracy where it means nothing"
    ):
        earlier_summary(begun(tmp_path / "unfinished", then, "preempted"), now)


def test_other_data_are_refused_or_accepted_if_an_epoch_has_as_many_steps(
    recipe: jaxdl.Experiment, tmp_path: Path
) -> None:
    dataset = dataclasses.replace(blobs(), fingerprint="first")
    check_same_data(tmp_path, recipe, dataset, False)  # there is no record yet
    record = {"data_fingerprint": "first", "steps_per_epoch": recipe.steps_per_epoch(50)}
    (tmp_path / "record.json").write_text(json.dumps(record))
    check_same_data(tmp_path, recipe, dataset, False)
    other = dataclasses.replace(dataset, fingerprint="second")
    with pytest.raises(UserError, match=r"was started with other data than the present blobs: .*--accept_changed_data"):
        check_same_data(tmp_path, recipe, other, False)
    check_same_data(tmp_path, recipe, other, True)
    twice = dataclasses.replace(other, passes=2)
    assert record["steps_per_epoch"] == 1
    with pytest.raises(UserError, match="an epoch had 1 steps and has 2 now"):
        check_same_data(tmp_path, recipe, twice, True)


def test_the_record_of_the_start_stays_and_each_resumption_says_what_was_different(tmp_path: Path) -> None:
    first = {"command": ["one"], "started_utc": "1", "seed": 0, "data_fingerprint": "a", "spec": {"input_shape": [4]}}
    lines: list[str] = []
    with RunDirectory.create(tmp_path / "run", "recorded") as run:
        write_record(run, first, lines.append)
        assert read_record(run.path) == first
        write_record(run, first | {"command": ["two"], "started_utc": "2"}, lines.append)
        assert lines == []
        write_record(run, first | {"command": ["three"], "started_utc": "3", "data_fingerprint": "b"}, lines.append)
    found = read_record(tmp_path / "run")
    assert (found["command"], found["started_utc"], found["data_fingerprint"]) == (["one"], "1", "b")
    assert [(each["command"], len(each["changed"])) for each in found["resumptions"]] == [(["two"], 0), (["three"], 1)]
    assert len(lines) == 1 and "data_fingerprint" in lines[0] and "under other conditions" in lines[0]


def test_a_record_names_shapes_and_programs(recipe: jaxdl.Experiment) -> None:
    trainer = jaxdl.Trainer(recipe, blobs())
    trainer.compile()
    found = about_programs(trainer)
    assert (found["steps_per_epoch"], found["side_by_side"]) == (1, 1)
    assert found["spec"]["input_shape"] == (4, 4, 1) and np.dtype(found["spec"]["input_dtype"]) == np.uint8
    assert found["compiler_options"] == {n: o for n, o in trainer.programs.compiler_options.items() if o}


def test_the_newest_unfinished_run_of_the_same_recipe_is_found(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    runs = tmp_path / recipe.name
    assert newest_unfinished(tmp_path, recipe) is None
    runs.mkdir()
    oldest = begun(runs / "20260101T000000Z-000000", recipe, "failed")
    unfinished = begun(runs / "20260102T000000Z-000000", recipe)
    begun(runs / "20260103T000000Z-000000", recipe, "completed")
    begun(runs / "20260104T000000Z-000000", recipe, "diverged")
    begun(runs / "20260105T000000Z-000000", jaxdl.replace(recipe, {"seed": 9}), "preempted")
    (runs / "sweep-12345678").mkdir()
    assert newest_unfinished(tmp_path, recipe) == unfinished
    (unfinished / "config.json").write_text("{")
    assert newest_unfinished(tmp_path, recipe) == oldest
