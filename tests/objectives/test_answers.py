"""The label error rate against the textbook's table of distances."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings

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


def every_answer(probabilities: np.ndarray) -> dict[tuple[int, ...], float]:
    """The probability of each answer: the sum over all alignments that say it, one by one."""
    steps, classes = probabilities.shape
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(classes), repeat=steps):
        answer = tuple(read(np.array(path), classes - 1))
        found[answer] = found.get(answer, 0.0) + float(np.prod(probabilities[range(steps), path]))
    return found


@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 5), classes=st.integers(2, 4), sure=st.floats(0.1, 4))
@settings(max_examples=60)
def test_a_wide_beam_finds_the_likeliest_of_all_answers(seed: int, steps: int, classes: int, sure: float) -> None:
    random = np.random.default_rng(seed)
    logits, lengths = sure * random.normal(size=(2, steps, classes)), random.integers(1, steps + 1, 2)
    probabilities = scipy.special.softmax(logits, -1)
    for given_to_it in (probabilities, probabilities.astype(np.float32), logits):
        answers = jaxdl.ctc_decode(given_to_it, lengths, beam=1000)
        for answer, rows, count in zip(answers, probabilities, lengths, strict=True):
            every = every_answer(rows[:count])
            assert answer.dtype == np.int64
            assert every[tuple(answer.tolist())] == pytest.approx(max(every.values()), rel=1e-5)


@given(seed=st.integers(0, 2**32 - 1), beam=st.integers(1, 4))
@settings(max_examples=30)
def test_a_narrow_beam_gives_an_answer_that_can_be(seed: int, beam: int) -> None:
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(3), size=(1, 5))
    probabilities[:, 2, 0], probabilities[:, 2, 1] = 0, probabilities[:, 2, :2].sum()  # a class that is impossible
    (answer,) = jaxdl.ctc_decode(probabilities, beam=beam)
    assert every_answer(probabilities[0])[tuple(answer.tolist())] > 0


def test_the_likeliest_answer_is_not_always_on_the_likeliest_path() -> None:
    """No label has 0.36, one label in three ways 0.64."""
    steps = np.array([[[0.4, 0.6], [0.4, 0.6]]])
    assert [answer.tolist() for answer in jaxdl.ctc_decode(steps)] == [[]]
    assert [answer.tolist() for answer in jaxdl.ctc_decode(steps, beam=2)] == [[0]]
    assert [answer.tolist() for answer in jaxdl.ctc_decode(steps, np.array([0]), beam=2)] == [[]]
    with pytest.raises(jaxdl.UserError, match="beam=-1"):
        jaxdl.ctc_decode(steps, beam=-1)


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
