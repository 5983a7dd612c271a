"""Losses against formulas written out in NumPy in float64, and what objectives make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from scipy.special import expit, log_expit, log_softmax

from jaxdl import fields
from jaxdl.errors import UserError
from jaxdl.objectives import (
    OBJECTIVES,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    Objective,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    absolute_error,
    huber,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_error,
)

# Few shapes, so that JAX compiles few programs; what Hypothesis draws are the numbers.
LEADING = st.sampled_from([(4,), (3, 5)])
SEEDS = st.integers(0, 2**32 - 1)
SCALES = st.sampled_from([0.1, 1.0, 30.0])
SMOOTHING = st.floats(0.01, 0.9)


def logits_of(seed: int, scale: float, shape: tuple[int, ...]) -> np.ndarray:
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


cross_entropy = jax.jit(softmax_cross_entropy)  # compiled once for each combination of shapes and dtypes


def close(actual: jax.Array, expected: np.ndarray) -> None:
    assert actual.dtype == jnp.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@given(leading=LEADING, seed=SEEDS, scale=SCALES, smoothing=SMOOTHING, smooth=st.booleans())
def test_softmax_cross_entropy_is_minus_the_expected_log_probability(
    leading: tuple[int, ...], seed: int, scale: float, smoothing: float, smooth: bool
) -> None:
    classes = 4
    logits = logits_of(seed, scale, (*leading, classes))
    labels = np.random.default_rng(seed + 1).integers(classes, size=leading, dtype=np.int32)
    alpha = smoothing if smooth else 0.0
    one_hot = np.eye(classes)[labels]
    expected = -np.sum(((1 - alpha) * one_hot + alpha / classes) * log_softmax(logits.astype(np.float64), -1), -1)
    # Compiled, the smoothing is traced and never off, so the program without any is asked for by leaving it out.
    smoothed = (alpha,) if smooth else ()
    close(cross_entropy(logits, labels, *smoothed), expected)
    close(cross_entropy(logits, one_hot.astype(np.float32), *smoothed), expected)
    close(cross_entropy(logits, one_hot.astype(np.int32), *smoothed), expected)


@given(seed=SEEDS, scale=SCALES, smoothing=SMOOTHING)
def test_softmax_cross_entropy_takes_probabilities(seed: int, scale: float, smoothing: float) -> None:
    logits = logits_of(seed, scale, (4, 3))
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(3), 4)
    mixed = (1 - smoothing) * probabilities + smoothing / 3
    expected = -np.sum(mixed * log_softmax(logits.astype(np.float64), -1), -1)
    close(cross_entropy(logits, probabilities, smoothing), expected)


@given(leading=LEADING, seed=SEEDS, scale=SCALES, smoothing=SMOOTHING, smooth=st.booleans())
def test_sigmoid_cross_entropy_is_minus_the_expected_log_probability(
    leading: tuple[int, ...], seed: int, scale: float, smoothing: float, smooth: bool
) -> None:
    logits = logits_of(seed, scale, leading)
    targets = np.random.default_rng(seed + 1).integers(2, size=leading)
    alpha = smoothing if smooth else 0.0
    probability = (1 - alpha) * targets + alpha / 2
    wide = logits.astype(np.float64)
    expected = -probability * log_expit(wide) - (1 - probability) * log_expit(-wide)
    close(sigmoid_cross_entropy(logits[..., None], targets, alpha), expected)
    close(sigmoid_cross_entropy(logits[..., None], targets[..., None].astype(bool), alpha), expected)


def test_sigmoid_cross_entropy_is_softmax_cross_entropy_against_a_logit_of_zero() -> None:
    logits, labels = logits_of(0, 3.0, (6, 1)), np.array([0, 1, 1, 0, 1, 0])
    two = np.concatenate([np.zeros_like(logits), logits], -1)
    close(sigmoid_cross_entropy(logits, labels), np.asarray(softmax_cross_entropy(two, labels)))


@given(leading=LEADING, outputs=st.sampled_from([1, 3]), seed=SEEDS, scale=SCALES, delta=st.floats(0.1, 5))
def test_errors_are_averaged_over_the_outputs(
    leading: tuple[int, ...], outputs: int, seed: int, scale: float, delta: float
) -> None:
    predicted = logits_of(seed, scale, (*leading, outputs))
    targets = logits_of(seed + 1, scale, (*leading, outputs))
    off = np.abs(predicted.astype(np.float64) - targets)
    formulas: dict[Callable, np.ndarray] = {
        squared_error: off**2,
        absolute_error: off,
        lambda o, t: huber(o, t, delta): np.where(off <= delta, off**2 / 2, delta * (off - delta / 2)),
    }
    for loss, expected in formulas.items():
        mean = expected.mean(-1)
        np.testing.assert_allclose(loss(predicted, targets), mean, rtol=1e-4, atol=1e-4 * mean.max())
        if outputs == 1:  # the same targets without the axis of the single output
            np.testing.assert_array_equal(loss(predicted, targets[..., 0]), loss(predicted, targets))


@pytest.mark.parametrize("loss", [squared_error, absolute_error, huber, sigmoid_cross_entropy])
def test_losses_keep_batch_and_time_axes(loss: Callable) -> None:
    def shape(outputs: tuple[int, ...], targets: tuple[int, ...]) -> tuple[int, ...]:
        return jax.eval_shape(loss, jnp.zeros(outputs), jnp.zeros(targets)).shape

    assert shape((2, 5, 1), (2, 5)) == (2, 5)
    assert shape((2, 5, 3), (2, 5, 3)) == (2, 5)
    assert shape((2, 1), (2,)) == (2,)
    assert shape((2,), (2,)) == (2,)
    assert shape((2,), (2, 1)) == (2,)


@pytest.mark.parametrize("loss", [squared_error, absolute_error, huber, sigmoid_cross_entropy])
@pytest.mark.parametrize(("outputs", "targets"), [((4, 3), (4,)), ((4, 1), (3,)), ((4, 5, 2), (4, 5))])
def test_shapes_that_would_broadcast_are_refused(loss: Callable, outputs: tuple, targets: tuple) -> None:
    with pytest.raises(UserError, match=r"outputs of shape .* do not fit targets"):
        loss(np.zeros(outputs), np.zeros(targets))


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (np.zeros(5, np.int32), "not int32 of shape"),
        (np.zeros(4, np.float32), "not float32 of shape"),
        (np.zeros((4, 2), np.float32), "not float32 of shape"),
        (np.zeros((4, 1), np.int32), "not int32 of shape"),
    ],
)
def test_softmax_cross_entropy_names_labels_that_do_not_fit(labels: np.ndarray, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        softmax_cross_entropy(np.zeros((4, 3), np.float32), labels)


def test_softmax_over_one_class_is_refused_for_it_would_learn_nothing() -> None:
    with pytest.raises(UserError, match="sigmoid_cross_entropy"):
        softmax_cross_entropy(np.zeros((4, 1), np.float32), np.zeros(4, np.int32))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_large_logits_give_finite_losses_and_gradients(smoothing: float) -> None:
    size = 1e30
    two, labels = jnp.array([[size, -size], [-size, size]]), jnp.array([0, 0])
    for targets in (labels, jax.nn.one_hot(labels, 2)):
        losses, gradient = losses_and_gradient(softmax_cross_entropy, two, targets, smoothing)
        np.testing.assert_allclose(losses, [smoothing * size, (2 - smoothing) * size], rtol=1e-5)
        assert np.all(np.isfinite(gradient))
    one = jnp.array([[size], [-size]])
    losses, gradient = losses_and_gradient(sigmoid_cross_entropy, one, jnp.array([1, 1]), smoothing)
    np.testing.assert_allclose(losses, [smoothing / 2 * size, (1 - smoothing / 2) * size], rtol=1e-5)
    assert np.all(np.isfinite(gradient))


def losses_and_gradient(loss: Callable, logits: jax.Array, *rest: Any) -> tuple[jax.Array, jax.Array]:
    """Each loss, and the gradient of their sum."""

    def total(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
        losses = loss(logits, *rest)
        return jnp.sum(losses), losses

    gradient, losses = jax.jit(jax.grad(total, has_aux=True))(logits)
    return losses, gradient


@pytest.mark.slow
def test_a_class_ruled_out_costs_nothing_where_it_is_not_the_label() -> None:
    logits = jnp.array([[1.0, 1.0, -jnp.inf]])
    np.testing.assert_allclose(softmax_cross_entropy(logits, jnp.array([0])), [np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(softmax_cross_entropy(logits, jnp.array([[1.0, 0, 0]])), [np.log(2)], rtol=1e-6)


def test_gradients_are_probability_minus_target() -> None:
    logits, labels = logits_of(3, 2.0, (5, 4)), np.array([0, 3, 1, 1, 2])
    _, gradient = losses_and_gradient(softmax_cross_entropy, logits, labels)
    np.testing.assert_allclose(gradient, jax.nn.softmax(logits) - np.eye(4)[labels], atol=1e-6)
    binary = np.array([0, 1, 1, 0, 1])
    _, gradient = losses_and_gradient(sigmoid_cross_entropy, logits[:, :1], binary)
    np.testing.assert_allclose(gradient[:, 0], expit(logits[:, 0]) - binary, atol=1e-6)


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES.members) - {"ctc"}))  # whose targets are answers
def test_bfloat16_outputs_give_float32_losses_of_the_rounded_values(name: str) -> None:
    objective: Objective = OBJECTIVES.make(name)
    outputs = jnp.asarray(logits_of(1, 2.0, (6, 3)), jnp.bfloat16)
    targets = jnp.eye(3)[jnp.array([0, 1, 2, 2, 1, 0])]
    losses = objective.losses(outputs, targets)
    assert losses.shape == (6,)
    close(losses, np.asarray(objective.losses(outputs.astype(jnp.float32), targets)))
    assert objective.predictions(outputs).dtype == jnp.float32


def test_predictions_are_probabilities_or_values() -> None:
    outputs = logits_of(2, 2.0, (4, 3))
    np.testing.assert_allclose(SoftmaxCrossEntropy().predictions(outputs).sum(-1), np.ones(4), rtol=1e-6)
    np.testing.assert_allclose(SigmoidCrossEntropy().predictions(outputs), expit(outputs), rtol=1e-5)
    assert SigmoidCrossEntropy().predictions(outputs[:, :1]).shape == (4,)
    for objective in (MeanSquaredError(), MeanAbsoluteError(), Huber()):
        np.testing.assert_array_equal(objective.predictions(outputs), outputs)
        np.testing.assert_array_equal(objective.predictions(outputs[:, :1]), outputs[:, 0])


@pytest.mark.parametrize(
    ("objective", "field"),
    [(SoftmaxCrossEntropy(0.1), "label_smoothing"), (SigmoidCrossEntropy(0.1), "label_smoothing"), (Huber(), "delta")],
)
def test_one_compilation_serves_all_values_of_a_traced_field(objective: Objective, field: str) -> None:
    outputs, targets = logits_of(0, 1.0, (4, 3)), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    traces = []

    @jax.jit
    def losses(values: dict[str, float]) -> jax.Array:
        traces.append(values)
        return fields.replace(objective, values).losses(outputs, targets)

    for value in (0.1, 0.2, 0.5):
        constant = fields.replace(objective, {field: value}).losses(outputs, targets)
        np.testing.assert_allclose(losses({field: value}), constant, rtol=1e-6, atol=1e-6)
    assert len(traces) == 1
    assert fields.traced_values(objective).keys() == {field}


def test_no_smoothing_leaves_no_trace_in_the_program() -> None:
    objective = SoftmaxCrossEntropy()
    assert fields.traced_values(objective) == {}
    program = str(jax.make_jaxpr(objective.losses)(jnp.zeros((4, 3)), jnp.zeros(4, jnp.int32)))
    smoothed = str(jax.make_jaxpr(SoftmaxCrossEntropy(0.1).losses)(jnp.zeros((4, 3)), jnp.zeros(4, jnp.int32)))
    assert len(program) < len(smoothed)


def test_evaluation_measures_against_the_labels_as_they_are() -> None:
    assert SoftmaxCrossEntropy(0.1).for_evaluation() == SoftmaxCrossEntropy()
    assert SigmoidCrossEntropy(0.1).for_evaluation() == SigmoidCrossEntropy()
    assert Huber(2.0).for_evaluation() == Huber(2.0)


@pytest.mark.parametrize(
    ("objective", "field", "value"),
    [
        (SoftmaxCrossEntropy(), "label_smoothing", 1.0),
        (SigmoidCrossEntropy(), "label_smoothing", -0.1),
        (SigmoidCrossEntropy(), "threshold", 0.0),
        (SigmoidCrossEntropy(), "threshold", 1.0),
        (Huber(), "delta", 0.0),
        (Huber(), "delta", "1"),
    ],
)
def test_checks_refuse_bad_values(objective: Objective, field: str, value: object) -> None:
    [declared] = [declared for declared in fields.own_fields(objective) if declared.path == field]
    with pytest.raises(UserError, match=field):
        fields.check_value(declared, value)
    fields.check_value(declared, declared.value)


def test_the_entropy_of_the_targets_bounds_cross_entropies_alone() -> None:
    bounded = {name for name in OBJECTIVES.members if OBJECTIVES.make(name).bounded_by_entropy}
    assert bounded == {"softmax_cross_entropy", "sigmoid_cross_entropy"}
