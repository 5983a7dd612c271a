"""What takes part in a training."""

from __future__ import annotations

from pathlib import Path

import jaxdl
from jaxdl.training.hooks import Hooks, NoObserver, NoPauses
from jaxdl.training.run import train


def test_without_pauses_and_observer_nothing_is_cut_short() -> None:
    pauses, observer = NoPauses(), NoObserver()
    assert pauses.at_most(5) > 10**9 and not pauses.due(5)
    assert observer.before_call(7) == 7 and observer.paused_seconds == 0.0
    observer.after_call(7, None, True)


def test_a_hook_gives_a_training_up_and_is_asked_about_the_same_epochs_again(
    recipe: jaxdl.Experiment, tmp_path: Path
) -> None:
    asked: list[tuple[int, bool]] = []

    def give_up(epochs: int, figures: object) -> bool:
        asked.append((epochs, "validation/loss" in figures))  # type: ignore[operator]
        return epochs == 2

    long = jaxdl.replace(recipe, {"training.epochs": 5})
    for _ in range(2):
        hooks = Hooks(give_up=give_up, plots=False)
        summary = train(long, run_dir=tmp_path / "run", data_dir=tmp_path, hooks=hooks, notify=lambda line: None)
        assert (summary["status"], summary["epoch"]) == ("preempted", 2)
        assert "test/loss" not in summary["metrics"]
    assert asked == [(1, True), (2, True)] * 2
