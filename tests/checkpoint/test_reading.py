"""Reading a checkpoint: whatever is not what was written is noticed."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxdl.checkpoint import Checkpoints
from jaxdl.checkpoint.reading import about_digest
from jaxdl.errors import UserError
from tests.checkpoint.states import equal, make_state


def save(folder: Path, seed: int = 0) -> None:
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(1, make_state(seed), about={"epoch": 3})


def test_the_digest_of_what_it_says_is_that_of_its_json_in_the_order_of_the_names() -> None:
    expected = hashlib.sha256(b'{"a": {"c": null, "d": 0.5}, "b": [1]}').hexdigest()
    assert about_digest({"b": [1], "a": {"d": 0.5, "c": None}}) == expected


def test_what_it_says_of_itself_comes_back_and_a_changed_figure_is_noticed(tmp_path: Path) -> None:
    save(tmp_path)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        about = checkpoints.about(1)
    assert (about["step"], about["epoch"], about["best_step"]) == (1, 3, None)
    (file,) = (path for path in (tmp_path / "1" / "about").iterdir() if "digests" in path.read_text())
    file.write_text(json.dumps({**about, "epoch": 4}))
    with (
        Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(UserError, match="/1 is damaged .the digest of its JSON values is not the one"),
    ):
        checkpoints.restore(make_state())


def test_whole_arrays_of_another_state_are_noticed(tmp_path: Path) -> None:
    save(tmp_path / "one", seed=1)
    save(tmp_path / "other", seed=2)
    shutil.rmtree(tmp_path / "one" / "1" / "state")
    shutil.copytree(tmp_path / "other" / "1" / "state", tmp_path / "one" / "1" / "state")
    with (
        Checkpoints(tmp_path / "one", read_only=True) as checkpoints,
        pytest.raises(UserError, match="/1 is damaged .the digest of its state is not the one"),
    ):
        checkpoints.restore(make_state())


def test_the_rows_of_the_epoch_under_way_come_back_where_there_are_some(tmp_path: Path) -> None:
    rows = {"loss": np.array([0.5, 0.25, np.nan], np.float32)}
    rows_like = {"loss": jax.ShapeDtypeStruct((3,), np.float32)}
    state = make_state(4)
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        checkpoints.save(5, state, rows=rows)
        saved = checkpoints.resume(state, rows_like)
        assert saved is not None and saved.step == 5 and equal(saved.state, state)
        assert saved.rows is not None and type(saved.rows["loss"]) is np.ndarray
        np.testing.assert_array_equal(saved.rows["loss"], rows["loss"])
        checkpoints.save(6, state)
        saved = checkpoints.resume(state, rows_like)
        assert saved is not None and (saved.step, saved.rows) == (6, None)


def test_a_best_checkpoint_that_is_missing_counts_only_for_a_run_that_needs_it(tmp_path: Path) -> None:
    state = make_state()
    with Checkpoints(tmp_path, "a") as checkpoints:
        checkpoints.save(1, state, {"a": 0.9})
        checkpoints.save(2, state, {"a": 0.1})
    shutil.rmtree(tmp_path / "1")
    with Checkpoints(tmp_path, "a", read_only=True) as checkpoints:
        saved = checkpoints.resume(state, {})
        assert saved is not None and saved.step == 2
        with pytest.raises(UserError, match="the best checkpoint when it was saved, of step 1, is missing"):
            checkpoints.resume(state, {}, needs_best=True)
