"""A data set on the device: every split where its range says, as it is stored."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.resident import put_on_device
from tests.padded import padded
from tests.small import blobs


@given(train=st.integers(1, 9), validation=st.integers(0, 9), test=st.integers(1, 9), order=st.permutations(range(3)))
def test_each_range_holds_its_split_bit_for_bit(train: int, validation: int, test: int, order: list[int]) -> None:
    dataset = blobs(train, validation, test)
    names = [list(dataset.splits)[i] for i in order]
    resident = put_on_device(dataclasses.replace(dataset, splits={name: dataset.splits[name] for name in names}))
    assert resident.ranges["train"] == (0, train)  # the order of an epoch counts from the first example
    for name, split in dataset.splits.items():
        start, stop = resident.ranges[name]
        assert resident.size(name) == stop - start == len(split["targets"])
        for key, array in split.items():
            np.testing.assert_array_equal(resident.arrays[key][start:stop], array)
            assert resident.arrays[key].dtype == array.dtype
    assert all(len(array) == train + validation + test for array in resident.arrays.values())


def test_a_split_that_is_not_there_has_no_examples() -> None:
    dataset = blobs()
    without = {name: split for name, split in dataset.splits.items() if name != "validation"}
    resident = put_on_device(dataclasses.replace(dataset, splits=without))
    assert resident.size("validation") == 0 and resident.size("test") == 33


def test_splits_with_other_arrays_do_not_fit_into_one() -> None:
    dataset = blobs()
    splits = {**dataset.splits, "test": {"inputs": dataset.splits["test"]["inputs"]}}
    with pytest.raises(KeyError, match="targets"):
        put_on_device(dataclasses.replace(dataset, splits=splits))


def test_sequences_to_evaluate_lie_in_order_of_their_lengths_and_keep_their_targets() -> None:
    dataset = padded().load()
    resident = put_on_device(dataset)
    np.testing.assert_array_equal(
        resident.arrays["lengths"][: resident.size("train")], dataset.splits["train"]["lengths"]
    )
    start, stop = resident.ranges["test"]
    order = np.argsort(dataset.splits["test"]["lengths"], kind="stable")
    for key, array in dataset.splits["test"].items():
        np.testing.assert_array_equal(resident.arrays[key][start:stop], array[order])
