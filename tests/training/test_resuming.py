"""What a run directory may be resumed with, and what its record says of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.experiment.config import to_config
from jaxdl.record import RunDirectory, read_record
from jaxdl.training.resuming import check_same_data, earlier_summary, write_record
from tests.small import blobs


def record(**changes: Any) -> dict[str, Any]:
    plain = {"command": ["launch.py"], "started_utc": "now", "data_fingerprint": "none", "spec": {}, "seed": 0}
    return plain | changes


def test_saving_alone_may_change_and_the_outputs_follow_the_data(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    assert earlier_summary(tmp_path, recipe) is None
    with RunDirectory.create(tmp_path, "recipe") as run:
        run.write_config(to_config(jaxdl.replace(recipe, {"model.outputs": 10, "checkpoint.keep": 5})))
    assert earlier_summary(tmp_path, recipe) is None
    with pytest.raises(UserError, match=r"another recipe: optimizer.learning_rate=0.5 \(not 0.01\)"):
        earlier_summary(tmp_path, jaxdl.replace(recipe, {"optimizer.learning_rate": 0.5}))
    with RunDirectory.create(tmp_path, "recipe") as run:
        run.write_summary({"experiment": "recipe", "status": "failed"})
        assert earlier_summary(tmp_path, recipe) is None
        run.write_summary({"experiment": "recipe", "status": "completed"})
    found = earlier_summary(tmp_path, recipe)
    assert found is not None and found["status"] == "completed"


def test_other_data_need_the_users_word_and_as_many_steps(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    dataset = blobs(train=50)
    check_same_data(tmp_path, recipe, dataset, accept_changed=False)
    with RunDirectory.create(tmp_path, "recipe") as run:
        run.write_config(to_config(recipe))
        run.write_record(record(steps_per_epoch=1))
    check_same_data(tmp_path, recipe, dataset, accept_changed=False)
    other = dataclasses.replace(dataset, fingerprint="other")
    with pytest.raises(UserError, match="--accept_changed_data"):
        check_same_data(tmp_path, recipe, other, accept_changed=False)
    check_same_data(tmp_path, recipe, other, accept_changed=True)
    longer = dataclasses.replace(blobs(train=65), fingerprint="other")
    with pytest.raises(UserError, match="an epoch had 1 steps and has 2 now"):
        check_same_data(tmp_path, recipe, longer, accept_changed=True)


def test_each_resumption_is_recorded_with_what_is_different(tmp_path: Path) -> None:
    told: list[str] = []
    with RunDirectory.create(tmp_path, "recipe") as run:
        run.write_config({"name": "recipe"})
        write_record(run, record(), told.append)
        write_record(run, record(), told.append)
        write_record(run, record(seed=1, data_fingerprint="other"), told.append)
    found = read_record(tmp_path)
    assert [again["changed"] for again in found["resumptions"]] == [
        [], ["seed: 1 (was 0)", "data_fingerprint: other (was none)"],
    ]  # fmt: skip
    assert (found["seed"], found["data_fingerprint"]) == (0, "other")
    assert len(told) == 1 and "last bits" in told[0]
