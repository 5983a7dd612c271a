"""Outputs read as answers to yes-or-no questions, against NumPy and scikit-learn on whole splits in batches."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from scipy.special import expit

from jaxdl.errors import UserError
from jaxdl.objectives import SigmoidCrossEntropy
from jaxdl.objectives.questions import answer_counts, as_answers, right
from tests.objectives.splits import BATCHES, EXAMPLES, SEEDS, evaluate

QUESTIONS = 3
THRESHOLDS = st.sampled_from([0.5, 0.2, 0.9])
FIGURES = ("precision", "recall", "f1")


def answered(seed: int, examples: int, questions: int = QUESTIONS) -> tuple[np.ndarray, np.ndarray]:
    """Logits on a coarse grid, with many at 0, and answers that they say something about."""
    random = np.random.default_rng(seed)
    answers = random.integers(2, size=(examples, questions))
    logits = random.integers(-2, 3, size=answers.shape) + 2 * answers - 1
    return logits.astype(np.float32), answers.astype(np.int32)


def measured(name: str, logits: Any, answers: Any, batch_size: int, threshold: float = 0.5) -> dict[str, Any]:
    return evaluate(name, logits, answers, batch_size, objective=SigmoidCrossEntropy(threshold=threshold))


def test_a_logit_is_yes_above_the_boundary_and_a_target_above_one_half() -> None:
    logits = np.array([[-2.0], [0.0], [1.5], [np.nan]], np.float32)
    targets = np.array([0.4, 0.5, 0.6, 1.0], np.float32)
    for boundary, yes in ((0.0, [0, 0, 1, 2]), (-2.5, [1, 1, 1, 2]), (1.5, [0, 0, 0, 2])):
        predicted, answers = as_answers(boundary, logits, targets)
        np.testing.assert_array_equal(predicted[:, 0], yes)
        np.testing.assert_array_equal(answers[:, 0], [0, 0, 1, 1])
        assert predicted.dtype == answers.dtype == np.int32
    np.testing.assert_array_equal(right(0.0, logits, targets)[:, 0], [True, True, True, False])


@pytest.mark.parametrize("threshold", [0.01, 0.3, 0.5, 0.75])
def test_the_boundary_is_the_logit_of_the_threshold(threshold: float) -> None:
    boundary = SigmoidCrossEntropy(threshold=threshold).boundary()
    assert expit(boundary) == pytest.approx(threshold, rel=1e-12)
    assert boundary == 0 or threshold != 0.5


def test_counts_are_those_of_scikit_learn_for_what_the_mask_leaves() -> None:
    logits, answers = answered(0, 40)
    mask = np.arange(40) % 3 > 0
    counts = answer_counts(0.0, logits, answers, mask)
    expected = reference.multilabel_confusion_matrix(answers[mask], logits[mask] > 0)
    np.testing.assert_array_equal(counts[..., :2], expected)
    assert counts.dtype == np.int32 and counts.shape == (3, 2, 3) and not np.any(counts[..., 2])


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(UserError, match=r"outputs of shape \(4, 3\) do not fit targets of shape \(4,\)"):
        answer_counts(0.0, np.zeros((4, 3)), np.zeros(4), np.ones(4, bool))


@given(seed=SEEDS, examples=EXAMPLES, threshold=THRESHOLDS, batch_size=BATCHES)
def test_each_question_is_decided_at_the_threshold(seed: int, examples: int, threshold: float, batch_size: int) -> None:
    logits, answers = answered(seed, examples)
    predicted = expit(logits.astype(np.float64)) > threshold
    accuracy = measured("accuracy", logits, answers, batch_size, threshold)["accuracy"]
    assert accuracy == pytest.approx(1 - reference.hamming_loss(answers, predicted), rel=1e-12)
    exact = measured("exact_match", logits, answers, batch_size, threshold)
    assert exact == {"exact_match": pytest.approx(reference.accuracy_score(answers, predicted), rel=1e-12)}
    confusion = reference.multilabel_confusion_matrix(answers, predicted)
    assert measured("confusion", logits, answers, batch_size, threshold) == {"confusion": confusion.tolist()}


@given(seed=SEEDS, examples=EXAMPLES, threshold=THRESHOLDS, batch_size=BATCHES)
def test_figures_are_those_of_the_yes_of_each_question(
    seed: int, examples: int, threshold: float, batch_size: int
) -> None:
    logits, answers = answered(seed, examples)
    predicted = expit(logits.astype(np.float64)) > threshold
    known = (answers.astype(bool) | predicted).any(0)  # a question without a yes has no figures
    expected = reference.precision_recall_fscore_support(answers, predicted, zero_division=0)
    for name, values in zip(FIGURES, expected, strict=False):
        result = measured(name, logits, answers, batch_size, threshold)
        assert result.keys() == {name, f"{name}_per_question"}
        np.testing.assert_allclose(result[f"{name}_per_question"], values, rtol=1e-12)
        np.testing.assert_allclose(result[name], values[known].mean() if known.any() else math.nan, rtol=1e-12)


@given(seed=SEEDS, examples=EXAMPLES, batch_size=BATCHES)
def test_perplexity_is_the_exponential_of_the_mean_over_the_questions(
    seed: int, examples: int, batch_size: int
) -> None:
    logits, answers = answered(seed, examples)
    losses = [reference.log_loss(answers[:, n], expit(logits[:, n].astype(float)), labels=[0, 1]) for n in range(3)]
    value = measured("perplexity", logits, answers, batch_size)["perplexity"]
    assert value == pytest.approx(math.exp(np.mean(losses)), rel=1e-5)


def test_all_right_is_right() -> None:
    answers = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 0]], np.int32)
    logits = (8.0 * answers - 4).astype(np.float32)
    for name in ("accuracy", "exact_match", *FIGURES):
        assert measured(name, logits, answers, 7)[name] == 1
    assert measured("perplexity", logits, answers, 7)["perplexity"] == pytest.approx(1, abs=0.02)


@pytest.mark.slow
@given(seed=SEEDS, examples=EXAMPLES, threshold=THRESHOLDS, batch_size=BATCHES)
def test_one_question_is_a_choice_between_no_and_yes(
    seed: int, examples: int, threshold: float, batch_size: int
) -> None:
    logits, answers = answered(seed, examples, questions=1)
    labels, predicted = answers[:, 0], (expit(logits[:, 0].astype(np.float64)) > threshold).astype(int)
    matrix = reference.confusion_matrix(labels, predicted, labels=[0, 1]).tolist()
    per_class = reference.precision_recall_fscore_support(labels, predicted, labels=[0, 1], zero_division=0)
    for targets in (labels, answers, labels.astype(np.float32)):
        for name in ("accuracy", "exact_match"):
            value = measured(name, logits, targets, batch_size, threshold)[name]
            assert value == pytest.approx(np.mean(predicted == labels), rel=1e-12)
        assert measured("confusion", logits, targets, batch_size, threshold)["confusion"] == matrix
    for name, values in zip(FIGURES, per_class, strict=False):
        result = measured(name, logits, labels, batch_size, threshold)
        np.testing.assert_allclose(result[f"{name}_per_class"], values, rtol=1e-12)
        macro = np.mean([values[label] for label in {*labels, *predicted}])
        assert result[name] == pytest.approx(macro, rel=1e-12)


@given(seed=SEEDS, examples=EXAMPLES, questions=st.sampled_from([1, QUESTIONS]), batch_size=BATCHES)
def test_logits_that_are_nan_are_wrong_and_answer_neither(
    seed: int, examples: int, questions: int, batch_size: int
) -> None:
    logits, answers = answered(seed, examples, questions)
    nan = np.random.default_rng(seed).random(logits.shape) < 0.3
    correct = (logits > 0) == answers
    right_answers = correct & ~nan
    logits[nan] = np.nan
    value = measured("accuracy", logits, answers, batch_size)["accuracy"]
    assert value == pytest.approx(right_answers.mean(), rel=1e-12)
    value = measured("exact_match", logits, answers, batch_size)["exact_match"]
    assert value == pytest.approx(right_answers.all(1).mean(), rel=1e-12)
    confusion = np.reshape(measured("confusion", logits, answers, batch_size)["confusion"], (questions, 2, -1))
    for n in range(questions):
        decided = ~nan[:, n]
        expected = np.zeros((2, 2), int)  # scikit-learn refuses no answers at all
        if decided.any():
            expected = reference.confusion_matrix(answers[decided, n], logits[decided, n] > 0, labels=[0, 1])
        np.testing.assert_array_equal(confusion[n, :, :2], expected)
        if nan.any():
            assert confusion[n, :, 2].tolist() == [np.sum(nan[:, n] & (answers[:, n] == yes)) for yes in (0, 1)]
    if questions > 1:
        yes, hits = answers.sum(0), (right_answers & (answers == 1)).sum(0)
        recall = measured("recall", logits, answers, batch_size)["recall_per_question"]
        np.testing.assert_allclose(recall, hits / np.maximum(yes, 1), rtol=1e-12)
