"""Arrays that the device takes over without a copy."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.data.memory import empty, gathered, joined
from jaxdl.data.resident import put_on_device


def lies_at(array: jax.Array, place: np.ndarray) -> bool:
    return bool(array.unsafe_buffer_pointer() == place.ctypes.data)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, bool])
@pytest.mark.parametrize("shape", [(0,), (3,), (5, 7, 2), (2, 0)])
def test_an_array_begins_where_the_device_can_take_it_over(shape: tuple[int, ...], dtype: type) -> None:
    found = empty(shape, dtype)
    assert found.shape == shape and found.dtype == dtype and found.flags.c_contiguous
    assert found.ctypes.data % 64 == 0 or not found.size


@given(data=st.data())
def test_rows_of_several_arrays_are_numpys_and_lie_together(data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=4))
    arrays = [np.arange(n * 6).reshape(n, 3, 2).astype(np.uint8) + 10 * i for i, n in enumerate(counts)]
    parts = [
        (array, np.array(data.draw(st.permutations(range(len(array))))[: data.draw(st.integers(0, len(array)))], int))
        if data.draw(st.booleans())
        else (array, None)
        for array in arrays
    ]
    expected = [array if rows is None else array[rows] for array, rows in parts]
    found = gathered(parts)
    for part, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(part, right)
        assert not part.flags.writeable
    whole = joined(found)
    np.testing.assert_array_equal(whole, np.concatenate(expected))
    assert not whole.size or np.shares_memory(whole, next(part for part in found if part.size))


def test_arrays_of_several_dtypes_take_the_one_that_holds_both() -> None:
    one, other = gathered([(np.array([1, 2], np.int8), np.array([1])), (np.array([300, 4], np.int32), None)])
    assert one.tolist() == [2] and other.tolist() == [300, 4] and one.dtype == other.dtype == np.int32


@pytest.mark.parametrize("made", ["writeable", "apart", "turned", "of another array", "every second"])
def test_what_does_not_lie_together_is_copied(made: str) -> None:
    whole = np.arange(24, dtype=np.int32).reshape(12, 2)
    whole.flags.writeable = made == "writeable"
    parts = {
        "writeable": [whole[:4], whole[4:]],
        "apart": [whole[:4], whole[5:]],
        "turned": [whole[4:], whole[:4]],
        "of another array": [whole[:4], whole[4:].copy()],
        "every second": [whole[:4:2], whole[4:]],
    }[made]
    found = joined(parts)
    np.testing.assert_array_equal(found, np.concatenate(parts))
    assert not np.shares_memory(found, whole)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="only the memory of the CPU is the host's own")
def test_a_set_that_is_cut_into_splits_is_copied_once() -> None:
    dataset = jaxdl.Digits().load(notify=lambda line: None)
    resident = put_on_device(dataset)
    assert lies_at(resident.arrays["inputs"], dataset.splits["train"]["inputs"])
    again = put_on_device(dataset)
    assert lies_at(again.arrays["inputs"], dataset.splits["train"]["inputs"])


def test_arrays_of_a_user_that_change_later_do_not_change_what_is_on_the_device() -> None:
    inputs, targets = np.zeros((20, 64), np.float32), np.arange(20) % 2
    data = jaxdl.Arrays(train=(inputs[:15], targets[:15]), test=(inputs[15:], targets[15:]), validation=0)
    resident = put_on_device(data.load(notify=lambda line: None))
    inputs[:] = 1
    assert not np.asarray(resident.arrays["inputs"]).any()
