"""Agreement of labels and predictions against scikit-learn."""

from __future__ import annotations

import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given

from jaxdl.objectives import SigmoidCrossEntropy
from tests.objectives.splits import BATCHES, EXAMPLES, SEEDS, classified, evaluate

AVERAGES = [
    *(("precision_micro", 0.0, "micro"), ("precision_weighted", 0.0, "weighted"), ("recall_micro", np.inf, "micro")),
    *(("recall_weighted", np.inf, "weighted"), ("f1_micro", 1.0, "micro"), ("f1_weighted", 1.0, "weighted")),
    *(("f2", 2.0, "macro"), ("f0.5_micro", 0.5, "micro"), ("f0.5_weighted", 0.5, "weighted")),
]


def scored(labels: np.ndarray, predicted: np.ndarray, beta: float, average: str, weights: np.ndarray) -> float:
    """scikit-learn's precision (beta 0), recall (infinite beta) or F measure."""
    options = {"average": average, "zero_division": 0, "sample_weight": weights}
    if beta in (0.0, np.inf):
        score = reference.recall_score if beta else reference.precision_score
        return float(score(labels, predicted, **options))
    return float(reference.fbeta_score(labels, predicted, beta=beta, **options))


@given(seed=SEEDS, examples=EXAMPLES, classes=st.sampled_from([2, 5]), batch_size=BATCHES, weighted=st.booleans())
def test_figures_of_classes(seed: int, examples: int, classes: int, batch_size: int, weighted: bool) -> None:
    logits, labels = classified(seed, examples, classes)
    weights = np.random.default_rng(seed).choice([0.5, 2], examples) if weighted else np.ones(examples)
    mask = weights.astype(np.float32) if weighted else np.ones(examples, bool)
    predicted = logits.argmax(-1)

    def figure(name: str) -> float:
        result: float = evaluate(name, logits, labels, batch_size, mask)[name]
        return result

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that do not occur
        balanced = reference.balanced_accuracy_score(labels, predicted, sample_weight=weights)
        kappa = reference.cohen_kappa_score(labels, predicted, sample_weight=weights)
    assert figure("balanced_accuracy") == pytest.approx(balanced)
    assert figure("cohen_kappa") == pytest.approx(kappa, nan_ok=True)
    matthews = reference.matthews_corrcoef(labels, predicted, sample_weight=weights)
    assert figure("matthews") == pytest.approx(matthews, abs=1e-12)
    for name, beta, average in AVERAGES:
        assert figure(name) == pytest.approx(scored(labels, predicted, beta, average, weights)), name


@given(seed=SEEDS, examples=EXAMPLES, batch_size=BATCHES)
def test_averages_of_questions(seed: int, examples: int, batch_size: int) -> None:
    random = np.random.default_rng(seed)
    answers, predicted = random.integers(2, size=(2, examples, 3))
    answers[0] = predicted[0] = 1  # so that each occurs
    logits = np.where(predicted, 2.0, -1.0).astype(np.float32)
    objective = SigmoidCrossEntropy(threshold=0.7)  # log(0.7 / 0.3) is between
    for name, beta, average in AVERAGES:
        result = evaluate(name, logits, answers, batch_size, objective=objective)
        assert result == {name: pytest.approx(scored(answers, predicted, beta, average, np.ones(examples)))}
    each = [reference.matthews_corrcoef(answers[:, n], predicted[:, n]) if examples > 1 else 0 for n in range(3)]
    result = evaluate("matthews", logits, answers, batch_size, objective=objective)
    assert result == {"matthews": pytest.approx(np.mean(each), abs=1e-12)}


def test_outputs_with_nan_agree_with_nothing() -> None:
    logits = np.array([[1, 0], [0, 1], [np.nan, 1], [1, 0]], np.float32)
    labels, predicted = np.array([0, 1, 1, 0]), np.array([0, 1, 2, 0])
    for name, score in (("matthews", reference.matthews_corrcoef), ("cohen_kappa", reference.cohen_kappa_score)):
        assert evaluate(name, logits, labels, 7)[name] == pytest.approx(score(labels, predicted))
    assert evaluate("recall_weighted", logits, labels, 7)["recall_weighted"] == 0.75
