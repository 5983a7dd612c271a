"""Checkpoints after a power failure: at every moment, the last one that was certain, or a later one, comes back."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest

from jaxdl.checkpoint import Checkpoints, small
from jaxdl.checkpoint.arrays import host_copy
from jaxdl.errors import UserError
from jaxdl.files.atomic import sync_tree
from tests.checkpoint import power
from tests.checkpoint.states import equal, make_state

SAVED = (1, 2, 3)


def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int) -> list[power.Moment]:
    """Saves a few states, of which one is kept, and returns the moments; each notes the last state that is certain."""
    with monkeypatch.context() as patch:
        patch.setattr(small, "MOST_BYTES", most_bytes)
        recorder = power.Recorder(folder, patch)
        with Checkpoints(folder / "checkpoints", keep=1) as checkpoints:
            for step in SAVED:
                checkpoints.save(step, make_state(step))
                checkpoints.wait()
                recorder.note = step
    return recorder.moments


def failures(folder: Path, tmp_path: Path, moments: list[power.Moment], most: int) -> list[str]:
    """Returns the states, of `most` drawn ones, from which something else is restored than what was certain."""
    root = folder.stat().st_ino
    states = {
        tuple(sorted(state.items())): (number, name, moment.note or 0)
        for number, moment in enumerate(moments)
        for name, state in power.states(moment, root)
    }
    drawn = random.Random(0).sample(sorted(states.items(), key=lambda item: item[1]), min(most, len(states)))
    like, wrong = make_state(), []
    for at, (state, (number, name, certain)) in enumerate(drawn):
        place = tmp_path / str(at)
        power.write(dict(state), place)
        with Checkpoints(place / "checkpoints") as checkpoints:
            saved = checkpoints.resume(like, {}, notify=lambda line: None)
        if (saved.step if saved else 0) < certain or (saved and not equal(saved.state, make_state(saved.step))):
            wrong.append(f"moment {number}, {name}: {saved.step if saved else None} instead of {certain}")
    return wrong


def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, most_bytes: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    small.form_of({"state": host_copy(make_state())}, tmp_path / "once")  # a process makes it once
    moments = recorded(folder, monkeypatch, most_bytes)
    assert {moment.note for moment in moments} == {None, 1, 2}
    assert failures(folder, tmp_path, moments, most) == []


@pytest.mark.parametrize("most_bytes", [small.MOST_BYTES, 0], ids=["small", "by Orbax"])
def test_after_a_power_failure_the_last_certain_checkpoint_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int
) -> None:
    check(tmp_path, monkeypatch, 25, most_bytes)


@pytest.mark.slow
@pytest.mark.parametrize("most_bytes", [small.MOST_BYTES, 0], ids=["small", "by Orbax"])
@pytest.mark.parametrize("most", [75, pytest.param(400, marks=pytest.mark.nightly)])
def test_after_any_power_failure_the_last_certain_checkpoint_comes_back(
    most: int, most_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(tmp_path, monkeypatch, most, most_bytes)


def test_a_checkpoint_whose_arrays_were_not_put_together_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orbax finds no folder of a process where it cannot list them, and goes on as if all were well."""
    from etils import epath

    glob = type(epath.Path(tmp_path)).glob

    def blind(self: Any, pattern: str) -> Any:
        return iter(()) if pattern.startswith("ocdbt.process_") else glob(self, pattern)

    monkeypatch.setattr(small, "MOST_BYTES", 0)
    with Checkpoints(tmp_path / "c", keep=1) as checkpoints:
        checkpoints.save(1, make_state(1))
        checkpoints.wait()
    checkpoints = Checkpoints(tmp_path / "c", keep=1)
    with monkeypatch.context() as patch:
        patch.setattr(type(epath.Path(tmp_path)), "glob", blind)
        checkpoints.save(2, make_state(2))
        with pytest.raises(UserError, match="its arrays were not put together"):
            checkpoints.close()
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.steps() == [1] and equal(checkpoints.restore(make_state()), make_state(1))


def test_what_cannot_be_listed_is_not_taken_for_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(OSError, match="Input/output error"):
        sync_tree(tmp_path)
