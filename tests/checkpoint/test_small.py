"""Small checkpoints that Orbax does not write: it reads them as its own, whatever they hold, and a kill leaves none of
them in part."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from jaxdl.checkpoint import Checkpoints, small
from jaxdl.checkpoint.reading import STATE, read_checkpoint
from jaxdl.errors import UserError
from tests.checkpoint.states import equal, make_state

_DTYPES = ["bool", "int8", "uint8", "int16", "uint32", "int64", "float16", "float32", "float64", "complex64"]
_ARRAYS = st.sampled_from(_DTYPES).flatmap(
    lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=3, max_side=4))
)
_NAMES = st.text("abcxyz_0189", min_size=1, max_size=8)


def read_by_orbax(folder: Path, step: int) -> Any:
    """Returns the state as Orbax alone reads it, knowing nothing of it."""
    import orbax.checkpoint as ocp

    with ocp.CheckpointManager(folder) as manager:
        return manager.restore(step, args=ocp.args.Composite(**{STATE: ocp.args.StandardRestore()}))[STATE]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(_NAMES, st.one_of(_ARRAYS, st.lists(_ARRAYS, min_size=1, max_size=2)), min_size=1, max_size=4))
def test_orbax_reads_what_it_has_not_written_to_the_bit(tmp_path: Path, state: dict[str, Any]) -> None:
    folder = tmp_path / "c"
    shutil.rmtree(folder, ignore_errors=True)
    with Checkpoints(folder, keep=2) as checkpoints:
        checkpoints.save(1, state)
        checkpoints.save(2, jax.tree.map(lambda array: np.array(array, order="F"), state))
    for step in (1, 2):
        found = read_by_orbax(folder, step)
        jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, np.asarray(b), strict=True), state, found)


def test_it_says_of_itself_what_orbax_says_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The descriptions of the arrays, and of the handlers that read them, are Orbax's own words."""
    state = make_state(3)
    with Checkpoints(tmp_path / "here") as checkpoints:
        checkpoints.save(1, state, {"a": 1.0}, rows={"loss": np.arange(3.0)})
    with monkeypatch.context() as patch, Checkpoints(tmp_path / "orbax") as checkpoints:
        patch.setattr(small, "MOST_BYTES", 0)
        checkpoints.save(1, state, {"a": 1.0}, rows={"loss": np.arange(3.0)})
    here, there = (tmp_path / name / "1" for name in ("here", "orbax"))
    assert not list(here.rglob("ocdbt.process_0")) and list(there.rglob("ocdbt.process_0"))
    for name in ("state/_METADATA", "rows/_METADATA", "about/metadata"):
        assert (here / name).read_bytes() == (there / name).read_bytes()
    one, other = ((each / "_CHECKPOINT_METADATA").read_text() for each in (here, there))
    assert one.partition('"init_timestamp')[0] == other.partition('"init_timestamp')[0]
    with Checkpoints(tmp_path / "here") as a, Checkpoints(tmp_path / "orbax") as b:
        assert equal(a.restore(state), b.restore(state)) and equal(a.restore(state), state)


def test_orbax_writes_once_for_each_structure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import orbax.checkpoint as ocp

    saved: list[str] = []
    save = ocp.CheckpointManager.save

    def noted(self: Any, *arguments: Any, **options: Any) -> Any:
        saved.append(str(self.directory))
        return save(self, *arguments, **options)

    monkeypatch.setattr(ocp.CheckpointManager, "save", noted)
    shape = (3, 5, 7, 11)  # of no other test
    for number in range(3):
        with Checkpoints(tmp_path / str(number)) as checkpoints:
            checkpoints.save(1, {"x": np.full(shape, number, np.float32)})
            checkpoints.save(2, {"x": np.full(shape, -number, np.float32)})
    assert len(saved) == 1
    for number in range(3):
        with Checkpoints(tmp_path / str(number)) as checkpoints:
            assert checkpoints.steps() == [2]
            np.testing.assert_array_equal(checkpoints.restore({"x": np.zeros(shape, np.float32)})["x"], -number)


def test_nothing_is_written_but_beside_the_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may have no other folder that can be written to, and no room in one for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    state = {"x": np.arange(5 * 13, dtype=np.float32).reshape(5, 13)}  # a shape of no other test
    folder = tmp_path / "c"
    left = folder / ".form.draft" / "0"  # by a process that was killed while it made a form
    left.mkdir(parents=True)
    (left / "anything").touch()
    assert small.form_of({STATE: state}, folder) is not None
    assert not list(folder.iterdir())
    with Checkpoints(folder) as checkpoints:
        checkpoints.save(1, state)
        assert [path.name for path in folder.iterdir()] == ["1"]
        assert equal(checkpoints.restore(state), state)


def test_a_reader_takes_the_next_one_where_the_writer_has_removed_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, times = read_checkpoint, []
    with Checkpoints(tmp_path, "a") as writer, Checkpoints(tmp_path, read_only=True) as reader:
        writer.save(1, make_state(1), {"a": 0.1})
        assert reader.steps() == [1]
        writer.save(2, make_state(2), {"a": 0.2})  # the reader has listed what was there before
        assert equal(reader.restore(make_state(), "last"), make_state(2))

        def late(manager: Any, directory: Path, step: int, *arguments: Any) -> Any:
            times.append(step)
            if step < 4:
                writer.save(step + 1, make_state(step + 1), {"a": step})  # `step` is neither the last nor the best now
            return read(manager, directory, step, *arguments)

        monkeypatch.setattr("jaxdl.checkpoint.checkpoints.read_checkpoint", late)
        assert equal(reader.restore(make_state(), "best"), make_state(4)) and times == [2, 3, 4]
        damaged = next((tmp_path / "4" / "state").glob("*.ocdbt"))
        damaged.write_bytes(b"")
        with pytest.raises(UserError, match="the checkpoint .*4 is damaged"):  # nothing has changed meanwhile
            reader.restore(make_state(), "last")


@pytest.mark.parametrize(
    "state",
    [{"x": jnp.ones(3, jnp.int4)}, {"x": jnp.ones(2**21)}],
    ids=["4 bits", "large"],
)
def test_what_is_not_small_or_plain_is_left_to_orbax(tmp_path: Path, state: dict[str, Any]) -> None:
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state)
        checkpoints.wait()
        found = checkpoints.restore(state)
    assert list(tmp_path.rglob("ocdbt.process_0"))
    jax.tree.map(lambda one, other: np.testing.assert_array_equal(one, np.asarray(other)), state, found)


def test_what_a_killed_process_was_writing_or_removing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither has a name that is taken for a checkpoint, and both are gone once a process writes there again."""

    class Killed(BaseException):
        pass

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with Checkpoints(tmp_path) as checkpoints, monkeypatch.context() as patch:
        checkpoints.save(1, make_state(1))
        patch.setattr(shutil, "rmtree", killed)  # a killed process does not tidy up either
        with pytest.raises(Killed):
            checkpoints.save(2, make_state(2))  # killed while it removes 1
        patch.setattr(os, "rename", killed)
        with pytest.raises(Killed):
            checkpoints.save(3, make_state(3))  # killed before 3 has its name
    assert len(list(tmp_path.iterdir())) == 3
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.steps() == [2] and equal(checkpoints.restore(make_state()), make_state(2))
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [2]
        checkpoints.save(3, make_state(3))
    assert [path.name for path in tmp_path.iterdir()] == ["3"]


def test_checkpoints_that_orbax_wrote_are_ranked_with_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, Checkpoints(tmp_path, "a") as checkpoints:
        patch.setattr(small, "MOST_BYTES", 0)  # as earlier versions do
        for step, value in ((1, 0.5), (2, 0.9), (3, 0.1)):
            checkpoints.save(step, make_state(step), {"a": value})
    with Checkpoints(tmp_path, "a") as checkpoints:
        checkpoints.save(4, make_state(4), {"a": 0.2})
        assert (checkpoints.steps(), checkpoints.best_step()) == ([2, 4], 2)
        checkpoints.save(5, make_state(5), {"a": 0.95})
        assert (checkpoints.steps(), checkpoints.best_step()) == ([5], 5)
        assert equal(checkpoints.restore(make_state()), make_state(5))
