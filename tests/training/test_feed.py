"""Which examples each train step gets."""

from __future__ import annotations

import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.resident import put_on_device
from jaxdl.training.feed import Feed, epoch_order
from tests.small import blobs


@given(seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 1000), count=st.integers(1, 200))
def test_an_epoch_visits_each_example_once_in_an_order_of_its_own(seed: int, epoch: int, count: int) -> None:
    order = epoch_order(seed, epoch, count)
    assert sorted(order) == list(range(count))
    np.testing.assert_array_equal(order, epoch_order(seed, epoch, count))


def test_orders_differ_between_epochs_and_seeds() -> None:
    orders = {tuple(epoch_order(seed, epoch, 50)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_a_batch_holds_the_examples_of_its_step_and_the_last_is_filled_from_the_start() -> None:
    dataset = blobs(train=50)
    feed = Feed(put_on_device(dataset), 16, seed=3)
    assert (feed.examples_per_epoch, feed.steps_per_epoch) == (50, 4)
    for step in (0, 3, 4, 7):
        epoch, number = divmod(step, 4)
        order = np.random.RandomState([3, epoch]).permutation(50)
        index = order[(number * 16 + np.arange(16)) % 50]
        for name, array in feed.batch(step).items():
            np.testing.assert_array_equal(array, dataset.splits["train"][name][index])


def test_several_passes_make_one_epoch() -> None:
    feed = Feed(put_on_device(blobs(train=10)), 4, seed=0, passes=3)
    assert (feed.examples_per_epoch, feed.steps_per_epoch) == (30, 8)
    order = feed.order(1)
    assert isinstance(order, jax.Array)
    assert sorted(np.asarray(order)) == sorted([*range(10)] * 3)
