"""Chunks: the right examples in them, and the next one read while one is used."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest

from jaxdl.data import chunks
from jaxdl.data.chunks import InParts, Prefetcher, on_device_or_in_parts
from jaxdl.data.resident import Resident
from jaxdl.errors import UserError
from tests.small import blobs


def test_examples_are_found_by_split_and_number():
    dataset = blobs()
    found = InParts(dataset).read("validation", np.array([3, 0]), 4)
    for name, array in found.items():
        assert array.shape == (4, *dataset.splits["validation"][name].shape[1:])
        assert np.array_equal(array[:2], dataset.splits["validation"][name][[3, 0]])
        assert not array[2:].any()


def test_sizes_and_ranges_are_those_on_the_device():
    dataset = blobs()
    on_device, parts = (
        on_device_or_in_parts(dataset),
        on_device_or_in_parts(dataclasses.replace(dataset, in_parts=True)),
    )
    assert isinstance(on_device, Resident) and isinstance(parts, InParts)
    assert on_device.ranges == parts.ranges and on_device.shapes(7) == parts.shapes(7)
    assert [parts.size(name) for name in ("train", "validation", "test", "other")] == [50, 20, 33, 0]


def test_a_chunk_has_as_many_batches_as_its_bytes_allow(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(chunks, "_MOST_BYTES", 3000)
    parts = InParts(blobs())  # 20 bytes an example
    assert [parts.batches(size, 7) for size in (5, 10, 20, 40, 1000)] == [7, 5, 4, 3, 1]
    assert [parts.ahead(count) for count in (50, 51)] == [3, 1]


def test_one_chunk_is_read_ahead_and_no_more():
    read, release = [], threading.Semaphore(0)

    def load(key):
        read.append(key)
        release.release()
        return {"x": np.full(3, key)}

    prefetcher = Prefetcher(load, lambda key: key + 1 if key < 3 else None)
    for key in range(4):
        assert np.asarray(prefetcher.get(key)["x"]).tolist() == [key] * 3
        for _ in range(2 if key == 0 else 1 if key < 3 else 0):
            assert release.acquire(timeout=5)
        assert read == list(range(min(key + 2, 4)))
    prefetcher.close()


def test_several_chunks_are_read_ahead_in_their_order():
    read, done = [], threading.Semaphore(0)

    def load(key):
        read.append(key)
        done.release()
        return {"x": np.zeros(1)}

    prefetcher = Prefetcher(load, lambda key: key + 1 if key < 9 else None, 3)
    prefetcher.get(5)
    for _ in range(4):
        assert done.acquire(timeout=5)
    assert read == [5, 6, 7, 8]
    prefetcher.close()


def test_any_chunk_may_be_the_first_and_after_closing_too():
    prefetcher = Prefetcher(lambda key: {"x": np.full(1, key)}, lambda key: key + 1)
    for key in (7, 2, 3):
        assert int(prefetcher.get(key)["x"][0]) == key
        prefetcher.close()


def test_an_error_of_reading_comes_where_the_chunk_is_needed():
    def load(key):
        if key == 1:
            raise UserError("file.npy cannot be read")
        return {"x": np.zeros(1)}

    prefetcher = Prefetcher(load, lambda key: key + 1)
    prefetcher.get(0)
    with pytest.raises(UserError, match=r"file\.npy cannot be read"):
        prefetcher.get(1)
    prefetcher.close()
