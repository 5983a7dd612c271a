"""Which examples are cut off for validation and test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.data.splits import By, cut


def numbered(count):
    return {"inputs": np.arange(count), "targets": np.arange(count) * 10}


@given(count=st.integers(1, 500), share=st.floats(0, 0.999))
def test_validation_is_cut_from_train_without_loss_or_overlap(count, share):
    train, validation = cut(numbered(count), share)
    assert sorted([*train["inputs"], *validation["inputs"]]) == list(range(count))
    assert len(train["inputs"]) >= 1
    assert abs(len(validation["inputs"]) - share * count) <= 1
    assert (len(validation["inputs"]) > 0) == (share > 0 and count > 1)
    for part in (train, validation):
        assert np.array_equal(part["targets"], part["inputs"] * 10), "inputs and targets stay together"
        assert np.all(np.diff(part["inputs"]) > 0), "the order is that of train"


def test_the_validation_examples_are_fixed_for_good():
    _, validation = cut(numbered(100), 0.1)
    assert validation["inputs"].tolist() == [0, 5, 10, 19, 49, 59, 61, 66, 91, 94]


@given(labels=st.lists(st.integers(0, 4), min_size=2, max_size=200), share=st.floats(0.05, 0.9))
def test_each_class_gives_its_share_and_keeps_an_example(labels, share):
    split = {"inputs": np.arange(len(labels)), "targets": np.array(labels)}
    rest, taken = cut(split, share, "class")
    assert sorted([*rest["inputs"], *taken["inputs"]]) == list(range(len(labels)))
    stratified = any(round(labels.count(label) * share) and labels.count(label) > 1 for label in labels)
    for label in set(labels):
        count, of_taken = labels.count(label), int((taken["targets"] == label).sum())
        if stratified:
            assert of_taken == min(round(count * share), count - 1)
    assert len(taken["inputs"]) >= 1
    assert len(rest["inputs"]) >= 1


@given(groups=st.lists(st.integers(0, 9), min_size=1, max_size=200), share=st.floats(0.05, 0.9))
def test_a_group_is_never_cut(groups, share):
    split = {**numbered(len(groups)), "groups": np.array([f"patient {group}" for group in groups])}
    rest, taken = cut(split, share, "class")
    assert not set(rest["groups"]) & set(taken["groups"])
    assert len(rest["groups"]) + len(taken["groups"]) == len(groups)
    assert len(rest["groups"])
    assert bool(len(taken["groups"])) == (len(set(groups)) > 1)


def test_the_last_examples_are_cut_off_by_time():
    rest, taken = cut(numbered(10), 0.3, "time")
    assert taken["inputs"].tolist() == [7, 8, 9]
    assert rest["inputs"].tolist() == list(range(7))


@pytest.mark.parametrize("by", ["example", "class", "time"])
def test_the_examples_are_the_same_each_time(by: By):
    split = {"inputs": np.arange(90), "targets": np.arange(90) % 3}
    first, second = cut(split, 0.2, by), cut(split, 0.2, by)
    assert np.array_equal(first[1]["inputs"], second[1]["inputs"])
    assert len(first[1]["inputs"]) == 18
