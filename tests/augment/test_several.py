"""Augmentation of several inputs: each its own, masks with their images, the others as they are."""

from __future__ import annotations

import pickle
from typing import Any

import jax
import numpy as np
import pytest

import jaxdl
from jaxdl.augment.several import augmentations, augmented, check_several

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 255, (8, 5, 5, 1), np.uint8)
TABLE = RANDOM.normal(size=(8, 2)).astype(np.float32)
MASKS = (IMAGES[..., 0] > 127).astype(np.int32)
NONE = jaxdl.Augmentation()


def batch(inputs: Any, targets: Any) -> tuple[dict[str, Any], jaxdl.Spec]:
    dataset = jaxdl.Arrays(train=(inputs, targets), test=(inputs, targets), validation=0.0).load()
    return {name: jax.numpy.asarray(array) for name, array in dataset.splits["train"].items()}, dataset.spec


def test_each_input_has_its_own_and_masks_move_with_their_image() -> None:
    given, spec = batch({"image": IMAGES, "table": TABLE}, {"mask": MASKS, "first": TABLE[:, 0]})
    several = augmentations({"image": jaxdl.Augmentation(flip="horizontal")})
    check_several(several, NONE, spec)
    found = augmented(several, NONE, given, spec, jax.random.key(0))
    np.testing.assert_array_equal(found["inputs/table"], TABLE)
    image, mask = np.asarray(found["inputs/image"]), np.asarray(found["targets/mask"])
    flipped = [bool((abs(each - before / 255) > 1e-3).any()) for each, before in zip(image, IMAGES, strict=True)]
    assert 0 < sum(flipped) < 8
    np.testing.assert_array_equal(mask, (image[..., 0] > 127.5 / 255).astype(int))
    np.testing.assert_array_equal(found["targets/first"], TABLE[:, 0])


def test_a_single_input_with_several_targets_has_one() -> None:
    given, spec = batch(IMAGES, {"mask": MASKS, "shade": MASKS.mean((1, 2))})
    found = augmented(jaxdl.Augmentation(shift=1), NONE, given, spec, jax.random.key(1))
    np.testing.assert_array_equal(found["targets/mask"], np.asarray(found["inputs"])[..., 0] > 127.5 / 255)
    assert (np.asarray(found["inputs"]) != IMAGES * np.float32(1 / 255)).any()


def test_what_does_not_fit_is_refused() -> None:
    _, spec = batch({"image": IMAGES, "table": TABLE}, TABLE[:, 0])
    for wrong, message in (
        (jaxdl.Augmentation(shift=1), "there are several inputs \\(image, table\\); give a dictionary"),
        (augmentations({"table": jaxdl.Augmentation(shift=1)}), "augmentation.shift=1: needs images"),
        (augmentations({"tabel": "tables"}), "unknown input in augmentation: 'tabel'. Did you mean 'table'"),
        (augmentations({"image": jaxdl.Augmentation(mixup=0.2)}), "augmentation.mixup: .* are not mixed"),
    ):
        with pytest.raises(jaxdl.UserError, match=message):
            check_several(wrong, NONE, spec)
    with pytest.raises(jaxdl.UserError, match="the augmentation of image must be one such as"):
        augmentations({"image": 3})
    check_several(NONE, NONE, spec)


def test_it_is_a_value() -> None:
    @jaxdl.augmentation
    def half(inputs, key, *, factor=0.5):
        return factor * inputs

    for own in (half, half(factor=0.5), half.function):
        given, spec = batch({"image": IMAGES, "table": TABLE}, TABLE[:, 0])
        found = augmented(augmentations({"table": own}), NONE, given, spec, jax.random.key(0))
        np.testing.assert_array_equal(found["inputs/table"], TABLE / 2)

    several = augmentations({"image": jaxdl.Augmentation(shift=2), "table": "tables"})
    assert pickle.loads(pickle.dumps(several)) == several
    assert jaxdl.replace(several, {"image.shift": 1}).parts["image"].shift == 1
