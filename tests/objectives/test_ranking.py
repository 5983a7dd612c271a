"""Areas under curves against scikit-learn, on whole splits in batches of any size."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from scipy.special import softmax

from jaxdl.objectives import SigmoidCrossEntropy, SoftmaxCrossEntropy
from tests.objectives.splits import BATCHES, EXAMPLES, SEEDS, classified, evaluate

QUESTIONS = SigmoidCrossEntropy()
NAMES = ("auc", "average_precision", "pr_auc")


def areas(yes: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """What scikit-learn gives for one question; NaN where all answers are the same."""
    kept = weights > 0
    yes, scores, weights = yes[kept], scores[kept], weights[kept]
    if len(set(yes.tolist())) < 2:
        return dict.fromkeys(NAMES, np.nan)
    precision, recall, _ = reference.precision_recall_curve(yes, scores, sample_weight=weights)
    return {
        "auc": reference.roc_auc_score(yes, scores, sample_weight=weights),
        "average_precision": reference.average_precision_score(yes, scores, sample_weight=weights),
        "pr_auc": reference.auc(recall, precision),
    }


def check(name: str, result: dict[str, Any], expected: list[float], each: str, **tolerance: float) -> None:
    known = [value for value in expected if not np.isnan(value)]
    assert result.pop(name) == pytest.approx(np.mean(known) if known else np.nan, nan_ok=True, **tolerance)
    if len(expected) > 1:
        assert result.pop(f"{name}_per_{each}") == pytest.approx(expected, nan_ok=True, **tolerance)
    assert not result


@given(seed=SEEDS, examples=EXAMPLES, classes=st.sampled_from([2, 4]), batch_size=BATCHES, weighted=st.booleans())
def test_areas_of_classes(seed: int, examples: int, classes: int, batch_size: int, weighted: bool) -> None:
    logits, labels = classified(seed, examples, classes)
    random = np.random.default_rng(seed)
    if classes > 2:  # without ties: the logarithms of equal probabilities may differ in the last bit
        logits += random.normal(size=logits.shape).astype(np.float32)
    weights = random.choice([0, 0.5, 2], examples) if weighted else np.ones(examples)
    probabilities = softmax(logits.astype(np.float64), -1)
    columns = [1] if classes == 2 else range(classes)
    expected = [areas(labels == column, probabilities[:, column], weights) for column in columns]
    mask = weights.astype(np.float32) if weighted else np.ones(examples, bool)
    for name in NAMES:
        result = evaluate(name, logits, labels, batch_size, mask)
        check(name, result, [each[name] for each in expected], "class", rel=1e-9)


@given(seed=SEEDS, examples=EXAMPLES, questions=st.sampled_from([1, 3]), batch_size=BATCHES)
def test_areas_of_questions(seed: int, examples: int, questions: int, batch_size: int) -> None:
    random = np.random.default_rng(seed)
    answers = random.integers(2, size=(examples, questions))
    scores = (random.integers(-2, 3, size=(examples, questions)) + answers).astype(np.float32)
    expected = [areas(answers[:, n], scores[:, n], np.ones(examples)) for n in range(questions)]
    for name in NAMES:
        result = evaluate(name, scores, answers, batch_size, objective=QUESTIONS)
        check(name, result, [each[name] for each in expected], "question", rel=1e-9)


def test_many_classes_are_those_of_scikit_learns_mean_over_one_against_the_rest() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(5, size=300)
    logits = (random.normal(size=(300, 5)) + np.eye(5)[labels]).astype(np.float32)
    probabilities = softmax(logits.astype(np.float64), -1)
    expected = reference.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
    assert evaluate("auc", logits, labels, 64)["auc"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("classes", "objective"), [(2, SoftmaxCrossEntropy()), (3, SoftmaxCrossEntropy()), (2, QUESTIONS)]
)
def test_steps_are_counted_in_fine_bins(classes: int, objective: Any) -> None:
    random = np.random.default_rng(1)
    labels = random.integers(classes, size=(30, 40))
    logits = (random.normal(size=(30, 40, classes)) + np.eye(classes)[labels]).astype(np.float32)
    mask = np.arange(40) < random.integers(1, 41, 30)[:, None]
    targets = labels
    probabilities = softmax(logits.astype(np.float64), -1)[mask]
    columns = [1] if classes == 2 else range(classes)
    if objective is QUESTIONS:
        targets, probabilities, columns = np.eye(2, dtype=int)[labels], logits[mask], range(2)
    for name in NAMES:
        expected = [areas(labels[mask] == n, probabilities[:, n], np.ones(mask.sum()))[name] for n in columns]
        each = "question" if objective is QUESTIONS else "class"
        check(name, evaluate(name, logits, targets, 8, mask, objective), expected, each, rel=5e-3)


def test_a_score_that_is_nan_is_on_the_wrong_side() -> None:
    scores = np.array([[np.nan], [1], [np.nan], [0]], np.float32)
    answers = np.array([1, 1, 0, 0])
    expected = reference.roc_auc_score(answers, [-9, 1, 9, 0])
    assert evaluate("auc", scores, answers, 7, objective=QUESTIONS)["auc"] == expected
