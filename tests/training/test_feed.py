"""Which examples each train step gets, against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.resident import put_on_device
from jaxdl.training.feed import Feed, epoch_order, order_by_length
from tests.small import blobs


@given(seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 1000), count=st.integers(1, 200))
def test_an_epoch_visits_each_example_once_in_an_order_of_its_own(seed: int, epoch: int, count: int) -> None:
    order = epoch_order(seed, epoch, count)
    assert sorted(order) == list(range(count))
    np.testing.assert_array_equal(order, epoch_order(seed, epoch, count))


def test_orders_differ_between_epochs_and_seeds() -> None:
    orders = {tuple(epoch_order(seed, epoch, 50)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_the_order_is_that_of_numpys_frozen_generator() -> None:
    """Written down once: another order would break every run that resumes."""
    assert epoch_order(3, 2, 8).tolist() == np.random.RandomState([3, 2]).permutation(8).tolist()
    assert epoch_order(0, 0, 8).tolist() == [3, 7, 4, 0, 2, 6, 5, 1]
    assert epoch_order(0, 0, 8).dtype == np.int32


def test_a_short_order_is_kept_and_cannot_be_changed() -> None:
    order = epoch_order(4, 1, 100)
    assert epoch_order(4, 1, 100) is order and epoch_order(4, 2, 100) is not order
    with pytest.raises(ValueError, match="read-only"):
        order[0] = 1
    long = epoch_order(4, 1, 20_001)
    assert long.flags.writeable and epoch_order(4, 1, 20_001) is not long, "long orders would fill the memory"


@given(epoch=st.integers(0, 9), passes=st.integers(1, 4), count=st.integers(1, 30))
def test_several_passes_are_the_orders_of_so_many_epochs_in_a_row(epoch: int, passes: int, count: int) -> None:
    expected = [epoch_order(7, epoch * passes + number, count) for number in range(passes)]
    np.testing.assert_array_equal(epoch_order(7, epoch, count, passes), np.concatenate(expected))


@pytest.mark.slow
@given(train=st.integers(1, 40), batch_size=st.integers(1, 50), passes=st.integers(1, 3), data=st.data())
def test_a_batch_is_the_next_stretch_of_the_order_and_the_last_one_is_filled_up(
    train: int, batch_size: int, passes: int, data: st.DataObject
) -> None:
    dataset = blobs(train=train)
    feed = Feed(put_on_device(dataset), batch_size, seed=5, passes=passes)
    assert feed.examples_per_epoch == train * passes
    assert feed.steps_per_epoch == int(np.ceil(train * passes / batch_size))
    step = data.draw(st.integers(0, 3 * feed.steps_per_epoch - 1))
    epoch, number = divmod(step, feed.steps_per_epoch)
    order = np.resize(epoch_order(5, epoch, train, passes), feed.steps_per_epoch * batch_size)  # repeats from its start
    index = order[number * batch_size : (number + 1) * batch_size]
    for name, array in feed.batch(step).items():
        np.testing.assert_array_equal(array, dataset.splits["train"][name][index])
    np.testing.assert_array_equal(feed.order(epoch), epoch_order(5, epoch, train, passes))


@given(
    buckets=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    batch_size=st.integers(1, 9),
    passes=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_batches_in_order_of_length_hold_each_visit_once_and_of_one_bucket_where_they_can(
    buckets: list[int], batch_size: int, passes: int, seed: int
) -> None:
    order = epoch_order(seed, 0, len(buckets), passes)
    found = order_by_length(order, np.array(buckets), batch_size, np.random.RandomState(seed))
    np.testing.assert_array_equal(np.sort(found), np.sort(order))
    assert found.dtype == np.int32
    whole = len(order) // batch_size
    mixed = 0
    for number in range(whole):
        batch = found[number * batch_size : (number + 1) * batch_size]
        mixed += len({buckets[i] for i in batch}) > 1
    # Only what is left of a bucket shares a batch with the next longer one.
    assert mixed <= len(set(buckets)) - 1 or whole == 0


def test_the_order_by_length_differs_between_epochs_and_is_the_same_for_one() -> None:
    buckets = np.arange(64) % 4
    orders = [
        order_by_length(epoch_order(3, epoch, 64), buckets, 4, np.random.RandomState([3, epoch, 1]))
        for epoch in (0, 1, 0)
    ]
    assert orders[0].tolist() != orders[1].tolist()
    np.testing.assert_array_equal(orders[0], orders[2])
