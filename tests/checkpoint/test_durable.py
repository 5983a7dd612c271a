"""Checkpoints after a power failure: at every moment, the last one that was certain, or a later one, comes back."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from jaxdl.checkpoint import Checkpoints
from tests.checkpoint import power
from tests.checkpoint.states import equal, make_state

SAVED = (1, 2, 3)


def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[power.Moment]:
    """Saves a few states, of which one is kept, and returns the moments; each notes the last state that is certain."""
    with monkeypatch.context() as patch:
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


def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    moments = recorded(folder, monkeypatch)
    assert {moment.note for moment in moments} == {None, 1, 2}
    assert failures(folder, tmp_path, moments, most) == []


def test_after_a_power_failure_the_last_certain_checkpoint_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(tmp_path, monkeypatch, most=40)


@pytest.mark.slow
def test_after_any_power_failure_the_last_certain_checkpoint_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(tmp_path, monkeypatch, most=1_000)
