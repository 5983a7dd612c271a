"""The calibration error against its formula, bin by bin."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.special import expit, softmax

from jaxdl.objectives import SigmoidCrossEntropy
from tests.objectives.splits import evaluate

SEEDS = st.integers(0, 2**32 - 1)


def of_bins(sure: np.ndarray, right: np.ndarray, weights: np.ndarray) -> float:
    error = 0.0
    for n in range(15):
        here = (sure > n / 15) & (sure <= (n + 1) / 15)
        if weights[here].sum():
            error += abs((weights * (right - sure))[here].sum()) / weights.sum()
    return error


@given(seed=SEEDS, batch_size=st.sampled_from([7, 64]), weighted=st.booleans())
def test_it_is_the_gap_of_each_bin_by_how_many_there_are(seed: int, batch_size: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(scale=3, size=(40, 3)).astype(np.float32)
    labels, answers = random.integers(3, size=40), random.integers(2, size=(40, 3))
    weights = random.choice([0.5, 2.0], 40) if weighted else np.ones(40)
    mask = weights.astype(np.float32) if weighted else np.ones(40, bool)
    shares = softmax(logits.astype(np.float64), -1)
    expected = of_bins(shares.max(-1), shares.argmax(-1) == labels, weights)
    assert evaluate("calibration_error", logits, labels, batch_size, mask) == {
        "calibration_error": pytest.approx(expected, abs=1e-5)
    }
    yes = expit(logits.astype(np.float64))
    expected = of_bins(yes, answers, np.repeat(weights[:, None], 3, 1))
    result = evaluate("calibration_error", logits, answers, batch_size, mask, SigmoidCrossEntropy())
    assert result["calibration_error"] == pytest.approx(expected, abs=1e-5)


def test_nan_is_sure_and_wrong() -> None:
    logits = np.array([[np.nan, 0], [50, 0]], np.float32)
    assert evaluate("calibration_error", logits, np.array([0, 0]), 7)["calibration_error"] == pytest.approx(0.5)
