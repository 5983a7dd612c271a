"""The metrics of an epoch's steps, and the pace of the calls."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np

from jaxdl.training.epoch import Epoch, EpochMetrics, Pace
from jaxdl.training.hooks import NoObserver


def test_calls_fill_the_rows_and_skipped_steps_count_in_no_mean() -> None:
    metrics = EpochMetrics({}, NoObserver())
    first = {"accuracy": jnp.array([1.0, 0.5, 0, 0]), "loss": jnp.array([2.0, 4.0, 0, 0]), "skipped": jnp.zeros(4)}
    assert metrics.read(slice(0, 2), first) >= 0
    second = {"accuracy": jnp.array([0, 0, 0.25, 9]), "loss": jnp.array([0, 0, 6.0, 9.0]), "skipped": jnp.eye(4)[3]}
    metrics.read(slice(2, 4), second)
    np.testing.assert_array_equal(metrics.rows["loss"], [2, 4, 6, 9])
    assert metrics.means() == {"loss": 4.0, "accuracy": (1 + 0.5 + 0.25) / 3, "skipped": 1}
    assert list(metrics.means()) == ["loss", "accuracy", "skipped"]
    assert metrics.means(slice(0, 2))["loss"] == 3.0


def test_the_first_step_that_is_not_finite_is_found_in_its_call() -> None:
    rows = {"loss": np.array([1.0, np.inf, 1.0, np.nan], np.float32)}
    metrics = EpochMetrics(rows, NoObserver())
    assert metrics.first_not_finite(slice(0, 1)) is None
    assert metrics.first_not_finite(slice(0, 4)) == 1
    assert metrics.first_not_finite(slice(2, 4)) == 3


def test_rows_of_a_pause_are_copied() -> None:
    rows = {"loss": np.zeros(2, np.float32)}
    EpochMetrics(rows, NoObserver()).read(slice(0, 1), {"loss": jnp.ones(2)})
    assert not rows["loss"].any()


def test_calls_grow_towards_two_seconds_and_one_that_was_quick_makes_none_shorter() -> None:
    assert Pace.first(10).steps == 4
    assert Pace.first(100_000).steps == 64
    pace = Pace(100)
    pace.adapt(100, 1.0)
    assert pace.steps == 200
    pace.adapt(200, 0.01)
    assert pace.steps == 800, "four times as many at most"
    pace.adapt(3, 0.01)
    assert pace.steps == 800
    pace.adapt(800, 8.0)
    assert pace.steps == 200
    pace.adapt(200, 1e6)
    assert pace.steps == 4


def test_figures_are_named_by_split_and_metric() -> None:
    epoch = Epoch(1, 2, None, {"train": {"loss": 1.0}, "validation": {"loss": 2.0}}, 1.0, 3)  # type: ignore[arg-type]
    assert epoch.figures == {"train/loss": 1.0, "validation/loss": 2.0}
    assert not epoch.is_best and not epoch.is_last
    assert math.isclose(epoch.train_seconds, 1.0)
