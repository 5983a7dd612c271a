"""JPEG files give the same pixels with simplejpeg as with Pillow alone."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import jaxdl.data.jpeg
from jaxdl.data.images import load_image
from jaxdl.data.spec import Fit
from jaxdl.errors import UserError

pytest.importorskip("simplejpeg")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jpeg") / "image.jpg"


def both(path: Path, shape: tuple[int, int, int], fit: Fit = "stretch") -> list[np.ndarray | str]:
    """Returns what is read with simplejpeg and without it: pixels, or the message of an error."""
    found: list[np.ndarray | str] = []
    with pytest.MonkeyPatch.context() as patch:
        for decoder in (jaxdl.data.jpeg._decoder, lambda: None):
            patch.setattr(jaxdl.data.jpeg, "_decoder", decoder)
            try:
                found.append(load_image(path, shape, fit))
            except UserError as error:
                found.append(str(error))
    return found


def encoded(size: tuple[int, int], mode: str, seed: int, **options: object) -> bytes:
    random = np.random.RandomState(seed)
    image = Image.fromarray(random.randint(0, 256, (5, 6, 3)).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    mode=st.sampled_from(["RGB", "L", "CMYK", "YCbCr"]),
    seed=st.integers(0, 2**31),
    quality=st.integers(5, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    progressive=st.booleans(),
    orientation=st.integers(0, 8),
    room=st.none() | st.tuples(st.integers(1, 60), st.integers(1, 60)),
    channels=st.sampled_from([1, 3]),
)
def test_the_pixels_are_the_same(
    file, size, mode, seed, quality, subsampling, progressive, orientation, room, channels
):
    shape = (*(room or size[::-1]), channels)  # None: the size of the file
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": quality, "subsampling": subsampling, "progressive": progressive}
    options |= {"exif": exif} if orientation else {}  # without it the file is not opened by Pillow
    file.write_bytes(encoded(size, mode, seed, **options))
    with_it, alone = both(file, shape)
    np.testing.assert_array_equal(with_it, alone)
    assert np.shape(with_it) == shape


def test_red_green_and_blue_that_were_not_converted_are_the_same(file):
    file.write_bytes(encoded((40, 30), "RGB", 0, keep_rgb=True))
    np.testing.assert_array_equal(*both(file, (30, 40, 3)))


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1), progressive=st.booleans())
def test_a_file_that_is_cut_short_ends_in_the_same_way(file, share, progressive):
    whole = encoded((64, 48), "RGB", 1, progressive=progressive)
    file.write_bytes(whole[: int(share * len(whole))])
    with_it, alone = both(file, (48, 64, 3))
    assert type(with_it) is type(alone)
    np.testing.assert_array_equal(with_it, alone)


def test_simplejpeg_is_what_decodes(file, monkeypatch):
    file.write_bytes(encoded((40, 30), "RGB", 2))
    calls: list[str] = []
    decode = jaxdl.data.jpeg._decoder()

    def counted(data, space, **least):
        calls.append(space)
        return decode(data, space, **least)

    monkeypatch.setattr(jaxdl.data.jpeg, "_decoder", lambda: counted)
    load_image(file, (30, 40, 3))
    assert calls == ["RGB"]


@pytest.fixture
def opened(monkeypatch) -> list[object]:
    """What Pillow opens."""
    seen: list[object] = []
    really = Image.open

    def noted(given, *more, **named):
        seen.append(given)
        return really(given, *more, **named)

    monkeypatch.setattr(Image, "open", noted)
    return seen


TURNED = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize(
    ("options", "times"),
    [
        ({}, 0),
        ({"progressive": True, "comment": b"Exif", "dpi": (72, 72), "icc_profile": b"p" * 70_000}, 0),
        ({"keep_rgb": True}, 0),
        ({"exif": b"Exif\0\0"}, 1),
        ({"xmp": TURNED}, 1),
    ],
)
def test_pillow_opens_only_files_of_which_it_knows_more(file, opened, options, times):
    file.write_bytes(encoded((40, 30), "RGB", 3, **options))
    with_it, alone = both(file, (20, 10, 3))
    np.testing.assert_array_equal(with_it, alone)
    assert len(opened) == times + 1


def test_a_file_with_several_pictures_is_read_by_pillow(file, opened):
    first, second = (Image.open(io.BytesIO(encoded((40, 30), "RGB", seed))) for seed in (4, 5))
    first.save(file, "MPO", save_all=True, append_images=[second])
    opened.clear()
    np.testing.assert_array_equal(*both(file, (30, 40, 3)))
    assert len(opened) == 2


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (4, 4), (7, 7), (9, 2), (15, 15)])
def test_tiny_pictures_are_decoded_at_the_same_fraction(file, size):
    """Several fractions of a tiny picture have the same number of pixels, and different pixels."""
    for mode in ("RGB", "L"):
        file.write_bytes(encoded(size, mode, 6, quality=95))
        for room in (size, (1, 1), (2, 2), (max(1, size[0] // 2), max(1, size[1] // 2))):
            np.testing.assert_array_equal(*both(file, (*room[::-1], 3)))


def test_what_is_too_large_for_pillow_is_refused(file, monkeypatch):
    file.write_bytes(encoded((40, 30), "RGB", 7))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with_it, alone = both(file, (3, 4, 3))
    assert with_it == alone and "too large to be read safely" in str(alone)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(2, 700), byte=st.integers(0, 255))
def test_a_changed_byte_before_the_pixels_ends_in_the_same_way(file, place, byte):
    content = bytearray(encoded((32, 24), "RGB", 8))
    content[place] = byte
    file.write_bytes(content)
    np.testing.assert_array_equal(*both(file, (24, 32, 3)))


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("room", [(30, 20), (9, 33), (100, 120)])
def test_each_fit_is_the_same(file, fit, mode, room):
    file.write_bytes(encoded((90, 61), mode, 9))
    for channels in (1, 3):
        with_it, alone = both(file, (*room, channels), fit)
        np.testing.assert_array_equal(with_it, alone)
