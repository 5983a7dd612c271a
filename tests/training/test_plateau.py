"""A learning rate that is cut where the watched metric gets no better: as Keras's, and the same after a stop."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pytest

import jaxdl
from jaxdl.optim.schedules import Plateau
from jaxdl.record import read_metrics
from jaxdl.training.plateau import Follower
from jaxdl.training.stacked import Stacked
from tests.small import blobs
from tests.training.stopped import run, stop_after

LOSSES = [
    *(3.167, 2.988, 2.43, 2.308, 2.027, 1.808, 1.669, 1.573, 1.45, 1.378, 1.214, 1.216, 0.929, 1.114, 0.697),
    *(0.886, 0.723, 0.724, 0.506, 0.484, 0.685, 0.716, 0.421, 0.543, 0.59, 0.573, 0.228, 0.19, 0.225, 0.493),
]
# The learning rate after each epoch by keras 3, ReduceLROnPlateau(factor=cut, patience=wait, min_delta=margin,
# cooldown=rest, min_lr=least), from a learning rate of 1.
KERAS = [
    (
        Plateau(wait=2, cut=0.5, margin=0.01, least=0.1),
        [*[1.0] * 16, *[0.5] * 5, *[0.25] * 3, *[0.125] * 5, 0.1],
    ),
    (
        Plateau(wait=1, cut=0.1, margin=0.0, rest=2),
        [*[1.0] * 11, *[0.1] * 2, *[0.01] * 2, *[0.001] * 2, *[0.0001] * 3, *[1e-5] * 3, *[1e-6] * 2],
    ),
]


@pytest.mark.parametrize(("schedule", "expected"), KERAS)
@pytest.mark.parametrize("smaller", [True, False])
def test_rates_are_those_of_keras(schedule: Plateau, expected: list[float], smaller: bool) -> None:
    follower, rates = Follower(schedule), []
    for loss in LOSSES:
        follower.observe(loss if smaller else -loss, smaller=smaller)
        rates.append(follower.rate)
    assert rates[: len(expected)] == pytest.approx(expected, rel=1e-5)


def test_a_value_that_is_not_finite_is_no_better() -> None:
    follower = Follower(Plateau(wait=1, cut=0.5))
    for value in (float("nan"), 1.0, float("nan")):
        follower.observe(value, smaller=True)
    assert follower.rate == 0.25 and follower.best == 1.0


@pytest.fixture
def cutting(recipe: jaxdl.Experiment) -> jaxdl.Experiment:
    """A recipe whose learning rate is halved after each epoch: none is better by so much."""
    optimizer = jaxdl.SGD(learning_rate=0.1, momentum=0.5, schedule=Plateau(wait=1, cut=0.5, margin=100.0))
    return dataclasses.replace(recipe, optimizer=optimizer)


def test_a_stopped_run_goes_on_with_the_same_rate_and_bits(
    cutting: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(cutting, tmp_path / "whole")
    stop_after(monkeypatch, cutting, tmp_path / "stopped", 5)
    again = run(cutting, tmp_path / "stopped")  # in the third epoch, the first with another rate
    assert again["params_sha256"] == whole["params_sha256"]

    def rates(folder: str) -> list[Any]:
        return [line["rate_factor"] for line in read_metrics(tmp_path / folder) if line["split"] == "train"]

    assert rates("whole") == rates("stopped") == [1.0, 1.0, 0.5]


def test_a_transformation_of_optax_has_no_rate_to_cut(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    fixed: Any = dataclasses.replace(recipe, optimizer=optax.sgd(0.1))
    fixed = dataclasses.replace(fixed, optimizer=dataclasses.replace(fixed.optimizer, schedule=Plateau()))
    with pytest.raises(jaxdl.UserError, match="schedule=plateau: the optimizer transformation has no learning_rate"):
        run(fixed, tmp_path / "run")


def test_trainings_side_by_side_have_rates_of_their_own(cutting: jaxdl.Experiment) -> None:
    """One whose loss counts as better each time keeps its rate, and shares its program with one that does not."""
    kept = jaxdl.replace(cutting, {"optimizer.schedule.margin": 0.0, "training.epochs": 3})
    recipes = [kept, jaxdl.replace(cutting, {"training.epochs": 3, "optimizer.learning_rate": 0.05})]
    trainer = jaxdl.Trainer(kept, blobs())
    stacked = Stacked(trainer, 2)
    for number in range(2):
        stacked.expect(str(number))

    def trained(number: int) -> list[Any]:
        own = trainer.variant(recipes[number], stacked.join(str(number)))
        try:
            return [epoch.metrics["train"] for epoch in own.train(own.init_state())]
        finally:
            own.close()

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(trained, range(2)))
    alone = trainer.variant(recipes[1])
    expected = [epoch.metrics["train"] for epoch in alone.train(alone.init_state())]
    assert [epoch["rate_factor"] for epoch in together[0]] == [1.0, 1.0, 1.0]
    assert [epoch["rate_factor"] for epoch in together[1]] == [1.0, 1.0, 0.5]
    losses = [[epoch["loss"] for epoch in found] for found in (together[1], expected)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
