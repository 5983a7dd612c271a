from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from jaxdl.data import Preprocess, Spec, load_image, load_images
from jaxdl.data.resizing import fitted, scaled_size

SIDE = st.integers(1, 3000)
SIZE = st.tuples(SIDE, SIDE)


@given(SIZE, SIZE)
def test_what_is_scaled_covers_the_room_or_lies_in_it_with_its_shape_kept(size, room):
    ratio = room[0] / size[0], room[1] / size[1]
    assert scaled_size(size, room, "stretch") == room
    for fit, scale, rounding in (("crop", max(ratio), np.floor), ("pad", min(ratio), np.rint)):
        scaled = scaled_size(size, room, fit)
        assert any(got == want for got, want in zip(scaled, room, strict=True))
        if fit == "crop":
            assert all(got >= want for got, want in zip(scaled, room, strict=True))
        else:
            assert all(1 <= got <= want for got, want in zip(scaled, room, strict=True))
        for got, side in zip(scaled, size, strict=True):
            assert abs(got - max(1, rounding(side * scale))) <= 1


@pytest.mark.parametrize(
    ("size", "room", "scaled"),
    [  # of torchvision 0.28: Resize(64) of images of these sizes
        ((500, 375), (64, 64), (85, 64)),
        ((375, 500), (64, 64), (64, 85)),
        ((1001, 333), (64, 64), (192, 64)),
        ((64, 64), (64, 64), (64, 64)),
    ],
)
def test_a_crop_is_scaled_as_torchvision_scales_it(size, room, scaled):
    assert scaled_size(size, room, "crop") == scaled


def test_the_centre_is_cut_out(tmp_path):
    pixels = np.arange(7 * 4, dtype=np.uint8).reshape(4, 7) * 9
    Image.fromarray(pixels).save(tmp_path / "g.png")
    got = load_image(tmp_path / "g.png", (4, 4, 1), "crop")[..., 0] * 255
    np.testing.assert_allclose(got, pixels[:, 2:6])  # round(1.5) is 2, as in torchvision
    got = load_image(tmp_path / "g.png", (4, 5, 1), "crop")[..., 0] * 255
    np.testing.assert_allclose(got, pixels[:, 1:6])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_added_around_what_is_padded(tmp_path, dtype):
    pixels = (np.arange(6 * 2).reshape(2, 6) * 20 * (257 if dtype == np.uint16 else 1)).astype(dtype)
    Image.fromarray(pixels).save(tmp_path / "g.png")
    for channels in (1, 3):
        got = load_image(tmp_path / "g.png", (6, 6, channels), "pad")
        assert got.shape == (6, 6, channels)
        np.testing.assert_allclose(got[[0, 1, 4, 5]], 1)
        np.testing.assert_allclose(got[2:4, :, 0] * np.iinfo(dtype).max, pixels, rtol=1e-6)


def test_scaling_averages_all_pixels_that_a_new_one_covers():
    """Antialiased as by jax.image.resize, without which 1 of 16 pixels would be looked at."""
    import jax

    noise = np.random.RandomState(0).randint(0, 256, (64, 96)).astype(np.uint8)
    got = np.asarray(fitted(Image.fromarray(noise), (24, 16), (24, 16)), np.float32)
    expected = jax.image.resize(noise.astype(np.float32), (16, 24), "linear")
    np.testing.assert_allclose(got, expected, atol=1)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("turn", [1, 6])
def test_a_large_jpeg_is_decoded_smaller_and_looks_the_same(tmp_path, monkeypatch, fit, turn):
    x, y = np.meshgrid(np.linspace(0, 3, 900), np.linspace(0, 2, 600))
    smooth = np.stack([np.sin(x + y), np.cos(x), np.sin(y * 3)], axis=-1) * 100 + 128
    image = Image.fromarray(smooth.astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = turn
    image.save(tmp_path / "large.jpg", quality=95, exif=exif)
    Image.open(tmp_path / "large.jpg").save(tmp_path / "same.png", exif=exif)
    decoded = []
    load = Image.Image.getexif  # called after the size of a draft is known, too

    def noted(self):
        decoded.append(self.size)
        return load(self)

    monkeypatch.setattr(Image.Image, "getexif", noted)
    shape = (100, 200, 3)
    got = load_image(tmp_path / "large.jpg", shape, fit)
    assert min(decoded) <= (450, 300)
    expected = load_image(tmp_path / "same.png", shape, fit)
    assert np.abs(got - expected).max() < 6 / 255
    assert np.abs(got - expected).mean() < 1 / 255


def test_prediction_fits_images_as_training_did(tmp_path):
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (40, 20)).astype(np.uint8)).save(tmp_path / "g.png")
    for fit in ("stretch", "crop", "pad"):
        spec = Spec((8, 8, 1), "uint8", Preprocess(1 / 255), (), 2, fit=fit)
        expected = np.rint(load_image(tmp_path / "g.png", (8, 8, 1), fit) * 255)
        assert np.array_equal(load_images([tmp_path / "g.png"], spec)[0], expected)
