"""Means over what counts, and every figure with weights against scikit-learn's `sample_weight`."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from scipy.special import expit, softmax

from jaxdl.objectives import (
    MeanSquaredError,
    Objective,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    masked_mean,
)
from jaxdl.objectives.metrics import loss, metric

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, batch_mask=st.booleans())
def test_masked_mean_is_the_mean_of_what_the_mask_leaves(seed: int, batch_mask: bool) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(6, 3)).astype(np.float32)
    mask = random.random(6 if batch_mask else (6, 3)) < 0.5
    wide = np.broadcast_to(mask[:, None] if batch_mask else mask, values.shape)
    expected = values[wide].astype(np.float64).mean() if wide.any() else 0.0
    np.testing.assert_allclose(masked_mean(np.where(wide, values, np.nan), mask), expected, rtol=1e-5, atol=1e-6)


def test_masked_mean_of_nothing_is_zero_with_a_gradient_of_zero() -> None:
    value, gradient = jax.value_and_grad(masked_mean)(jnp.ones((3, 2)), jnp.zeros(3, bool))
    assert float(value) == 0
    np.testing.assert_array_equal(gradient, np.zeros((3, 2)))


def test_masked_mean_spreads_its_gradient_over_what_counts() -> None:
    gradient = jax.grad(masked_mean)(jnp.ones((3, 2)), jnp.array([True, False, True]))
    np.testing.assert_allclose(gradient, [[0.25, 0.25], [0, 0], [0.25, 0.25]])


@given(seed=SEEDS, scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_a_weighted_mean_is_that_of_numpy_whatever_the_scale_of_the_weights(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    values, weights = random.normal(size=(6, 3)).astype(np.float32), drawn_weights(random, 6)
    found = masked_mean(np.where(weights[:, None] > 0, values, np.nan), weights * np.float32(scale))
    expected = np.average(values.astype(np.float64), axis=0, weights=weights).mean()
    assert float(found) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_weights_of_zero_alone_give_a_mean_and_a_gradient_of_zero() -> None:
    value, gradient = jax.value_and_grad(masked_mean)(jnp.ones((3, 2)), jnp.zeros(3))
    assert value == 0 and not np.asarray(gradient).any()


def drawn_weights(random: np.random.Generator, count: int) -> np.ndarray:
    """Weights of which some are 0, and their sum in a batch may be below 1."""
    weights = random.choice([0.0, 0.05, 0.3, 1.0, 2.5], count)
    weights[random.integers(count)] = 0.3
    return weights.astype(np.float32)


def weighted(name: str, outputs: Any, targets: Any, weights: Any, objective: Objective | None = None) -> Any:
    """Returns a figure of a split in two batches."""
    figure = loss(objective) if name == "loss" and objective else metric(name, objective)
    halves = [slice(0, len(weights) // 2), slice(len(weights) // 2, None)]
    batches = [figure.partial(outputs[half], targets[half], weights[half]) for half in halves]
    partials = {key: np.stack([np.asarray(batch[key]) for batch in batches]) for key in batches[0]}
    return figure.result(partials)[name]


@given(seed=SEEDS)
def test_figures_of_classes(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(4), random.integers(4, size=16)]).astype(np.int32)
    logits = random.normal(size=(20, 4)).astype(np.float32) + np.eye(4, dtype=np.float32)[labels]
    weights, predicted = drawn_weights(random, 20), logits.argmax(1)
    given_weights: dict[str, Any] = {"sample_weight": weights.astype(np.float64)}
    macro: dict[str, Any] = {"average": "macro", "zero_division": 0, **given_weights}
    counts = reference.confusion_matrix(labels, predicted, **given_weights)
    occurring = np.flatnonzero(counts.sum(0) + counts.sum(1) > 0)  # a class with no weight is in no mean
    macro["labels"] = occurring
    cross_entropy = reference.log_loss(labels, softmax(logits.astype(np.float64), axis=1), **given_weights)
    expected = {
        "accuracy": reference.accuracy_score(labels, predicted, **given_weights),
        "top_2": reference.top_k_accuracy_score(labels, logits, k=2, **given_weights),
        "precision": reference.precision_score(labels, predicted, **macro),
        "recall": reference.recall_score(labels, predicted, **macro),
        "f1": reference.f1_score(labels, predicted, **macro),
        "perplexity": math.exp(cross_entropy),
    }
    assert {name: weighted(name, logits, labels, weights) for name in expected} == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(weighted("confusion", logits, labels, weights), counts, rtol=1e-5, atol=1e-6)
    assert weighted("loss", logits, labels, weights, SoftmaxCrossEntropy()) == pytest.approx(cross_entropy, rel=1e-5)


@given(seed=SEEDS)
def test_figures_of_questions(seed: int) -> None:
    random = np.random.default_rng(seed)
    logits, answers = random.normal(size=(20, 3)).astype(np.float32), random.integers(2, size=(20, 3))
    weights, objective = drawn_weights(random, 20), SigmoidCrossEntropy()
    given_weights: dict[str, Any] = {"sample_weight": weights.astype(np.float64)}
    losses = [
        reference.log_loss(answers[:, n], expit(logits[:, n].astype(np.float64)), labels=[0, 1], **given_weights)
        for n in range(3)
    ]
    right = (logits > 0) == answers
    expected = {
        "loss": np.mean(losses),
        "accuracy": np.average(right.mean(1), weights=weights),
        "exact_match": reference.accuracy_score(answers, logits > 0, **given_weights),
    }
    found = {name: weighted(name, logits, answers, weights, objective) for name in expected}
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
    counts = weighted("confusion", logits, answers, weights, objective)
    for n in range(3):
        matrix = reference.confusion_matrix(answers[:, n], logits[:, n] > 0, labels=[False, True], **given_weights)
        np.testing.assert_allclose(counts[n], matrix, rtol=1e-5, atol=1e-6)


@given(seed=SEEDS, offset=st.sampled_from([0.0, 1e4]))
def test_figures_of_numbers(seed: int, offset: float) -> None:
    random = np.random.default_rng(seed)
    targets = (random.normal(size=(20, 2)) + offset).astype(np.float32)
    outputs = targets + random.normal(size=(20, 2)).astype(np.float32)
    weights = drawn_weights(random, 20)
    weights[:2] = 1.0  # of one target there is no variance
    given_weights: dict[str, Any] = {"sample_weight": weights.astype(np.float64)}
    wide = targets.astype(np.float64), outputs.astype(np.float64)
    expected = {
        "mean_squared_error": reference.mean_squared_error(*wide, **given_weights),
        "mean_absolute_error": reference.mean_absolute_error(*wide, **given_weights),
        "r_squared": reference.r2_score(*wide, **given_weights),
    }
    found = {name: weighted(name, outputs, targets, weights) for name in expected}
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    squares = weighted("loss", outputs, targets, weights, MeanSquaredError())
    assert squares == pytest.approx(expected["mean_squared_error"], rel=1e-4)


def test_figures_are_unknown_where_nothing_has_weight() -> None:
    assert math.isnan(weighted("accuracy", np.zeros((2, 3)), np.zeros(2, int), np.zeros(2, np.float32)))
    assert math.isnan(weighted("r_squared", np.zeros((2, 1)), np.zeros((2, 1)), np.zeros(2, np.float32)))
