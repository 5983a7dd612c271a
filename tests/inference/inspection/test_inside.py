"""Filters, activations and states as pictures whose pixels are the numbers."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from jaxdl.data import Preprocess, Spec
from jaxdl.inference.inspection.inside import activations, diverging, filters, sheet, traces

IMAGES = Spec((8, 8, 1), "uint8", Preprocess(), (), 10)


def opened(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def test_the_first_convolution_is_the_one_that_reads_the_images_channels() -> None:
    kernel = np.zeros((3, 3, 1, 10), np.float32)
    kernel[0, 0, 0, 0], kernel[2, 2, 0, 1] = 2, -2
    params = {"a": {"kernel": np.ones((3, 3, 5, 4))}, "b": {"kernel": kernel}, "c": {"kernel": np.ones((64, 10))}}
    found = filters(IMAGES, params)
    assert found is not None and (found["layer"], found["shape"], found["shown"]) == ("b", [3, 3, 1, 10], 10)
    drawn = opened(found["png"])
    assert drawn.shape == (2 * 4 - 1, 8 * 4 - 1, 3)
    assert drawn[0, 0].tolist() == [178, 24, 43] and drawn[2, 6].tolist() == [33, 102, 172]  # red, blue
    assert (drawn[1, 1] == 255).all()


def test_a_model_without_convolutions_or_images_has_no_filters() -> None:
    assert filters(IMAGES, {"dense": {"kernel": np.ones((64, 10))}}) is None
    assert filters(Spec((8,), "float32", Preprocess(), (), 1), {"a": {"kernel": np.ones((3, 3, 1, 4))}}) is None


def test_activations_are_a_sheet_for_each_layer_from_black_to_white() -> None:
    maps = np.zeros((1, 2, 2, 3), np.float32)
    maps[0, 0, 1, 2] = 4
    captured = {("one",): maps, ("dropout",): maps, ("flat",): np.ones((1, 5, 4)), ("two",): maps + 1}
    found = activations(captured)
    assert [each["layer"] for each in found] == ["one", "two"]  # what changes nothing is not shown twice
    drawn = opened(found[0]["png"])
    assert drawn.shape == (2, 8, 3) and drawn[0, 7].tolist() == [255] * 3 and drawn[1, 7].tolist() == [0] * 3
    assert (found[0]["least"], found[0]["most"]) == (0, 4)


def test_traces_are_states_over_the_steps_that_count() -> None:
    states = np.zeros((1, 5, 3), np.float32)
    states[0, :, 1] = [0, 0.5, -1, 9, 9]  # of which the first three count
    found = traces({("rnn",): states, ("other",): np.ones((1, 4, 3))}, steps=5, valid=3)
    assert [(each["layer"], each["steps"], each["units"], each["most"]) for each in found] == [("rnn", 3, 3, 1.0)]
    drawn = opened(found[0]["png"])
    assert drawn.shape == (3, 3, 3) and drawn[1, 2].tolist() == [33, 102, 172] and (drawn[0] == 255).all()
    assert found[0]["curves"]["unit 1"] == [0, 0.5, -1]


def test_a_sheet_has_a_gray_gap_between_its_pictures() -> None:
    whole = sheet(np.zeros((9, 2, 2, 3)))
    assert whole.shape == (5, 23, 3) and (whole[:, 2] > 0).all() and (whole[0, :2] == 0).all()
    np.testing.assert_allclose(diverging(np.array([0.0, np.nan])), 1)
