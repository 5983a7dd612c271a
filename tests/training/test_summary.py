"""The summary of a training."""

from __future__ import annotations

from pathlib import Path

import jaxdl
from jaxdl.record import RunDirectory
from jaxdl.training.divergence import Divergence
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.figures import Figures
from jaxdl.training.summary import Summary, make_summary
from tests.small import blobs


def test_it_has_each_of_its_keys_and_counts_the_parameters(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    dataset = blobs()
    trainer = jaxdl.Trainer(recipe, dataset)
    with RunDirectory.create(tmp_path, "recipe") as run:
        summary = make_summary(
            "diverged",
            trainer,
            dataset,
            Figures(run, step=3, epoch=1, latest={"train/loss": 1.0}, train_seconds=2.0, train_examples=100),
            EarlyStopping("train/loss", best=1.0, best_step=2),
            Divergence(3, ("train loss",), float("nan"), 0.01),
            params_sha256="",
            seconds_to_first_step=None,
            wall_seconds=5.0,
        )
    assert summary.keys() == Summary.__annotations__.keys()
    assert summary["parameters"] == 16 * 16 + 16 + 16 * 3 + 3
    assert summary["best"] == {"metric": "train/loss", "value": 1.0, "step": 2}
    assert (summary["step"], summary["epoch"], summary["train_examples_per_second"]) == (3, 1, 50.0)
    assert summary["divergence"] is not None and summary["divergence"]["first"] == ("train loss",)
    assert summary["data"]["best_loss"] is None
