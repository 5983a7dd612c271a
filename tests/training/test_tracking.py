"""Trainings with trackers: what they are given, and that nothing depends on them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.training import tracking


class Noting:
    """Notes what it is given."""

    made: list[Noting] = []  # noqa: RUF012

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.made.append(self)

    def begin(self, run: jaxdl.TrackedRun) -> str | None:
        self.run = run
        return "id"

    def log(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        self.calls.append((step, epoch, *figures))

    def show(self, step: int, name: str, value: np.ndarray | str) -> None:
        self.calls.append((step, name, value if isinstance(value, str) else value.shape))

    def end(self, status: str, figures: Mapping[str, float]) -> None:
        self.calls.append((status, *figures))


class Hanging(Noting):
    def begin(self, run: jaxdl.TrackedRun) -> str | None:
        time.sleep(3600)
        return None


class Raising(Noting):
    def begin(self, run: jaxdl.TrackedRun) -> str | None:
        raise ConnectionError("the service is away")


@jaxdl.hook
def look(now: jaxdl.Moment) -> None:
    now.log("picture", np.zeros((4, 4), np.uint8))
    now.log("values", np.arange(5.0))
    now.log("said", "**text**")
    now.log("number", 1.0)


def test_a_tracker_is_given_what_the_run_records(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    tracked = dataclasses.replace(recipe, tracker=(Noting,), hooks=(look,))
    Noting.made.clear()
    jaxdl.train(tracked, run_dir=tmp_path / "run", notify=None)
    (tracker,) = Noting.made
    assert tracker.run.experiment == "recipe" and tracker.run.config["optimizer.learning_rate"] == 0.01
    kinds = [call[1:] for call in tracker.calls if call[0] == tracker.calls[0][0]]
    assert ("hooks/picture", (4, 4)) in kinds and ("hooks/said", "**text**") in kinds
    assert ("hooks/values", (5,)) in kinds and (1, "train/loss", "train/accuracy") in [kind[:3] for kind in kinds]
    assert tracker.calls[-1][0] == "completed" and "test/accuracy" in tracker.calls[-1]
    assert jaxdl.find_runs(tmp_path)[0].config["tracker"] == ("Noting",)
    assert jaxdl.load_run(tmp_path / "run", tracked) is not None and jaxdl.load_run(tmp_path / "run") is not None


@pytest.mark.parametrize("broken", [Hanging, Raising])
def test_one_that_hangs_or_raises_changes_neither_result_nor_end(
    recipe: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: type
) -> None:
    monkeypatch.setattr(tracking, "SECONDS_AT_END", 0.2)
    said: list[str] = []
    alone = jaxdl.train(recipe, run_dir=tmp_path / "alone", notify=None)
    tracked = dataclasses.replace(recipe, tracker=(broken,))
    begin = time.perf_counter()
    summary = jaxdl.train(tracked, run_dir=tmp_path / "tracked", notify=said.append)
    assert time.perf_counter() - begin < 1800  # a machine may be stopped for minutes
    assert summary["status"] == "completed" and summary["params_sha256"] == alone["params_sha256"]
    assert [line for line in said if broken.__name__ in line]
    again = jaxdl.train(recipe, run_dir=tmp_path / "tracked", notify=None)  # a finished run stays, also without it
    assert again["params_sha256"] == alone["params_sha256"]


def test_a_tracker_is_no_part_of_a_sweep_and_may_change(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    tracked = dataclasses.replace(recipe, tracker=(Noting,))
    Noting.made.clear()
    first = jaxdl.sweep(tracked, {"learning_rate": [0.01]}, sweep_dir=tmp_path / "sweep", notify=print)
    assert [tracker.calls[-1][0] for tracker in Noting.made] == ["completed"]
    more = {"learning_rate": [0.01, 0.02]}
    results = jaxdl.sweep(recipe, more, sweep_dir=tmp_path / "sweep", extend=True, notify=print)
    assert len(results.trials) == 2 and len(first.trials) == 1


def test_a_wrong_name_is_told_before_anything_is_written(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    with pytest.raises(jaxdl.UserError, match="unknown tracker 'nothing'"):
        jaxdl.train(dataclasses.replace(recipe, tracker=("nothing",)), run_dir=tmp_path / "run", notify=None)
    assert not (tmp_path / "run").exists()
