"""Losses of classes and of yes-or-no questions, against formulas in NumPy in float64."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from scipy.special import expit, softmax

from jaxdl.errors import UserError
from jaxdl.objectives import (
    CTC,
    OBJECTIVES,
    Focal,
    Hinge,
    KLDivergence,
    MulticlassHinge,
    SigmoidFocal,
    focal,
    hinge,
    kl_divergence,
    multiclass_hinge,
    sigmoid_focal,
)

LEADING = st.sampled_from([(4,), (3, 5)])
SEEDS = st.integers(0, 2**32 - 1)
GAMMAS = st.sampled_from([0.0, 0.5, 2.0])
compiled = jax.jit(focal)


def logits_of(seed: int, *shape: int) -> np.ndarray:
    return (3 * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def close(actual: jax.Array, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@given(leading=LEADING, seed=SEEDS, gamma=GAMMAS)
def test_focal_weighs_each_class_by_the_power_of_what_is_missing(
    leading: tuple[int, ...], seed: int, gamma: float
) -> None:
    logits, random = logits_of(seed, *leading, 4), np.random.default_rng(seed + 1)
    p = softmax(logits.astype(np.float64), -1)
    each = -((1 - p) ** gamma) * np.log(p)
    labels, rows = random.integers(4, size=leading, dtype=np.int32), random.dirichlet(np.ones(4), leading)
    close(compiled(logits, labels, gamma), np.take_along_axis(each, labels[..., None], -1)[..., 0])
    close(compiled(logits, rows, gamma), (rows * each).sum(-1))


@given(leading=LEADING, seed=SEEDS, gamma=GAMMAS)
def test_sigmoid_focal_does_so_for_each_answer(leading: tuple[int, ...], seed: int, gamma: float) -> None:
    logits, answers = logits_of(seed, *leading, 3), np.random.default_rng(seed + 1).integers(2, size=(*leading, 3))
    right = np.where(answers, expit(logits.astype(np.float64)), expit(-logits.astype(np.float64)))
    close(sigmoid_focal(logits, answers, gamma), (-((1 - right) ** gamma) * np.log(right)).mean(-1))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("size", [0.0, 40.0, 1e30])
def test_the_gradient_of_focal_is_finite_where_the_model_is_sure(gamma: float, size: float) -> None:
    def of_classes(logits: jax.Array) -> jax.Array:
        return focal(logits, jnp.array([0, 1]), gamma).sum()

    def of_questions(logits: jax.Array) -> jax.Array:
        return sigmoid_focal(logits, jnp.array([[1, 0, 1], [1, 1, 0]]), gamma).sum()

    logits = size * jnp.array([[1.0, -1.0, 0.0], [1.0, -1.0, 0.0]])
    assert np.isfinite(jax.grad(of_classes)(logits)).all()
    assert np.isfinite(jax.grad(of_questions)(logits)).all()


@given(leading=LEADING, seed=SEEDS)
def test_the_divergence_from_probabilities(leading: tuple[int, ...], seed: int) -> None:
    logits, random = logits_of(seed, *leading, 4), np.random.default_rng(seed + 1)
    q = np.log(softmax(logits.astype(np.float64), -1))
    rows = random.dirichlet(np.ones(4), leading).astype(np.float32)
    close(kl_divergence(logits, rows), (rows * (np.log(rows) - q)).sum(-1))
    labels = random.integers(4, size=leading, dtype=np.int32)
    one_hot = np.eye(4, dtype=np.float32)[labels]
    close(kl_divergence(logits, labels), -(one_hot * q).sum(-1))
    close(kl_divergence(logits, one_hot), -(one_hot * q).sum(-1))
    np.testing.assert_allclose(kl_divergence(jnp.log(rows), rows), 0, atol=1e-5)


@given(leading=LEADING, seed=SEEDS, squared=st.booleans())
def test_hinges_are_how_far_a_score_is_from_its_margin(leading: tuple[int, ...], seed: int, squared: bool) -> None:
    scores, random = logits_of(seed, *leading, 4), np.random.default_rng(seed + 1)
    power = 2 if squared else 1
    answers = random.integers(2, size=(*leading, 4))
    short = np.maximum(1 - scores.astype(np.float64) * (2 * answers - 1), 0) ** power
    close(hinge(scores, answers, squared), short.mean(-1))
    close(Hinge(squared=squared).losses(scores, answers), short.mean(-1))
    labels = random.integers(4, size=leading, dtype=np.int32)
    own = np.take_along_axis(scores, labels[..., None], -1)[..., 0].astype(np.float64)
    others = np.where(np.eye(4, dtype=bool)[labels], -np.inf, scores).max(-1)
    expected = np.maximum(others + 1 - own, 0)
    close(multiclass_hinge(scores, labels), expected)
    close(MulticlassHinge(squared=squared).losses(scores, np.eye(4)[labels]), expected**power)


@pytest.mark.parametrize("loss", [focal, kl_divergence, multiclass_hinge])
def test_targets_that_do_not_fit_are_refused(loss: Callable) -> None:
    with pytest.raises(UserError, match="needs at least 2 outputs"):
        loss(np.zeros((4, 1)), np.zeros(4, np.int32))
    with pytest.raises(UserError, match="not float64 of shape|not float32 of shape"):
        loss(np.zeros((4, 3)), np.zeros(4))


def test_the_answer_is_yes_above_the_threshold_or_where_a_score_is_positive() -> None:
    assert SigmoidFocal(threshold=0.8).boundary() == pytest.approx(np.log(4))
    assert Hinge().boundary() == 0
    np.testing.assert_allclose(Hinge().predictions(np.array([[0.0], [2.0]])), expit([0.0, 2.0]), rtol=1e-6)


def test_they_are_found_by_name() -> None:
    kinds = {name: OBJECTIVES.make(name).kind for name in ("focal", "sigmoid_focal", "hinge", "kl_divergence", "ctc")}
    assert kinds == {
        "focal": "classes",
        "sigmoid_focal": "questions",
        "hinge": "questions",
        "kl_divergence": "classes",
        "ctc": "answers",
    }
    assert Focal().problem(np.full((2, 2), 0.5), True) is None
    assert str(KLDivergence().problem(np.ones((2, 2)), True)).startswith("KLDivergence needs rows of probabilities")
    assert CTC().outputs(5, 5) == 6 and CTC().problem(np.zeros(3, np.int32), False)
