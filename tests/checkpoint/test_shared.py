"""The states of several trainings in one checkpoint: each comes back by its name, as long as it has no newer one."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxdl.checkpoint import Checkpoints, SharedCheckpoints
from jaxdl.checkpoint.shared import Kept, Row, host_row, kept_beside, on_device
from jaxdl.errors import UserError
from jaxdl.files.atomic import create_folder
from tests.checkpoint import power
from tests.checkpoint.states import equal, make_state

LIKE = jax.eval_shape(make_state)
ROWS = {"loss": jax.ShapeDtypeStruct((5,), np.float32)}


def shared(folder: Path, notify: Any = lambda text: None) -> SharedCheckpoints:
    return SharedCheckpoints(folder / "programs" / "key" / "checkpoints", folder / "trials", LIKE, ROWS, notify=notify)


def row(seed: int, step: int, *, best: int | None = None, rows: bool = False) -> Row:
    """Returns the row of a training whose state after a step is that of `seed` + step."""
    epoch = {"loss": np.full(5, step, np.float32)} if rows else None
    last = Kept(step, make_state(seed + step), epoch, {}, {"metrics": {"bytes": step}})
    return host_row(last, None if best is None else last._replace(step=best, state=make_state(seed + best), rows=None))


def same(one: Row | None, other: Row) -> bool:
    assert one is not None
    pairs = [(one.last, other.last), *([(one.best, other.best)] if one.best and other.best else [])]
    return (one.best is None) == (other.best is None) and all(
        found.step == kept.step
        and equal(on_device(LIKE, found), on_device(LIKE, kept))
        and found.about == kept.about
        and (found.rows is None) == (kept.rows is None)
        and (found.rows is None or kept.rows is None or np.array_equal(found.rows["loss"], kept.rows["loss"]))
        for found, kept in pairs
        if kept is not None
    )


def test_each_row_comes_back_by_its_name(tmp_path: Path) -> None:
    rows = {"0000": row(0, 3), "0001": row(100, 4, best=2), "0007": row(200, 4, best=4, rows=True)}
    one = shared(tmp_path)
    for name, each in rows.items():
        one.put(name, each)
    one.write()
    two = shared(tmp_path)
    assert all(same(two.get(name), each) for name, each in rows.items())
    assert two.get("0002") is None
    state = on_device(LIKE, rows["0000"].last)
    assert equal(state, make_state(3)) and jax.random.uniform(state.key) == jax.random.uniform(make_state(3).key)


def test_rows_of_trainings_that_have_not_come_back_yet_are_carried_along(tmp_path: Path) -> None:
    first = shared(tmp_path)
    for number in range(4):
        first.put(str(number), row(number, 2))
    first.write()
    for step in (3, 4, 5):  # fewer at the same time now; older checkpoints are removed
        second = shared(tmp_path)
        second.put("1", row(1, step))
        second.write()
    found = shared(tmp_path)
    assert same(found.get("3"), row(3, 2)) and same(found.get("1"), row(1, 5))


def test_a_row_goes_when_its_training_has_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    one = shared(tmp_path)
    for name in ("0", "1", "2"):
        one.put(name, row(0, 2))
    one.write()
    two = shared(tmp_path)
    assert two.get("0") is not None
    two.drop("0")
    (tmp_path / "trials" / "1" / "checkpoints" / "2").mkdir(parents=True)  # its process was killed after this
    (tmp_path / "trials" / "2" / "checkpoints" / "1").mkdir(parents=True)
    two.write()
    three = shared(tmp_path)
    assert [name for name in ("0", "1", "2") if three.get(name) is not None] == ["2"]


def test_of_a_damaged_checkpoint_the_one_before_is_used(tmp_path: Path) -> None:
    one = shared(tmp_path)
    for step in (2, 3):
        one.put("0", row(0, step))
        one.write()
    for file in (one.directory / "3").rglob("*"):
        if file.is_file() and file.stat().st_size > 100:
            file.write_bytes(file.read_bytes()[:-40])
    told: list[str] = []
    assert same(shared(tmp_path, told.append).get("0"), row(0, 2))
    assert len(told) == 1 and f"{one.directory / '3'} is damaged" in told[0] and (one.directory / "damaged-3").exists()


def test_where_all_are_damaged_the_way_out_is_named_and_no_training_is_blamed(tmp_path: Path) -> None:
    one = shared(tmp_path)
    one.put("0", row(0, 2))
    one.write()
    for file in (one.directory / "2" / "state").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(UserError, match=f"is damaged .*remove {one.directory}: the trainings then begin") as caught:
        shared(tmp_path).get("0")
    assert isinstance(caught.value.__cause__, OSError)


def test_where_a_state_is_kept_is_known_for_trials_alone(tmp_path: Path) -> None:
    assert kept_beside(tmp_path / "trials" / "0000") is None
    (tmp_path / "programs").mkdir()
    assert kept_beside(tmp_path / "trials" / "0000") == tmp_path / "programs"
    assert kept_beside(tmp_path / "runs" / "0000") is None


@dataclasses.dataclass(frozen=True)
class Certain:
    """The step of each training that must come back after a power failure."""

    steps: tuple[int, int] = (0, 0)


def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[power.Moment]:
    """Saves two trainings together, then one ends: its own checkpoint first, and the row goes with the next saving."""
    with monkeypatch.context() as patch:
        recorder = power.Recorder(folder, patch)
        create_folder(folder / "trials" / "1")
        together = shared(folder)
        for step in (1, 2, 3):
            together.put("0", row(0, step))
            if step < 3:
                together.put("1", row(100, step))
            else:
                with Checkpoints(folder / "trials" / "1" / "checkpoints") as own:
                    own.save(step, make_state(100 + step))
                together.drop("1")
                recorder.note = Certain((2, 3))
            together.write()
            recorder.note = Certain((step, step))
    return recorder.moments


def failures(folder: Path, tmp_path: Path, moments: list[power.Moment], most: int) -> list[str]:
    """Returns the states, of `most` drawn ones, from which a training comes back with less than what was certain."""
    root = folder.stat().st_ino
    states = {
        tuple(sorted(state.items())): (number, name, moment.note or Certain())
        for number, moment in enumerate(moments)
        for name, state in power.states(moment, root)
    }
    ordered = sorted(states.items(), key=lambda item: item[1][:2])
    wrong = []
    for at, (state, (number, name, certain)) in enumerate(random.Random(0).sample(ordered, min(most, len(ordered)))):
        place = tmp_path / str(at)
        power.write(dict(state), place)
        with Checkpoints(place / "trials" / "1" / "checkpoints") as own:
            saved = own.resume(LIKE, {}, notify=lambda line: None)
        for training, least in enumerate(certain.steps):
            found = shared(place).get(str(training))
            steps = [found.last.step] if found else []
            if training == 1 and saved is not None:
                steps.append(saved.step)
            good = found is None or same(found, row(100 * training, found.last.step))
            if max(steps, default=0) < least or not good:
                wrong.append(f"moment {number}, {name}, training {training}: {steps} instead of {least}")
    return wrong


@pytest.mark.parametrize(
    "most",
    [8, pytest.param(600, marks=[pytest.mark.slow, pytest.mark.nightly])],
)
def test_after_a_power_failure_each_training_comes_back(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    moments = recorded(folder, monkeypatch)
    assert {moment.note for moment in moments} >= {None, Certain((1, 1)), Certain((2, 2)), Certain((2, 3))}
    assert failures(folder, tmp_path, moments, most) == []
