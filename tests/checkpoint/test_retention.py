"""Which checkpoints are kept, and which of them is the best."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from jaxdl.checkpoint import Checkpoints
from jaxdl.errors import UserError
from tests.checkpoint.states import equal, make_state


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("max", [0.1, 0.5, 0.5, 0.2], 2),  # the earliest of equals
        ("min", [0.4, 0.2, 0.2, 0.3], 2),
        ("max", [float("nan"), 0.3, float("nan"), 0.1], 2),
        ("min", [3.0, 2.0, 1.0, 0.5], 4),
    ],
)
def test_the_last_and_the_best_are_kept(tmp_path: Path, mode: Any, values: list[float], best: int) -> None:
    with Checkpoints(tmp_path, "validation/x", mode) as checkpoints:
        for step, value in enumerate(values, 1):
            checkpoints.save(step, make_state(step), {"validation/x": value, "validation/confusion": [[1]]})
        checkpoints.wait()
        assert checkpoints.steps() == sorted({best, 4})
        assert (checkpoints.best_step(), checkpoints.latest_step()) == (best, 4)
    assert sorted(int(p.name) for p in tmp_path.iterdir()) == sorted({best, 4})
    with Checkpoints(tmp_path, read_only=True) as checkpoints:  # a reader need not know the metric
        like = make_state()
        assert checkpoints.restore(like, "best").step == best
        assert checkpoints.restore(like, "last").step == checkpoints.restore(like).step == 4
        assert checkpoints.restore(like, best).step == best


def test_the_best_is_still_known_after_reopening(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, "a") as checkpoints:
        checkpoints.save(1, make_state(1), {"a": 0.9})
    with Checkpoints(tmp_path, "a") as checkpoints:
        checkpoints.save(2, make_state(2), {"a": 0.1})
        checkpoints.save(3, make_state(3), {"a": 0.2})
    with Checkpoints(tmp_path, "a", read_only=True) as checkpoints:
        assert (checkpoints.steps(), checkpoints.best_step()) == ([1, 3], 1)


def test_without_a_metric_the_best_is_the_last(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, make_state(step), {"a": 1.0 / step})
        checkpoints.wait()
        assert (checkpoints.steps(), checkpoints.best_step()) == ([2, 3], None)
        assert checkpoints.restore(make_state(), "best").step == 3


def test_an_earlier_step_can_be_saved_after_a_later_one(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, "a") as checkpoints:
        checkpoints.save(5, make_state(5), {"a": 0.1})
        checkpoints.save(3, make_state(3), {"a": 0.9})
        checkpoints.wait()
        assert (checkpoints.steps(), checkpoints.best_step(), checkpoints.latest_step()) == ([3, 5], 3, 5)
        assert equal(checkpoints.restore(make_state(), "best"), make_state(3))
        checkpoints.save(6, make_state(6), {"a": 0.2})
        checkpoints.wait()
        assert (checkpoints.steps(), checkpoints.best_step()) == ([3, 6], 3)


@pytest.mark.slow
def test_a_run_that_ends_with_its_best_state_goes_on_from_before_a_damaged_one(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, "a", keep=3) as checkpoints:
        for step, value in ((1, 0.2), (2, 0.9), (3, 0.1), (4, 0.3)):
            checkpoints.save(step, make_state(step), {"a": value})
    file = next(path for path in (tmp_path / "2" / "state").rglob("d/*") if path.is_file())
    file.write_bytes(file.read_bytes()[:-8])
    shutil.copytree(tmp_path, tmp_path.with_name("other"))
    lines: list[str] = []
    with Checkpoints(tmp_path.with_name("other"), "a", keep=3) as checkpoints:
        saved = checkpoints.resume(make_state(), {}, lines.append)
        assert saved is not None and saved.step == 4 and lines == []
    with Checkpoints(tmp_path, "a", keep=3) as checkpoints:
        with pytest.raises(UserError, match=r"/2 is damaged"):
            checkpoints.restore(make_state(), "best")
        with pytest.raises(UserError, match=r"there is no older one"):
            checkpoints.resume(make_state(), {}, lines.append, needs_best=True)


def test_the_best_is_missed_where_it_was_removed(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, "a") as checkpoints:
        checkpoints.save(1, make_state(1), {"a": 0.9})
        checkpoints.save(2, make_state(2), {"a": 0.1})
    shutil.rmtree(tmp_path / "1")
    with (
        Checkpoints(tmp_path, read_only=True) as checkpoints,
        pytest.raises(UserError, match="the best checkpoint of .*, of step 1, is missing"),
    ):
        checkpoints.restore(make_state(), "best")


def test_one_that_was_half_removed_hides_neither_the_last_nor_the_best(tmp_path: Path) -> None:
    states = {step: make_state(step) for step in (1, 2, 3)}
    with Checkpoints(tmp_path / "c", "loss", "min", keep=2) as checkpoints:
        for step, loss in ((1, 0.1), (2, 0.3), (3, 0.2)):
            checkpoints.save(step, states[step], {"loss": loss})
    shutil.rmtree(tmp_path / "c" / "2" / "about")
    with Checkpoints(tmp_path / "c", "loss", "min", keep=2) as checkpoints:
        assert checkpoints.best_step() == 1
        assert equal(checkpoints.restore(states[1], "best"), states[1])
        assert equal(checkpoints.restore(states[3]), states[3])
    shutil.rmtree(tmp_path / "c" / "1" / "about")
    with Checkpoints(tmp_path / "c", "loss", "min", keep=2) as checkpoints, pytest.raises(UserError, match="damaged"):
        checkpoints.restore(states[1], "best")
