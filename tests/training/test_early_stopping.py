"""The watched metric."""

from __future__ import annotations

import pytest

from jaxdl.training.early_stopping import EarlyStopping


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
    watch = EarlyStopping(metric)
    improved = [watch.observe({metric: value}, step) for step, value in enumerate(values)]
    assert watch.best == best
    assert watch.best_step == values.index(best)
    assert improved[values.index(best)]
    assert not any(improved[values.index(best) + 1 :])


def test_patience_counts_epochs_without_a_better_value() -> None:
    watch = EarlyStopping("validation/loss", patience=2)
    exhausted = []
    for value in (1.0, 1.0, 0.5, 0.6, 0.7):
        watch.observe({"validation/loss": value}, 1)
        exhausted.append(watch.exhausted)
    assert exhausted == [False, False, False, False, True]


def test_figures_of_another_split_are_no_epoch() -> None:
    watch = EarlyStopping("validation/loss", patience=1)
    assert not watch.observe({"train/loss": 1.0}, 1)
    assert not watch.exhausted
