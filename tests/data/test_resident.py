"""The whole set on the device: every example of every split, as stored, in one set of arrays."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from jaxdl.data.resident import put_on_device
from tests.small import blobs


@pytest.mark.parametrize("order", [("train", "validation", "test"), ("test", "validation", "train"), ("test", "train")])
def test_every_split_is_a_range_of_the_arrays_train_first(order: tuple[str, ...]) -> None:
    dataset = blobs(train=5, validation=3, test=4)
    dataset = dataclasses.replace(dataset, splits={name: dataset.splits[name] for name in order})
    data = put_on_device(dataset)
    assert data.ranges["train"] == (0, 5)
    assert {name: data.size(name) for name in order} == {name: len(dataset.splits[name]["targets"]) for name in order}
    for name in order:
        start, stop = data.ranges[name]
        for key, array in dataset.splits[name].items():
            assert isinstance(data.arrays[key], jax.Array)
            assert data.arrays[key].dtype == array.dtype, "as stored"
            np.testing.assert_array_equal(data.arrays[key][start:stop], array)
    assert len(data.arrays["inputs"]) == sum(data.size(name) for name in order)


def test_a_split_that_is_not_there_has_no_examples() -> None:
    assert put_on_device(blobs()).size("calibration") == 0
