"""Any augmentation of the common form takes part in training, whatever of a batch it changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl
from jaxdl.augment.augmenter import Augmenter
from jaxdl.data import Preprocess, Spec
from jaxdl.errors import UserError
from tests.small import blobs

IDS = Spec((6,), "int32", Preprocess(cast="none"), (), 2)


@dataclasses.dataclass(frozen=True)
class OtherTargets:
    """Changes the targets alone, which shows in the loss."""

    def check(self, spec: Spec) -> None:
        if not spec.class_names:
            raise UserError("needs classes.")

    def apply(self, batch: Mapping[str, jax.Array], preprocess: Preprocess, key: jax.Array) -> Mapping[str, jax.Array]:
        return {**batch, "inputs": preprocess(batch["inputs"]), "targets": jnp.zeros_like(batch["targets"])}


def recipe(augmentation: Augmenter) -> jaxdl.Experiment:
    base = jaxdl.Experiment(
        name="augmented",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.SGD(),
    )
    return dataclasses.replace(base, augmentation=augmentation)


@pytest.mark.slow
def test_a_step_trains_on_the_batch_that_it_returns() -> None:
    dataset = blobs()
    batch = {name: array[:16] for name, array in dataset.splits["train"].items()}
    zeros = {**batch, "targets": np.zeros_like(batch["targets"])}
    plain = jaxdl.make_steps(recipe(jaxdl.Augmentation()), dataset.spec, 10)
    changed = jaxdl.make_steps(recipe(OtherTargets()), dataset.spec, 10)
    hparams = jaxdl.hyperparameters(recipe(jaxdl.Augmentation()))
    state = plain.init_state(0)
    losses = [
        float(steps.train_step(state, given, hparams)[1]["loss"])
        for steps, given in ((changed, batch), (plain, zeros), (plain, batch))
    ]
    assert losses[0] == losses[1] != losses[2]


def test_a_recipe_asks_it_whether_the_data_fit() -> None:
    with pytest.raises(UserError, match="needs classes"):
        recipe(OtherTargets()).for_spec(dataclasses.replace(blobs().spec, class_names=()))


@pytest.mark.slow
def test_that_of_images_changes_stored_bytes_before_the_preprocessing_and_values_between_its_two_parts() -> None:
    preprocess = Preprocess(1 / 255, (0.5,), (0.25,))
    images = jnp.asarray(np.random.default_rng(0).integers(0, 256, (8, 6, 6, 1)).astype(np.uint8))
    batch = {"inputs": images, "targets": jnp.arange(8)}
    key = jax.random.key(3)
    augmentation = jaxdl.Augmentation(shift=1, brightness=0.5, contrast=0.5)
    scaled = augmentation.apply(batch, Preprocess(1 / 255), key)["inputs"]
    got = augmentation.apply(batch, preprocess, key)
    np.testing.assert_allclose(got["inputs"], (scaled - 0.5) / 0.25, rtol=1e-6)
    assert got["targets"] is batch["targets"]
    corner = jaxdl.Augmentation(shift=5).apply(batch, preprocess, key)["inputs"]
    assert float(corner.min()) == -2.0, "what comes in from outside is black, (0 - 0.5) / 0.25"


def test_ids_pass_unchanged_and_are_refused_where_numbers_would_be_changed() -> None:
    jaxdl.Augmentation().check(IDS)
    ids = jnp.arange(12, dtype=jnp.int32).reshape(2, 6)
    got = jaxdl.Augmentation().apply({"inputs": ids}, IDS.preprocess, jax.random.key(0))["inputs"]
    assert got.dtype == jnp.int32 and np.array_equal(got, ids)
    with pytest.raises(UserError, match="the inputs of these data are ids"):
        jaxdl.Augmentation(gaussian_noise=0.1).check(IDS)


def test_a_recipe_for_images_is_refused_for_sequences() -> None:
    source = jaxdl.Bits()
    with pytest.raises(UserError, match=r"augmentation\.shift=1: needs images"):
        recipe(jaxdl.Augmentation(shift=1)).for_spec(source.spec(Path(".")))
