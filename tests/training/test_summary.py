"""The summary of a training."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxdl
from jaxdl.backend.rates import Peak, Rates
from jaxdl.record import RunDirectory
from jaxdl.training import summary
from jaxdl.training.divergence import Divergence
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.figures import Figures
from jaxdl.training.summary import Summary, make_summary
from tests.small import blobs


def test_it_has_each_of_its_keys_and_counts_the_parameters(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    dataset = blobs()
    trainer = jaxdl.Trainer(recipe, dataset)
    with RunDirectory.create(tmp_path, "recipe") as run:
        found = make_summary(
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
    assert found.keys() == Summary.__annotations__.keys()
    assert found["parameters"] == 16 * 16 + 16 + 16 * 3 + 3
    assert found["best"] == {"metric": "train/loss", "value": 1.0, "step": 2}
    assert (found["step"], found["epoch"], found["train_examples_per_second"]) == (3, 1, 50.0)
    assert found["divergence"] is not None and found["divergence"]["first"] == ("train loss",)
    assert found["data"]["best_loss"] is None


def test_operations_per_second_are_those_of_the_steps_and_their_share_is_of_the_measured_peak(
    recipe: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: 2 operations for each weight and example forward, 4 backward; none for the gradient of the inputs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    dataset = blobs()
    trainer = jaxdl.Trainer(recipe, dataset)
    of_a_step = 64 * (4 * 16 * 16 + 6 * 16 * 3)
    with RunDirectory.create(tmp_path / "run", "recipe") as run:
        figures = Figures(run, step=3, epoch=3, train_seconds=1.5, train_examples=3 * 50)  # a step each, filled up

        def made() -> Summary:
            return make_summary(
                "completed", trainer, dataset, figures, EarlyStopping("train/loss"), None,
                params_sha256="", seconds_to_first_step=None, wall_seconds=5.0,
            )  # fmt: skip

        assert made()["train_flops_per_second"] == pytest.approx(of_a_step / 0.5)
        assert made()["train_flops_share"] is None
        rates = Rates("", 1, "", {"float32": Peak(8 * of_a_step, 256)}, 1.0, ())
        monkeypatch.setattr(summary, "known_rates", lambda: rates)
        assert made()["train_flops_share"] == pytest.approx(0.25)
        figures.train_examples = 0
        assert (made()["train_flops_per_second"], made()["train_flops_share"]) == (0.0, None)
