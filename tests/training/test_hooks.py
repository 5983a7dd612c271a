"""What takes part in a training from outside: each is asked when and with what its protocol says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import jaxdl
from jaxdl.record import read_metrics
from jaxdl.report.progress import Reached
from jaxdl.training.hooks import Hooks, NoObserver, NoPauses
from tests.small import blobs


class Shown:
    """Keeps what it is to show."""

    def __init__(self) -> None:
        self.updates: list[Reached] = []
        self.ends: list[Reached] = []

    def update(self, reached: Reached) -> None:
        self.updates.append(reached)

    def end_epoch(self, reached: Reached) -> None:
        self.ends.append(reached)


def test_a_display_is_told_of_every_epoch_and_of_its_last_step(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    shown = Shown()
    hooks = Hooks(display=shown, plots=False)
    summary = jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, hooks=hooks)
    per_epoch = summary["step"] // 2
    assert [(each.step, each.epoch) for each in shown.ends] == [(per_epoch, 1), (2 * per_epoch, 2)]
    assert {each.step for each in shown.updates} >= {per_epoch, 2 * per_epoch}
    assert shown.ends[-1].metrics["validation"]["loss"] == summary["metrics"]["validation/loss"]
    assert all(each.examples_per_second for each in shown.updates)
    assert "<svg" not in (tmp_path / "run" / "report.html").read_text()  # a report without plots


def test_who_gives_up_ends_the_training_without_a_test_and_is_asked_again_when_it_resumes(
    recipe: jaxdl.Experiment, tmp_path: Path
) -> None:
    asked: list[tuple[int, float]] = []

    def give_up(epoch: int, figures: Mapping[str, Any]) -> bool:
        asked.append((epoch, figures["validation/loss"]))
        return epoch == 2

    recipe = jaxdl.replace(recipe, {"training.epochs": 4})
    hooks = Hooks(give_up=give_up, plots=False)
    summary = jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, hooks=hooks)
    assert (summary["status"], summary["epoch"]) == ("preempted", 2)
    logged = [line for line in read_metrics(tmp_path / "run") if line["split"] == "validation"]
    assert asked == [(line["epoch"], line["loss"]) for line in logged]
    assert not any(name.startswith("test/") for name in summary["metrics"])
    again = jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, hooks=hooks)
    assert asked[2:] == asked[:2]  # from the log: nothing is trained
    assert (again["status"], again["params_sha256"]) == ("preempted", summary["params_sha256"])
    whole = jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    assert (whole["status"], whole["epoch"]) == ("completed", 4)


@pytest.mark.parametrize("most", [1, 3])
def test_an_observer_may_shorten_each_call_and_is_told_of_every_step(recipe: jaxdl.Experiment, most: int) -> None:
    class Counting(NoObserver):
        """Allows few steps a call."""

        def __init__(self) -> None:
            self.calls: list[tuple[int, bool]] = []

        def before_call(self, steps: int) -> int:
            return min(steps, most)

        def after_call(self, steps: int, results: Any, ends_epoch: bool) -> None:
            assert results["loss"].shape == (4,)
            self.calls.append((steps, ends_epoch))

    observer = Counting()
    trainer = jaxdl.Trainer(jaxdl.replace(recipe, {"training.batch_size": 13}), blobs())
    plain = [epoch.metrics for epoch in trainer.train(trainer.init_state())]
    observed = [epoch.metrics for epoch in trainer.train(trainer.init_state(), observer=observer)]
    assert observed == plain
    one_epoch = [(most, end == 4) for end in range(most, 5, most)] + [(4 % most, True)] * bool(4 % most)
    assert observer.calls == one_epoch * 2


def test_without_pauses_a_call_may_run_all_steps_that_can_be_counted_and_none_is_a_pause() -> None:
    pauses = NoPauses()
    for step in (0, 1, 10**6):
        assert pauses.at_most(step) >= 2**31 - 1 - step
        assert not pauses.due(step)


def test_without_an_observer_every_call_runs_as_many_steps_as_it_may() -> None:
    observer = NoObserver()
    assert [observer.before_call(steps) for steps in (1, 7, 10**6)] == [1, 7, 10**6]
    observer.after_call(7, {}, ends_epoch=True)
    assert observer.paused_seconds == 0.0
