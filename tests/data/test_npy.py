"""Files of arrays, read by the numbers of their examples: what NumPy itself would give."""

from __future__ import annotations

import errno
import os
import resource

import hypothesis
import hypothesis.extra.numpy as drawn
import hypothesis.strategies as st
import numpy as np
import pytest

from jaxdl.data.npy import ArrayOnDisk, Filled, Writer, header_of, headers_in_zip, opened, write_array
from jaxdl.errors import UserError

ARRAYS = drawn.arrays(
    st.sampled_from(["u1", "<f4", ">i2", "<f8", "?"]), drawn.array_shapes(min_dims=1, max_dims=4, max_side=9)
)


@hypothesis.given(array=ARRAYS, data=st.data())
def test_any_examples_in_any_order_are_those_of_numpy(tmp_path_factory, array, data):
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    np.save(path, array)
    numbers = data.draw(st.lists(st.integers(0, len(array) - 1), max_size=12))
    found = np.asarray(opened(path)[np.array(numbers, np.int64)])
    assert found.dtype == array.dtype
    assert found.tobytes() == array[numbers].tobytes()


@hypothesis.given(array=ARRAYS)
def test_what_is_written_in_parts_is_what_numpy_reads(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    writer = Writer(path, array.shape[1:], array.dtype)
    for start in range(0, len(array), 4):
        writer.write(array[start : start + 4])
    writer.close()
    assert writer.count == len(array)
    assert np.load(path).tobytes() == array.tobytes() and np.load(path).shape == array.shape


@hypothesis.given(array=ARRAYS)
def test_an_array_is_written_as_numpy_writes_it(tmp_path_factory, array):
    folder = tmp_path_factory.mktemp("npy")
    write_array(folder / "a.npy", array)
    np.save(folder / "b.npy", array)
    assert (folder / "a.npy").read_bytes() == (folder / "b.npy").read_bytes()


def test_a_disk_without_room_is_named(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError) as caught:
            write_array(tmp_path / "a.npy", np.zeros(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG


def test_arrays_in_a_zip_are_found_where_they_lie(tmp_path):
    inputs, targets = np.arange(24, dtype=np.float32).reshape(6, 4), np.arange(6)
    np.savez(tmp_path / "a.npz", inputs=inputs, targets=targets)
    found = dict(headers_in_zip(tmp_path / "a.npz"))
    assert sorted(found) == ["inputs", "targets"]
    read = ArrayOnDisk(tmp_path / "a.npz", found["inputs"]).read(np.array([5, 0, 1]))
    assert np.array_equal(read, inputs[[5, 0, 1]])


def test_compressed_arrays_have_no_place(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", inputs=np.zeros(3))
    assert dict(headers_in_zip(tmp_path / "a.npz")) == {"inputs": None}


def test_examples_are_converted_as_they_are_read(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6, dtype=np.float64))
    with (tmp_path / "a.npy").open("rb") as file:
        header = header_of(file)
    reader = ArrayOnDisk(tmp_path / "a.npy", header, lambda part: part.astype(np.float32))
    assert reader.dtype == np.float32 and reader.read(np.array([4])).dtype == np.float32


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{}], object), "holds Python objects"),
        (np.asfortranarray(np.zeros((2, 3))), "Fortran's order"),
        (np.array(1.0), "one number, not an array"),
    ],
)
def test_what_cannot_be_read_by_its_examples_says_so(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=message):
        opened(tmp_path / "a.npy")


def test_a_file_that_is_cut_short_is_named(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((100, 10)))
    os.truncate(path, 4000)
    with pytest.raises(UserError, match=r"a\.npy is cut short: it has 4,000 bytes"):
        opened(path)


def test_a_file_that_becomes_shorter_while_it_is_read_is_named(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((100, 10)))
    array = opened(path)
    os.truncate(path, 4000)
    with pytest.raises(UserError, match=r"a\.npy became shorter while it was read; it ends before byte 7,329"):
        np.asarray(array[90:])


def test_filling_in_memory_and_in_a_file_gives_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxdl.data.npy.PART_BYTES", 64)
    examples = np.random.RandomState(0).rand(23, 5).astype(np.float32)
    for path in (None, tmp_path / "a.npy"):
        filled = Filled(23, (5,), np.dtype(np.float32), path)
        for example in examples:
            filled.add(example)
        assert np.array_equal(np.asarray(filled.array()), examples)
