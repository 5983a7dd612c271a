"""Sums as sequences: the answers are right, none occurs twice, and lengths say what counts."""

from __future__ import annotations

import numpy as np
import pytest

import jaxdl
from jaxdl.data import DATA, Addition
from jaxdl.data.sources.addition import ids_of
from jaxdl.data.spec import END
from jaxdl.errors import UserError

CHARACTERS = "0123456789+"


def texts(split) -> list[tuple[str, str]]:
    """Questions and answers, without what is beyond their lengths; answers end with the class for it."""
    found = []
    for ids, length, answer, size in zip(
        split["inputs"], split["lengths"], split["targets"], split["target_lengths"], strict=True
    ):
        assert answer[size - 1] == 10
        found.append(("".join(CHARACTERS[i] for i in ids[:length]), "".join(map(str, answer[: size - 1]))))
    return found


@pytest.mark.parametrize(("digits", "reverse"), [(1, False), (2, True), (3, False), (9, True)])
def test_every_answer_is_the_sum(digits: int, reverse: bool) -> None:
    source = Addition(digits=digits, reverse=reverse, train_examples=15, test_examples=12)
    dataset = source.load()
    assert dataset.spec.lengths and dataset.spec.target_lengths
    assert dataset.spec.class_names[-1] == END
    for split in dataset.splits.values():
        assert split["inputs"].shape[1:] == dataset.spec.input_shape == (2 * digits + 1,)
        assert split["targets"].shape[1:] == dataset.spec.target_shape == (digits + 2,)
        for question, answer in texts(split):
            a, b = map(int, question.split("+"))
            assert (answer[::-1] if reverse else answer) == str(a + b)


def test_no_sum_occurs_twice_in_any_order() -> None:
    splits = Addition(train_examples=5000, test_examples=1000).load().splits
    pairs = [tuple(sorted(question.split("+"))) for split in splits.values() for question, _ in texts(split)]
    assert len(set(pairs)) == len(pairs) == 6000


def test_numbers_of_few_digits_are_in_test_as_often_as_in_train() -> None:
    splits = Addition(train_examples=10_000, test_examples=4000, validation=0).load().splits
    shares = [np.mean([len(question) < 6 for question, _ in texts(split)]) for split in splits.values()]
    assert shares[0] == pytest.approx(shares[1], abs=0.03)


def test_more_sums_than_there_are_cannot_be_had() -> None:
    with pytest.raises(UserError, match=r"there are 55 sums of data\.digits=1, and 60 are asked for"):
        Addition(digits=1, train_examples=50, test_examples=10).load()


def test_characters_become_ids() -> None:
    assert ids_of("12+9") == [1, 2, 10, 9]
    with pytest.raises(UserError, match="'1-2': '-' is none of the characters"):
        ids_of("1-2")


def test_it_is_named_and_fixed_for_good() -> None:
    assert DATA.make("addition") == Addition() == jaxdl.Addition()
    assert Addition().load().fingerprint == "466b3d5ec070e5c133811be308b84772af58de5d547456faa2dccf8761b70bb3"
