"""The label error rate against the textbook's table of distances."""

from __future__ import annotations

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given

import jaxdl
from jaxdl.objectives import CTC
from jaxdl.objectives.answers import edit_distances
from jaxdl.objectives.metrics import default_metrics, metric

compiled = jax.jit(edit_distances)


def distance(one: list[int], other: list[int]) -> int:
    """Wagner and Fischer 1974."""
    table = np.zeros((len(one) + 1, len(other) + 1), int)
    table[:, 0], table[0] = np.arange(len(one) + 1), np.arange(len(other) + 1)
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b))
    return int(table[-1, -1])


def read(path: np.ndarray, blank: int) -> list[int]:
    """What the likeliest class of each step says: repeated ones once, without blanks."""
    return [int(a) for a, b in zip(path, [blank, *path[:-1]], strict=True) if a not in (b, blank)]


@given(seed=st.integers(0, 2**32 - 1))
def test_answers_are_read_from_the_likeliest_classes(seed: int) -> None:
    random = np.random.default_rng(seed)
    outputs, lengths = random.normal(size=(5, 9, 4)), random.integers(1, 10, 5)
    for given_lengths in (None, lengths):
        counts = [9] * 5 if given_lengths is None else lengths
        expected = [read(path[:count], 3) for path, count in zip(outputs.argmax(-1), counts, strict=True)]
        assert [answer.tolist() for answer in jaxdl.ctc_decode(outputs, given_lengths)] == expected


@given(seed=st.integers(0, 2**32 - 1))
def test_it_counts_the_labels_to_change(seed: int) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(5, 9, 4)).astype(np.float32)
    lengths = random.integers(0, 7, 5)
    labels = np.where(np.arange(6) < lengths[:, None], random.integers(3, size=(5, 6)), -1)
    expected = [
        distance(read(path, 3), list(row[row >= 0])) for path, row in zip(logits.argmax(-1), labels, strict=True)
    ]
    assert compiled(logits, labels).tolist() == expected
    weights = random.choice([0.0, 1.0, 2.0], 5).astype(np.float32)
    measured = metric("label_error_rate", CTC())
    partials = {name: np.asarray(sum)[None] for name, sum in measured.partial(logits, labels, weights).items()}
    right = (weights * lengths).sum()
    rate = (weights * expected).sum() / right if right else np.nan
    assert measured.result(partials)["label_error_rate"] == pytest.approx(rate, nan_ok=True)


def test_a_step_with_nan_is_a_wrong_label_and_ctc_measures_it_by_default() -> None:
    logits = np.full((1, 3, 3), -9, np.float32)
    logits[0, [0, 1, 2], [0, 2, 1]] = 9  # reads 0, blank, 1
    assert compiled(logits, np.array([[0, 1]])).tolist() == [0]
    logits[0, 2, 0] = np.nan
    assert compiled(logits, np.array([[0, 1]])).tolist() == [1]
    assert default_metrics(CTC()) == ("label_error_rate",)
