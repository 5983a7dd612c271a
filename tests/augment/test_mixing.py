"""Examples mixed with their neighbours: pixels, labels, masks and weights, and the step that trains on them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from scipy.special import log_softmax

import jaxdl
from jaxdl.data import Preprocess, Spec
from tests.augment.test_boxes import authors_patch

RANDOM = np.random.default_rng(0)
COUNT = 2000
IMAGES = RANDOM.integers(0, 256, (COUNT, 8, 6, 2)).astype(np.uint8)
LABELS = RANDOM.integers(0, 3, COUNT).astype(np.int32)
MASKS = RANDOM.integers(0, 3, (COUNT, 8, 6)).astype(np.int32)
SPEC = Spec((8, 6, 2), "uint8", Preprocess(1 / 255), (), 3, ("a", "b", "c"))


def before(array: Any) -> np.ndarray:
    return np.roll(array, 1, 0)


def mixed(targets: Any = LABELS, **fields: Any) -> dict[str, np.ndarray]:
    batch = {"inputs": IMAGES, "targets": targets, "weights": np.arange(COUNT, dtype=np.float32)}
    augment = jax.jit(lambda batch, key: jaxdl.Augmentation(**fields).apply(batch, SPEC.preprocess, key))
    return {name: np.asarray(array) for name, array in augment(batch, jax.random.key(5)).items()}


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0, 3.0])
def test_mixup_adds_the_neighbour_with_a_share_of_a_beta_distribution(alpha: float) -> None:
    got = mixed(mixup=alpha)
    share = got["share"]
    wide = share[:, None, None, None]
    np.testing.assert_allclose(got["inputs"], wide * IMAGES / 255 + (1 - wide) * before(IMAGES) / 255, atol=1e-5)
    assert scipy.stats.kstest(share, scipy.stats.beta(alpha, alpha).cdf).pvalue > 1e-4
    np.testing.assert_array_equal(got["targets"], LABELS)
    np.testing.assert_array_equal(got["other_targets"], before(LABELS))
    weights = np.arange(COUNT)
    np.testing.assert_allclose(got["weights"], share * weights + (1 - share) * before(weights), rtol=1e-4)


def test_cutmix_pastes_a_box_of_the_neighbour_and_counts_its_area() -> None:
    got = mixed(cutmix=1.0)
    own, other = np.float32(1 / 255) * IMAGES, np.float32(1 / 255) * before(IMAGES)
    pasted = (got["inputs"] != own).any(-1)
    np.testing.assert_array_equal(got["inputs"], np.where(pasted[..., None], other, own))
    same = (own == other).all(-1)  # of a pixel that both have, nobody can tell whose it is
    assert np.abs(1 - pasted.mean((1, 2)) - got["share"]).max() <= same.mean((1, 2)).max() + 1e-6
    random = np.random.default_rng(1)
    expected = [1 - authors_patch(random, 1 - random.beta(1, 1), 8, 6).mean() for _ in range(COUNT)]
    assert scipy.stats.ks_2samp(got["share"].astype(float).round(5), np.round(expected, 5)).pvalue > 1e-4


def test_with_both_each_image_gets_one_of_them() -> None:
    got = mixed(mixup=1.0, cutmix=1.0)
    whole = (np.float32(1 / 255) * IMAGES == got["inputs"]).all(-1)
    # A pasted image keeps pixels, or is wholly the other one; an added one keeps next to none.
    pasted = (whole.mean((1, 2)) > 0.1) | (got["share"] == 0)
    assert scipy.stats.binomtest(int(pasted.sum()), COUNT).pvalue > 1e-4
    assert scipy.stats.kstest(got["share"][~pasted], scipy.stats.uniform.cdf).pvalue > 1e-4


def test_masks_are_pasted_as_their_images_and_mixed_by_pixel() -> None:
    got = mixed(MASKS, cutmix=1.0)
    assert got.keys() == {"inputs", "targets", "weights"} and got["targets"].dtype == np.int32
    pasted = (got["inputs"] != np.float32(1 / 255) * IMAGES).any(-1)
    expected = np.where(pasted, before(MASKS), MASKS)
    clear = (before(IMAGES) != IMAGES).any(-1)
    np.testing.assert_array_equal(got["targets"][clear], expected[clear])
    both = mixed(MASKS, mixup=1.0, cutmix=1.0)
    assert both["share"].shape == MASKS.shape and both["targets"].shape == MASKS.shape


def test_the_objective_mixes_classes_as_probabilities_and_the_rest_as_numbers() -> None:
    share = np.array([0.25, 1.0], np.float32)
    probabilities = jaxdl.SoftmaxCrossEntropy().mixed(jnp.array([2, 0]), jnp.array([1, 2]), share, 4)
    np.testing.assert_allclose(probabilities, [[0, 0.75, 0.25, 0], [1, 0, 0, 0]])
    rows = jaxdl.SoftmaxCrossEntropy().mixed(jnp.eye(2), jnp.eye(2)[::-1], share, 2)
    np.testing.assert_allclose(rows, [[0.25, 0.75], [0, 1]])
    masks = jaxdl.SoftmaxCrossEntropy().mixed(jnp.array([[0, 1]]), jnp.array([[1, 1]]), np.array([[0.5, 0.0]]), 2)
    np.testing.assert_allclose(masks, [[[0.5, 0.5], [0, 1]]])
    answers = jaxdl.SigmoidCrossEntropy().mixed(jnp.array([1, 0]), jnp.array([0, 1]), share, 1)
    np.testing.assert_allclose(answers, [0.25, 0])
    numbers = jaxdl.MeanSquaredError().mixed(jnp.array([[4.0, 8.0]]), jnp.zeros((1, 2)), share[:1], 2)
    np.testing.assert_allclose(numbers, [[1, 2]])


def recipe(**changes: Any) -> jaxdl.Experiment:
    base = jaxdl.Experiment(
        name="mixed",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=()),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.SGD(),
        augmentation=jaxdl.Augmentation(mixup=0.5, cutmix=1.0),
    )
    return jaxdl.replace(base, changes)


@pytest.mark.slow
@pytest.mark.parametrize("table", [None, (1.0, 2.0, 5.0)])
def test_a_step_trains_on_the_loss_of_both_labels(table: Any) -> None:
    """Zhang et al.'s criterion: s loss(output, own) + (1 - s) loss(output, other)."""
    experiment = recipe(**{"training.class_weight": table})
    steps = jaxdl.make_steps(experiment, SPEC, 10)
    state = steps.init_state(0)
    batch = {"inputs": IMAGES[:64], "targets": LABELS[:64]}
    _, metrics = steps.train_step(state, batch, jaxdl.hyperparameters(experiment))
    key = jax.random.fold_in(jax.random.fold_in(state.key, 2**31), state.step)
    seen = experiment.augmentation.apply(batch, SPEC.preprocess, key)
    (layer,) = state.params.values()
    logits = np.asarray(seen["inputs"]).reshape(64, -1) @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"])
    losses, share, rows = -log_softmax(logits, 1), np.asarray(seen["share"]), np.arange(64)
    own, other = LABELS[:64], before(LABELS[:64])
    each = share * losses[rows, own] + (1 - share) * losses[rows, other]
    weights = np.ones(64)
    if table is not None:
        weights = share * np.array(table)[own] + (1 - share) * np.array(table)[other]
    assert float(metrics["loss"]) == pytest.approx(np.average(each, weights=weights), rel=1e-5)
    larger = np.where(share > 0.5, own, other)
    assert float(metrics["accuracy"]) == pytest.approx((logits.argmax(1) == larger).mean())


@pytest.mark.slow
def test_another_amount_traces_nothing_again() -> None:
    fields = ("crop", "saturation", "hue", "mixup", "cutmix")
    experiment = recipe(augmentation=jaxdl.Augmentation(**dict.fromkeys(fields, 0.5)))
    assert {f"augmentation.{name}" for name in fields} <= jaxdl.hyperparameters(experiment).keys()
    spec = dataclasses.replace(SPEC, input_shape=(8, 6, 3))
    steps = jaxdl.make_steps(experiment, spec, 10)
    state = steps.init_state(0)
    batch = {"inputs": RANDOM.integers(0, 256, (16, 8, 6, 3)).astype(np.uint8), "targets": LABELS[:16]}
    losses = set()
    for amount in (0.5, 0.25, 0.1):
        hparams = jaxdl.hyperparameters(recipe(augmentation=jaxdl.Augmentation(**dict.fromkeys(fields, amount))))
        losses.add(float(steps.train_step(state, batch, hparams)[1]["loss"]))
    assert len(losses) == 3 and steps.train_step._cache_size() == 1  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_training_that_stops_in_an_epoch_goes_on_to_the_same_bits() -> None:
    experiment = recipe(augmentation=jaxdl.Augmentation(crop=0.5, mixup=0.2, cutmix=1.0))
    trainer = jaxdl.Trainer(experiment, experiment.data.load(Path("."), print))
    straight, _ = trainer.advance(trainer.init_state(), 20)
    stopped, _ = trainer.advance(trainer.init_state(), 7)
    resumed, _ = trainer.advance(jax.device_put(jax.device_get(stopped)), 13)
    assert jaxdl.params_sha256(resumed.params) == jaxdl.params_sha256(straight.params)
