"""What is read to predict for, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.data import Preprocess, Spec
from jaxdl.errors import UserError
from jaxdl.inference import read_examples
from jaxdl.inference.inputs import as_batch

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
        read_examples(tmp_path / "x.npy", SPEC)


def test_a_model_that_takes_no_images_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not take images; --input must be a .npy file"):
        read_examples(tmp_path / "x.png", jaxdl.Bits().spec(tmp_path))


SEQUENCES = Spec((4, 2), "float32", Preprocess(), (), 2, lengths=True)


def test_an_array_is_read_as_it_is_and_its_examples_are_numbered(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
    np.save(tmp_path / "x.npy", array)
    names, inputs, lengths = read_examples(tmp_path / "x.npy", SPEC)
    assert lengths is None
    assert names == ["x.npy[0]", "x.npy[1]", "x.npy[2]"]
    assert inputs.dtype == np.uint8
    np.testing.assert_array_equal(inputs, array)


def test_inputs_and_their_lengths_are_read_from_one_file(tmp_path: Path) -> None:
    array = np.arange(16, dtype=np.float32).reshape(2, 4, 2)
    np.savez(tmp_path / "x.npz", inputs=array, lengths=[4, 0])
    names, inputs, lengths = read_examples(tmp_path / "x.npz", SEQUENCES)
    assert names == ["x.npz[0]", "x.npz[1]"] and lengths is not None
    np.testing.assert_array_equal(inputs, array)
    np.testing.assert_array_equal(lengths, [4, 0])


@pytest.mark.parametrize(
    ("arrays", "spec", "message"),
    [
        ({"inputs": np.zeros((2, 4, 2), np.float32)}, SEQUENCES, "has no lengths, and the model was trained with them"),
        ({"inputs": np.zeros((2, 2, 2, 1), np.uint8), "lengths": [1, 2]}, SPEC, "lengths are given, but the data"),
        ({"x": np.zeros(2)}, SPEC, "holds x; a prediction reads the arrays inputs and"),
        ({"inputs": np.zeros((1, 2, 2, 1), np.uint8), "targets": [1]}, SPEC, "holds inputs, targets; a prediction"),
        ({"inputs": np.array([None])}, SPEC, "cannot be read as an array"),
        ({"inputs": np.zeros((2, 4, 2), np.float32), "lengths": [4, 5]}, SEQUENCES, r"lengths\[1\] is 5"),
    ],
)
def test_a_file_of_other_arrays_is_refused(arrays: dict[str, Any], spec: Spec, message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UserError, match=message):
        read_examples(tmp_path / "x.npz", spec)


def test_an_array_alone_is_refused_by_a_model_that_was_trained_with_lengths(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 4, 2), np.float32))
    with pytest.raises(UserError, match=r"no lengths.*np\.savez\(FILE, inputs=inputs, lengths=lengths\)"):
        read_examples(tmp_path / "x.npy", SEQUENCES)
    with pytest.raises(UserError, match=r"\.npz file of lengths and of inputs, float32 of shape \(n, 4, 2\)"):
        read_examples(tmp_path / "x.wav", SEQUENCES)


FLOATS = Spec((2,), "float32", Preprocess(), (), 1)


@pytest.mark.parametrize(
    ("given", "spec"),
    [
        (np.array([[[[0], [1]], [[254], [255]]]]), SPEC),  # int64
        (np.array([[[[0], [1]], [[254], [255]]]], np.uint16), SPEC),
        (np.array([[[[0], [1]], [[4], [5]]]], np.int8), SPEC),
        (np.array([[0.1, -2e30]]), FLOATS),  # float64
        (np.array([[0.1, np.nan], [np.inf, 1]], np.float16), FLOATS),
        ([[0.5, 1.0], [0.25, 3.0]], FLOATS),
        ([[True, False]], Spec((2,), "uint8", Preprocess(), (), 1)),
    ],
)
def test_numbers_of_the_same_kind_become_those_of_the_data(given: Any, spec: Spec) -> None:
    found, lengths = as_batch(given, None, spec, "inputs")
    assert found.dtype == spec.input_dtype and lengths is None
    np.testing.assert_array_equal(found, np.asarray(given, spec.input_dtype))


PIXELS = np.array([[[[0], [1]], [[0.5], [0.25]]]])


@pytest.mark.parametrize(
    ("given", "spec", "message"),
    [
        (PIXELS, SPEC, r"with values from 0 to 1; .* as stored: give np.rint\(inputs \* 255\).astype\('uint8'\) if"),
        (PIXELS.astype(np.float32) * 16, SPEC, r"with values from 0 to 16; .* give np.rint\(inputs\).astype"),
        (PIXELS - 1, SPEC, r"with values from -1 to 0; .* give np.rint\(inputs\).astype"),
        (
            PIXELS.astype(int) * 256,
            SPEC,
            r"inputs is int64 .* with values from 0 to 256; the model takes uint8",
        ),
        (PIXELS.astype(int) - 1, SPEC, "with values from -1 to 0; the model takes uint8"),
        (PIXELS > 0, SPEC, "inputs is bool"),
        (PIXELS.astype(complex), SPEC, "inputs is complex128"),
        (np.zeros((1, 2), np.uint8), FLOATS, r"give inputs.astype\('float32'\) once it is scaled as the training's"),
        (np.array([[1e39, 0]]), FLOATS, r"with values from 0 to 1e\+39; the model takes float32"),
        ([["a", "b"]], FLOATS, r"inputs is text of shape \(1, 2\); the model takes float32 of shape \(n, 2\)"),
        ([["a", None]], FLOATS, "inputs is objects of shape"),
        (
            np.zeros((5, 3), np.float32),
            FLOATS,
            r"float32 of shape \(n, 2\): 3 columns in the place of 2",
        ),
        (np.zeros(2, np.float32), FLOATS, r"one example without the axis of examples, give inputs\[None\]"),
        ([[1.0, 2.0], [1.0]], FLOATS, "inputs is a list of arrays of different shapes"),
        (1.0, FLOATS, r"inputs is float64 of shape \(\)"),
    ],
)
def test_other_numbers_and_shapes_are_refused_with_the_way_out(given: Any, spec: Spec, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        as_batch(given, None, spec, "inputs")
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_numbers_of_64_bits_are_never_cut_off() -> None:
    """JAX computes in 32 bits unless it is told otherwise, and takes 2**32 + 1 for 1."""
    ids = Spec((2,), "int64", Preprocess(cast="none"), (), 1)
    assert as_batch([[1, 5]], None, ids, "inputs")[0].tolist() == [[1, 5]]
    with pytest.raises(UserError, match=r"with values from 1 to 4.29497e\+09"):
        as_batch([[1, 2**32 + 1]], None, ids, "inputs")


def test_a_list_of_examples_of_different_lengths_is_padded() -> None:
    given = [np.ones((3, 2)), [[2.0, 2.0]], np.zeros((0, 2)), np.full((4, 2), 5, np.float32)]
    inputs, lengths = as_batch(given, None, SEQUENCES, "inputs")
    assert inputs.dtype == np.float32 and lengths is not None
    np.testing.assert_array_equal(lengths, [3, 1, 0, 4])
    np.testing.assert_array_equal(inputs[:, :, 0], [[1, 1, 1, 0], [2, 0, 0, 0], [0, 0, 0, 0], [5, 5, 5, 5]])
    assert as_batch([], None, SEQUENCES, "inputs")[0].shape == (0, 4, 2)


@pytest.mark.parametrize(
    ("given", "lengths", "message"),
    [
        (np.zeros((1, 4, 2), np.float32), None, "was trained with lengths, .* give them beside inputs, or give a list"),
        ([np.zeros((5, 2))], None, r"inputs\[0\] has shape \(5, 2\); the model takes examples of shape \(up to 4, 2\)"),
        ([np.zeros((3, 2)), np.zeros((3, 1))], None, r"inputs\[1\] has shape \(3, 1\)"),
        ([np.zeros((3, 2)), np.zeros((2, 2))], [3, 2], "list of arrays of different shapes"),
        (np.zeros((2, 4, 2), np.float32), [4], "lengths has shape"),
        (np.zeros((2, 4, 2), np.float32), [-1, 4], r"lengths\[0\] is -1"),
    ],
)
def test_sequences_without_right_lengths_are_refused(given: Any, lengths: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        as_batch(given, lengths, SEQUENCES, "inputs")
