from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxdl.data import Digits, examples

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return Digits(validation=0).load(tmp_path_factory.mktemp("empty"))


def test_the_two_splits_hold_every_digit_of_the_original_once(digits):
    original = load_digits()
    pairs = zip(original.images.astype(np.uint8), original.target, strict=True)
    expected = sorted((image.tobytes(), label) for image, label in pairs)
    both = [digits.splits[name] for name in ("train", "test")]
    got = sorted((i.tobytes(), t) for split in both for i, t in zip(split["inputs"], split["targets"], strict=True))
    assert got == expected
    assert [examples(split) for split in both] == [1438, 359]


def test_the_arrays_are_those_of_the_original_to_the_byte_and_in_its_order(digits):
    original = load_digits()
    rows = [image.tobytes() for image in original.images.astype(np.uint8)]
    position = {row: index for index, row in enumerate(rows)}
    assert len(position) == len(rows) == 1797  # no image twice, so each tells where it stood
    for split in digits.splits.values():
        order = [position[image.tobytes()] for image in split["inputs"]]
        assert order == sorted(order)
        assert split["targets"].tobytes() == original.target[order].astype(np.int32).tobytes()


def test_reading_them_does_not_import_scikit_learn():
    code = "import sys, jaxdl, pathlib; jaxdl.Digits().load(pathlib.Path()); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_inputs_are_stored_as_uint8_from_0_to_16_and_scaled_to_one(digits):
    spec, inputs = digits.spec, digits.splits["train"]["inputs"]
    assert inputs.dtype.name == spec.input_dtype == "uint8"
    assert inputs.shape[1:] == spec.input_shape == (8, 8, 1)
    assert (spec.preprocess(inputs).max(), inputs.min()) == (1, 0)
    assert digits.splits["train"]["targets"].dtype == np.int32
    assert spec.class_names == tuple("0123456789")
    assert spec.outputs == 10


def test_each_class_has_its_share_of_the_test_split(digits):
    train, test = (np.bincount(digits.splits[name]["targets"], minlength=10) for name in ("train", "test"))
    assert np.all(np.abs(test - 0.2 * (train + test)) <= 0.5)


def test_the_split_is_fixed_for_good(digits):
    assert digits.fingerprint == "605dc1aa0c98c8686f3cf9f91bfb8bd45482f6a21f00681c78353b63ee1988e5"
