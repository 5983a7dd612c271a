"""The figures of a run: logged, taken back from the log, and summed up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxdl.record import RunDirectory, read_metrics, read_progress
from jaxdl.training.epoch import Epoch
from jaxdl.training.figures import Figures


def epoch(number: int, loss: float) -> Epoch:
    metrics: dict[str, dict[str, Any]] = {
        "train": {"loss": loss},
        "validation": {"loss": loss + 1, "confusion": [[number]]},
    }
    return Epoch(number, 10 * number, None, metrics, 2.0, 30)  # type: ignore[arg-type]


def test_an_epoch_is_logged_by_split_and_the_latest_figures_are_kept(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", "figures") as run:
        figures = Figures(run)
        assert figures.examples_per_second == 0.0
        figures.take(epoch(1, 5.0))
        figures.take(epoch(2, 4.0))
        figures.log("test", {"loss": 9.0})
        figures.note("validation", {"loss": 8.0})
    assert (figures.step, figures.epoch) == (20, 2)
    assert figures.examples_per_second == 60 / 4.0
    assert figures.latest == {
        "train/loss": 4.0, "validation/loss": 8.0, "validation/confusion": [[2]], "test/loss": 9.0,
    }  # fmt: skip
    assert figures.numbers == {"train/loss": 4.0, "validation/loss": 8.0, "test/loss": 9.0}
    lines = [(line["step"], line["epoch"], line["split"], line["loss"]) for line in read_metrics(tmp_path / "run")]
    assert lines == [
        (10, 1, "train", 5.0), (10, 1, "validation", 6.0), (20, 2, "train", 4.0), (20, 2, "validation", 5.0),
        (20, 2, "test", 9.0),
    ]  # fmt: skip


def test_a_resumed_run_takes_back_what_was_logged_one_epoch_after_the_other(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path / "run", "figures") as run:
        before = Figures(run)
        before.take(epoch(1, float("nan")))
        before.take(epoch(2, 4.0))
        after = Figures(run)
        found = list(after.replay())
    assert [(number, step) for number, step, _ in found] == [(1, 10), (2, 20)]
    assert found[1][2] == epoch(2, 4.0).figures == after.latest == before.latest
    assert str(found[0][2]["train/loss"]) == "nan"
    assert len(read_metrics(tmp_path / "run")) == 4  # nothing is logged twice


def test_an_epoch_leaves_its_time_its_speed_and_its_learning_rate(tmp_path: Path) -> None:
    with RunDirectory.create(tmp_path, "x") as run:
        run.write_config({"name": "x"})
        figures = Figures(run)
        figures.take(epoch(1, 1.0), 0.5)
        figures.take(epoch(2, 1.0))
    first, second = read_progress(tmp_path)
    assert first == {"step": 10, "epoch": 1, "train_seconds": 2.0, "examples_per_second": 15.0, "learning_rate": 0.5}
    assert "learning_rate" not in second
