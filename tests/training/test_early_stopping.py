"""Following a metric over the epochs."""

from __future__ import annotations

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.training.early_stopping import EarlyStopping, check_measured
from tests.experiments.twins import twin
from tests.small import blobs
from tests.training.test_plateau import LOSSES


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("validation/accuracy", [0.5, 0.7, 0.6], 0.7),
        ("validation/loss", [0.5, 0.7, float("nan"), 0.4], 0.4),
        ("validation/perplexity", [9.0, 3.0, 5.0], 3.0),
        ("train/loss", [float("inf"), 2.0], 2.0),
    ],
)
def test_it_knows_which_way_is_better_and_takes_no_value_that_is_not_finite(
    metric: str, values: list[float], best: float
) -> None:
    stopping = EarlyStopping(metric)
    improved = [stopping.observe({metric: value}, step) for step, value in enumerate(values)]
    assert stopping.best == best
    assert stopping.best_step == values.index(best)
    assert improved[values.index(best)]
    assert not any(improved[values.index(best) + 1 :])


def test_patience_counts_epochs_without_a_better_value() -> None:
    stopping = EarlyStopping("validation/loss", patience=2)
    exhausted = []
    for value in (1.0, 1.0, 0.5, 0.6, 0.7):
        stopping.observe({"validation/loss": value}, 1)
        exhausted.append(stopping.exhausted)
    assert exhausted == [False, False, False, False, True]


def test_patience_is_that_of_keras_with_a_least_difference_and_a_start() -> None:
    """The epoch after which keras 3 stops, EarlyStopping(patience=2, min_delta=..., start_from_epoch=...)."""
    for options, expected in (({"min_delta": 0.1}, 17), ({"first": 13}, 17), ({}, 17), ({"min_delta": 0.7}, 5)):
        stopping, epoch = EarlyStopping("train/loss", patience=2, **options), 0
        while not stopping.exhausted:
            stopping.observe({"train/loss": LOSSES[epoch]}, epoch)
            epoch += 1
        assert epoch == expected, options
    assert stopping.best == min(LOSSES[:5])  # the best state is the best, by however little


def test_figures_of_another_split_are_no_epoch() -> None:
    stopping = EarlyStopping("validation/loss", patience=1)
    assert not stopping.observe({"train/loss": 1.0}, 1)
    assert not stopping.exhausted


def test_what_is_not_measured_after_each_epoch_or_has_no_order_is_refused_with_what_there_is() -> None:
    recipe = jaxdl.replace(twin("digits_mlp"), {"metrics": ("accuracy", "confusion", "top_2")})
    for measured in ("train/loss", "train/accuracy", "validation/loss", "validation/top_2"):
        check_measured("--watch", measured, recipe, blobs())
    possible = "train/accuracy, train/loss, validation/accuracy, validation/loss, validation/top_2."
    for figure in ("train/top_2", "validation/confusion", "validation/f1", "test/loss"):
        with pytest.raises(UserError) as error:
            check_measured("--watch", figure, recipe, blobs())
        assert str(error.value) == f"--watch={figure}: this figure is not measured. This run measures: {possible}"
