"""The generated shapes: their areas and outlines against formulas, SciPy and Pillow; the masks against the pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import jaxdl
from jaxdl.data.sources.shapes import SHAPES

# Of two circles of radius 1 and 0.8 whose centres are 0.5 apart, the part that both have in common.
LENS = (
    math.acos((0.25 + 1 - 0.64) / (2 * 0.5))
    + 0.64 * math.acos((0.25 + 0.64 - 1) / (2 * 0.5 * 0.8))
    - math.sqrt((-0.5 + 1.8) * (0.5 + 1 - 0.8) * (0.5 - 1 + 0.8) * (0.5 + 1.8)) / 2
)
AREAS = {
    "disc": 0.7 * math.pi,
    "square": 1.4**2,
    "triangle": 3 * math.sqrt(3) / 4,
    "ring": 0.64 * math.pi,
    "cross": 4 * (2 * 0.9 * 0.3 - 0.3**2),
    # Ten triangles between the centre, a tip, and the next inner corner at cos(72)/cos(36) of the tip's distance.
    "star": 5 * math.sin(math.radians(36)) * math.cos(math.radians(72)) / math.cos(math.radians(36)),
    "bar": 4 * 0.95 * 0.25,
    "frame": 1.4**2 - 0.8**2,
    "half disc": math.pi / 2,
    "crescent": math.pi - LENS,
}
GRID = (np.mgrid[:800, :800] + 0.5) / 400 - 1


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_has_the_area_of_its_formula_and_lies_in_the_circle(name: str) -> None:
    v, u = GRID
    inside = SHAPES[name](u, v)
    assert inside.mean() * 4 == pytest.approx(AREAS[name], rel=0.005)
    assert (u**2 + v**2)[inside].max() <= 1.0
    assert scipy.ndimage.label(inside, np.ones((3, 3)))[1] == 1


def test_the_star_is_the_polygon_of_its_corners() -> None:
    tips = [math.tau * (0.25 + number / 5) for number in range(5)]
    inner = math.cos(math.tau / 5) / math.cos(math.tau / 10)
    corners = []
    for tip in tips:
        for distance, turn in ((1.0, tip), (inner, tip + math.tau / 10)):
            corners.append((400 + 400 * distance * math.cos(turn), 400 + 400 * distance * math.sin(turn)))
    image = Image.new("1", (800, 800))
    ImageDraw.Draw(image).polygon(corners, fill=1)
    differ = np.asarray(image) != SHAPES["star"](GRID[1], GRID[0])
    assert differ.mean() < 0.005  # Pillow draws the outline too


def test_kinds_are_equally_frequent_and_named() -> None:
    dataset = jaxdl.Shapes(train_examples=500, test_examples=100, validation=0).load(None)
    assert dataset.spec.class_names == tuple(SHAPES)
    assert dataset.spec.outputs == 10
    assert np.bincount(dataset.splits["train"]["targets"]).tolist() == [50] * 10
    assert dataset.splits["train"]["inputs"].shape == (500, 32, 32, 3)
    assert dataset.splits["train"]["inputs"].dtype == np.uint8


def test_the_pictures_are_the_same_everywhere() -> None:
    """On every machine, with every version of NumPy: runs of different machines can be compared."""
    found = jaxdl.Shapes(train_examples=50, test_examples=10).load(None).fingerprint
    assert found == "7802486eb5435dad203f525f9c8be9f6863f376e47eebd6c3f8d2e8426198081"
    found = jaxdl.Shapes(masks=True, train_examples=50, test_examples=10).load(None).fingerprint
    assert found == "4435242b07daecc7cf2e13868b8050f14b86923f3e7fe34e679573911cc01029"


@settings(max_examples=15)
@given(kinds=st.integers(2, 10), size=st.integers(16, 40), shapes=st.integers(1, 4))
def test_masks_say_where_the_colour_changes(kinds: int, size: int, shapes: int) -> None:
    """A pixel of the background differs from its neighbours there by slope and noise, and from a shape by far more."""
    source = jaxdl.Shapes(masks=True, kinds=kinds, size=size, shapes=shapes, train_examples=10, test_examples=10)
    dataset = source.load(None)
    assert dataset.spec.target_shape == (size, size)
    assert dataset.spec.class_names == ("background", *list(SHAPES)[:kinds])
    split = dataset.splits["test"]
    pictures, masks = split["inputs"].astype(int), split["targets"]
    assert masks.dtype == np.int32 and masks.min() == 0 and masks.max() <= kinds
    changes = np.abs(np.diff(pictures, axis=2)).max(-1)
    both = (masks[:, :, 1:] == 0) & (masks[:, :, :-1] == 0)
    border = (masks[:, :, 1:] == 0) != (masks[:, :, :-1] == 0)
    assert changes[both].max() <= 2 * 15 + 30 / size + 1
    assert changes[border].min() > 30


def test_one_shape_is_one_piece_of_the_size_of_its_kind() -> None:
    source = jaxdl.Shapes(masks=True, shapes=1, size=64, train_examples=2, test_examples=100)
    masks = source.load(None).splits["test"]["targets"]
    for mask in masks:
        (kind,) = set(np.unique(mask)) - {0}
        pieces, _ = scipy.ndimage.label(mask > 0, np.ones((3, 3)))
        area = list(AREAS.values())[kind - 1] * 64**2
        assert np.bincount(pieces[mask > 0]).max() >= 0.97 * (mask > 0).sum()  # a pixel of a thin tip may lie apart
        assert 0.9 * area * 0.28**2 <= (mask > 0).sum() <= 1.1 * area * 0.45**2


def test_train_and_test_are_different_pictures() -> None:
    splits = jaxdl.Shapes(train_examples=60, test_examples=60, validation=0).load(None).splits
    seen = {picture.tobytes() for picture in splits["train"]["inputs"]}
    assert len(seen) == 60
    assert not seen & {picture.tobytes() for picture in splits["test"]["inputs"]}


@pytest.mark.parametrize(("field", "value"), [("kinds", 1), ("kinds", 11), ("size", 15), ("shapes", 0)])
def test_a_value_that_is_not_allowed_is_refused(field: str, value: int) -> None:
    experiment = jaxdl.load_experiment("digits_mlp", "experiments")
    with pytest.raises(jaxdl.UserError, match=f"data.{field}={value}: must be at least"):
        jaxdl.replace(experiment, {"data": jaxdl.Shapes(**{field: value})}).for_spec(jaxdl.Shapes().spec(None))  # type: ignore[arg-type]
