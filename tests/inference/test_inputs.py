"""What is read to predict for, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import jaxdl
from jaxdl.data import Preprocess, Spec
from jaxdl.errors import UserError
from jaxdl.inference import read_inputs

SPEC = Spec((2, 2, 1), "uint8", Preprocess(1 / 255), (), 2, ("no", "yes"))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 2, 2, 1), np.float32), "float32 of shape"),
        (np.zeros((3, 4, 4, 1), np.uint8), r"the model takes uint8 of shape \(n, 2, 2, 1\)"),
        (np.zeros((0, 2, 2, 1), np.uint8), "has no example"),
        (np.uint8(1), "the model takes"),
        (np.array([object()]), "cannot be read as an array"),
    ],
)
def test_an_array_that_the_model_does_not_take_is_refused(array: np.ndarray, message: str, tmp_path: Path) -> None:
    """The last one is pickled, and never loaded."""
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(UserError, match=message):
        read_inputs(tmp_path / "x.npy", SPEC)


def test_a_model_that_takes_no_images_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not take images; --input must be a .npy file"):
        read_inputs(tmp_path / "x.png", jaxdl.Bits().spec(tmp_path))


def test_an_array_is_read_as_it_is_and_its_examples_are_numbered(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
    np.save(tmp_path / "x.npy", array)
    names, inputs = read_inputs(tmp_path / "x.npy", SPEC)
    assert names == ["x.npy[0]", "x.npy[1]", "x.npy[2]"]
    assert inputs.dtype == np.uint8
    np.testing.assert_array_equal(inputs, array)
