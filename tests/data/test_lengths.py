"""Lengths of sequences, checked where data come in."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data import Preprocess, Spec
from jaxdl.data.lengths import (
    bucket_lengths,
    bucket_of_each,
    checked_lengths,
    pad_alike,
    pad_answers,
    share_of_longest,
    steps_that_count,
)
from jaxdl.errors import UserError
from tests.padded import padded


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_lengths_of_any_integer_dtype_become_int32(dtype: type) -> None:
    found = checked_lengths(np.array([0, 3, 7], dtype), 3, 7, "lengths")
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, [0, 3, 7])
    assert checked_lengths([], 0, 7, "lengths").shape == (0,)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 2, 8], r"lengths\[2\] is 8; a length is the number of valid steps, from 0 to 7"),
        ([1, -1, 8], r"lengths\[1\] is -1"),
        ([2**32 + 1, 2, 3], r"lengths\[0\] is 4294967297"),  # would be 1 in int32
        ([1, 2], r"lengths has shape \(2,\); give one for each of the 3 examples"),
        ([[1], [2], [3]], r"lengths has shape \(3, 1\)"),
        (3, r"lengths has shape \(\)"),
        ([1.0, 2.0, 3.0], r"lengths is float64 of shape \(3,\); give an integer for each example"),
        ([True, True, False], "lengths is bool"),
        (["1", "2", "3"], "lengths is <U1"),
    ],
)
def test_other_lengths_are_refused_by_name(lengths: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        checked_lengths(lengths, 3, 7, "lengths")


def test_a_data_set_says_whether_it_has_lengths_and_checks_them() -> None:
    dataset = padded().read(Path(), print)
    assert dataset.spec.lengths
    test = dict(dataset.splits["test"])
    without = {name: {key: split[key] for key in ("inputs", "targets")} for name, split in dataset.splits.items()}
    assert not dataclasses.replace(dataset, splits=without).spec.lengths
    with pytest.raises(UserError, match=r"arrays: all splits must have lengths or none, .*'train': False"):
        dataclasses.replace(dataset, splits={**without, "test": test})
    test["lengths"] = test["lengths"] + 1
    with pytest.raises(UserError, match=r"lengths of test\[\d+\] is 8; a length .* from 0 to 7"):
        dataclasses.replace(dataset, splits={**dataset.splits, "test": test})


def test_a_record_of_before_has_no_lengths() -> None:
    spec = Spec((7, 2), "float32", Preprocess(), (), 3, lengths=True)
    fields = dataclasses.asdict(spec)
    assert Spec.from_json(fields) == spec
    del fields["lengths"]
    assert not Spec.from_json(fields).lengths


def of_one(lengths: np.ndarray, steps: int, most: int) -> tuple[int, ...]:
    return bucket_lengths({"": lengths}, {"": steps}, most)[""]


def padded_steps(lengths: list[int], buckets: tuple[int, ...]) -> int:
    return sum(min(bucket for bucket in buckets if bucket >= length) for length in lengths)


@given(lengths=st.lists(st.integers(0, 12), min_size=1, max_size=30), most=st.integers(1, 4))
def test_buckets_have_the_fewest_padded_steps_of_so_many_lengths(lengths: list[int], most: int) -> None:
    steps = 12
    found = of_one(np.array(lengths), steps, most)
    assert list(found) == sorted(set(found)) and found[-1] == steps and len(found) <= most
    others = sorted({max(length, 1) for length in lengths} - {steps})
    best = {
        count: min(padded_steps(lengths, (*cut, steps)) for cut in itertools.combinations(others, count))
        for count in range(min(most, len(others) + 1))
    }
    assert padded_steps(lengths, found) == best[len(found) - 1]
    # One more would have saved less than a tenth.
    assert len(found) not in best or best[len(found)] > 0.9 * best[len(found) - 1]


def test_buckets_of_very_many_lengths_are_close_to_the_best() -> None:
    lengths = np.random.RandomState(0).randint(1, 20_001, 30_000)
    found = of_one(lengths, 20_000, 4)
    np.testing.assert_allclose(found, [6667, 13_333, 20_000], rtol=0.04)  # of a uniform distribution


def test_examples_of_one_length_have_one_bucket() -> None:
    assert of_one(np.full(9, 5), 5, 4) == (5,)
    assert of_one(np.array([3, 9]), 9, 1) == (9,)


PAIRS = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 30)), min_size=1, max_size=20)


@given(pairs=PAIRS, most=st.integers(1, 3))
def test_buckets_of_two_inputs_have_the_fewest_padded_steps_in_the_order_of_the_longest(
    pairs: list[tuple[int, int]], most: int
) -> None:
    steps, given = (12, 30), np.array(pairs)
    split = {"lengths/a": given[:, 0], "lengths/b": given[:, 1], "inputs/a": np.zeros((len(pairs), 12))}
    split["inputs/b"] = np.zeros((len(pairs), 30, 2))
    found = bucket_lengths({"a": given[:, 0], "b": given[:, 1]}, {"a": 12, "b": 30}, most)
    buckets = [*zip(found["a"], found["b"], strict=True)]
    assert buckets[-1] == steps and len(buckets) <= most
    assert all(one <= other for pair in itertools.pairwise(buckets) for one, other in zip(*pair, strict=True))
    if len(buckets) == 1:
        assert bucket_of_each(split, found) is None
        return
    # Whatever of these buckets are taken: each holds all examples up to one in the order of the longest sequence.
    shares = share_of_longest(split)
    assert shares is not None
    ordered = np.maximum.accumulate(given[np.argsort(shares, kind="stable")])
    possible = [(count + 1, tuple(row)) for count, row in enumerate(ordered.tolist())]
    cost = lambda chosen: sum(  # noqa: E731
        (end - before) * sum(row) for (before, _), (end, row) in itertools.pairwise([(0, steps), *chosen])
    )
    least = min(cost([*chosen, (len(pairs), steps)]) for chosen in itertools.combinations(possible, len(buckets) - 1))
    of_each = bucket_of_each(split, found)
    assert of_each is not None
    for pair, bucket in zip(pairs, of_each, strict=True):
        fits = [all(np.array(pair) <= each) for each in buckets]
        assert bucket == fits.index(True)
    assert sum(sum(buckets[bucket]) for bucket in of_each) <= least


def test_the_steps_of_targets_that_count() -> None:
    inputs, targets = np.zeros((2, 4, 1)), np.zeros((2, 4), np.int32)
    lengths = np.array([1, 4])
    assert steps_that_count({"inputs": inputs, "targets": targets}) is None
    assert steps_that_count({"inputs": inputs, "targets": targets[:, 0], "lengths": lengths}) is None
    assert steps_that_count({"inputs": inputs, "targets": targets[:, :3], "lengths": lengths}) is None
    found = steps_that_count({"inputs": inputs, "targets": targets, "lengths": lengths})
    assert found is not None and found.sum(1).tolist() == [1, 4]
    own = {"inputs": inputs, "targets": targets, "lengths": lengths, "target_lengths": np.array([3, 0])}
    found = steps_that_count(own)
    assert found is not None and found.sum(1).tolist() == [3, 0]


def test_splits_are_padded_to_the_longest_and_answers_apart_from_inputs() -> None:
    splits: dict[str, dict[str, np.ndarray]] = {
        "train": {"inputs": np.ones((2, 3)), "targets": np.ones((2, 2), np.int32), "target_lengths": np.array([1, 2])},
        "test": {"inputs": np.ones((1, 5)), "targets": np.ones((1, 4), np.int32)},
    }
    pad_answers(splits)
    pad_alike(splits)
    assert {name: split["inputs"].shape for name, split in splits.items()} == {"train": (2, 5), "test": (1, 5)}
    assert splits["train"]["targets"].tolist() == [[1, 1, 0, 0]] * 2
    assert (splits["train"]["lengths"].tolist(), splits["test"]["lengths"].tolist()) == ([3, 3], [5])
    assert splits["test"]["target_lengths"].tolist() == [4]
    with pytest.raises(UserError, match="target_lengths need targets of shape"):
        pad_answers({"train": {"inputs": np.ones((2, 3)), "targets": np.ones(2, np.int32)}})
