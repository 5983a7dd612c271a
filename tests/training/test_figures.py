"""The figures of a run so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxdl.record import RunDirectory, read_metrics
from jaxdl.training.epoch import Epoch
from jaxdl.training.figures import Figures


def test_epochs_are_logged_summed_and_read_again(tmp_path: Path) -> None:
    nothing: Any = None
    with RunDirectory.create(tmp_path, "x") as run:
        run.write_config({"name": "x"})
        figures = Figures(run)
        assert figures.examples_per_second == 0.0
        for number in (1, 2):
            metrics: dict[str, Any] = {
                "train": {"loss": 1 / number},
                "validation": {"loss": 2.0, "confusion": [[number]]},
            }
            figures.take(Epoch(number, 10 * number, nothing, metrics, 0.5, 100))
        assert (figures.epoch, figures.step, figures.examples_per_second) == (2, 20, 200.0)
        assert figures.numbers == {"train/loss": 0.5, "validation/loss": 2.0}
        assert figures.latest["validation/confusion"] == [[2]]
        figures.note("test", {"loss": 9.0})
        later = Figures(run)
        assert [(epoch, step, found["train/loss"]) for epoch, step, found in later.replay()] == [
            (1, 10, 1.0),
            (2, 20, 0.5),
        ]
        assert later.latest == {name: value for name, value in figures.latest.items() if name != "test/loss"}
    assert [(line["step"], line["split"]) for line in read_metrics(tmp_path)] == [
        (10, "train"), (10, "validation"), (20, "train"), (20, "validation"),
    ]  # fmt: skip
