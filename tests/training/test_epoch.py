"""The metrics of an epoch's steps, and how many steps the next call runs; means against NumPy."""

from __future__ import annotations

import itertools
import math
import time

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.training.epoch import FEWEST_STEPS_PER_CALL, Epoch, EpochMetrics, Pace
from jaxdl.training.hooks import NoObserver


def cut(steps: int, ends: set[int]) -> list[slice]:
    """Returns the calls into which an epoch is cut at the given steps."""
    bounds = [0, *sorted(end for end in ends if 0 < end < steps), steps]
    return [slice(*pair) for pair in itertools.pairwise(bounds)]


@given(
    losses=st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=20),
    ends=st.sets(st.integers(1, 19)),
    data=st.data(),
)
def test_means_are_those_of_the_steps_that_were_not_skipped_however_the_epoch_is_cut(
    losses: list[float], ends: set[int], data: st.DataObject
) -> None:
    skipped = np.array(data.draw(st.lists(st.booleans(), min_size=len(losses), max_size=len(losses))))
    loss = np.where(skipped, np.nan, np.array(losses, np.float32)).astype(np.float32)
    whole = {
        "skipped": jnp.array(skipped, jnp.float32),
        "accuracy": jnp.arange(len(losses)) / 8.0,
        "loss": jnp.array(loss),
    }
    metrics = EpochMetrics({}, NoObserver())
    for called in cut(len(losses), ends):
        # A call gives zeros for the steps that it does not run.
        inside = np.zeros(len(losses), bool)
        inside[called] = True
        metrics.read(called, {name: jnp.where(inside, row, 0.0) for name, row in whole.items()})
        part = ~skipped[called]
        means = metrics.means(called)
        assert means["skipped"] == (~part).sum() and isinstance(means["skipped"], int)
        np.testing.assert_equal(means["loss"], loss[called][part].astype(np.float64).mean() if part.any() else np.nan)
    found = metrics.means()
    assert list(found) == ["loss", "accuracy", "skipped"]  # the loss first
    taken = ~skipped
    np.testing.assert_equal(found["loss"], loss[taken].astype(np.float64).mean() if taken.any() else math.nan)
    if taken.any():
        assert found["accuracy"] == pytest.approx(np.flatnonzero(taken).mean() / 8, rel=1e-6)


def test_an_epoch_continues_from_the_rows_of_a_pause_and_leaves_them_as_they_are() -> None:
    rows = {"loss": np.array([1.0, 2.0, 0.0], np.float32)}
    metrics = EpochMetrics(rows, NoObserver())
    metrics.read(slice(2, 3), {"loss": jnp.array([0.0, 0.0, 6.0])})
    assert metrics.means() == {"loss": 3.0}
    assert rows["loss"].tolist() == [1.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("wrong", "called", "expected"), [(5, slice(4, 8), 5), (5, slice(0, 5), None), (0, slice(0, 8), 0)]
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_first_loss_that_is_not_finite_is_found_within_a_call(
    wrong: int, called: slice, expected: int | None, value: float
) -> None:
    loss = np.ones(8, np.float32)
    loss[wrong:] = value
    metrics = EpochMetrics({}, NoObserver())
    metrics.read(slice(0, 8), {"loss": jnp.array(loss)})
    assert metrics.first_not_finite(called) == expected


def test_only_the_time_between_start_and_stop_counts_and_none_of_the_observer() -> None:
    class Slow(NoObserver):
        """Takes time for itself."""

        paused_seconds = 100.0

        def pause(self) -> None:
            time.sleep(0.03)
            self.paused_seconds += 0.03

    observer = Slow()
    metrics = EpochMetrics({}, observer)
    for _ in range(2):
        metrics.start_clock()
        time.sleep(0.02)
        observer.pause()
        metrics.stop_clock()
        time.sleep(0.2)  # a validation
    assert 0.04 <= metrics.seconds < 0.2


@given(steps=st.integers(1, 1000), seconds=st.floats(1e-9, 100), before=st.integers(1, 1000))
def test_a_call_lasts_about_two_seconds(steps: int, seconds: float, before: int) -> None:
    pace = Pace(before)
    pace.adapt(steps, seconds)
    assert pace.steps >= FEWEST_STEPS_PER_CALL
    if seconds > 2:  # a slow call: fewer steps the next time, by its own speed
        assert pace.steps == max(FEWEST_STEPS_PER_CALL, math.ceil(steps * 2 / seconds))
    else:  # a quick one may have been cut short: never fewer, and at most four times as many
        assert before <= pace.steps <= max(before, 4 * steps, FEWEST_STEPS_PER_CALL)


@pytest.mark.parametrize(("steps_per_epoch", "first"), [(1, 4), (200, 4), (1000, 20), (10**6, 64)])
def test_the_first_call_runs_few_steps(steps_per_epoch: int, first: int) -> None:
    assert Pace.first(steps_per_epoch).steps == first


def test_figures_are_named_by_split_and_metric() -> None:
    metrics = {"train": {"loss": 1.0}, "validation": {"loss": 2.0, "confusion": [[1]]}}
    epoch = Epoch(1, 4, None, metrics, 1.0, 50)  # type: ignore[arg-type]
    assert epoch.figures == {"train/loss": 1.0, "validation/loss": 2.0, "validation/confusion": [[1]]}
