from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import Preprocess, Spec, find_images, load_images
from jaxdl.errors import UserError

MNIST = Spec((28, 28, 1), "uint8", Preprocess(1 / 255), (), 10)
DIGITS = Spec((8, 8, 1), "uint8", Preprocess(1 / 16), (), 10)
COLOUR = Spec((5, 7, 3), "uint8", Preprocess(1 / 255), (), 10)


def save(path, pixels, **options):
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)
    return path


def random_pixels(*shape):
    return np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)


def test_an_image_of_the_right_size_keeps_its_values(tmp_path):
    gray, colour = random_pixels(28, 28), random_pixels(5, 7, 3)
    assert np.array_equal(load_images([save(tmp_path / "g.png", gray)], MNIST)[0, ..., 0], gray)
    assert np.array_equal(load_images([save(tmp_path / "c.png", colour)], COLOUR)[0], colour)


def test_values_are_rescaled_to_the_stored_range(tmp_path):
    gray = np.linspace(0, 255, 64).reshape(8, 8).astype(np.uint8)
    inputs = load_images([save(tmp_path / "g.png", gray)], DIGITS)
    assert inputs.dtype == np.uint8
    assert np.array_equal(inputs[0, ..., 0], np.rint(gray / 255 * 16))
    assert inputs.max() == 16


def test_colour_becomes_gray_and_gray_becomes_colour_as_the_data_has_it(tmp_path):
    colour = random_pixels(28, 28, 3)
    expected = (colour @ [0.299, 0.587, 0.114]).round()
    got = load_images([save(tmp_path / "c.png", colour)], MNIST)[0, ..., 0]
    assert np.max(np.abs(got - expected)) <= 1
    gray = random_pixels(5, 7)
    got = load_images([save(tmp_path / "g.png", gray)], COLOUR)[0]
    assert np.array_equal(got, np.repeat(gray[..., None], 3, axis=2))


def test_an_image_of_another_size_is_resized(tmp_path):
    half_white = np.zeros((280, 140))
    half_white[:140] = 255
    got = load_images([save(tmp_path / "g.png", half_white)], MNIST)[0, ..., 0]
    assert np.all(got[:12] == 255)
    assert np.all(got[16:] == 0)


def test_the_exif_orientation_is_followed(tmp_path):
    top_white = np.zeros((28, 28), np.uint8)
    top_white[:14] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    got = load_images([save(tmp_path / "g.png", top_white, exif=exif)], MNIST)[0, ..., 0]
    assert np.array_equal(got, top_white[::-1])


def test_transparent_parts_are_white_and_sixteen_bits_become_eight(tmp_path):
    black = np.zeros((28, 28, 4), np.uint8)
    black[14:, :, 3] = 255
    got = load_images([save(tmp_path / "t.png", black)], MNIST)[0, ..., 0]
    assert np.all(got[:14] == 255)
    assert np.all(got[14:] == 0)
    deep = np.full((28, 28), 32896, np.uint16)
    Image.fromarray(deep).save(tmp_path / "d.png")
    assert np.all(load_images([tmp_path / "d.png"], MNIST) == 128)


def test_files_are_found_below_a_folder_in_a_fixed_order(tmp_path):
    for name in ("b.png", "a.JPG", "sub/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save(tmp_path / name, random_pixels(4, 4), format="PNG")
    (tmp_path / "labels.csv").write_text("a")
    assert [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)] == ["a.JPG", "b.png", "sub/c.png"]
    assert find_images(tmp_path / "b.png") == [tmp_path / "b.png"]


def test_a_missing_path_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none: there is no such file or folder"):
        find_images(tmp_path / "none")
    with pytest.raises(UserError, match=r"the folder has no image file \(.*\.png"):
        find_images(tmp_path)
    with pytest.raises(UserError, match=r"none.png: there is no such file"):
        load_images([tmp_path / "none.png"], MNIST)


def whole_png(tmp_path):
    return save(tmp_path / "whole.png", random_pixels(28, 28)).read_bytes()


def png_header(width, height):
    """A PNG file that claims to be huge."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("cut", [8, 20, 40, 100, 500])
def test_an_image_that_is_cut_short_is_refused_by_name(tmp_path, cut):
    (tmp_path / "bad.png").write_bytes(whole_png(tmp_path)[:cut])
    with pytest.raises(UserError, match=r"bad\.png: .*(not an image file|damaged)") as error:
        load_images([tmp_path / "whole.png", tmp_path / "bad.png"], MNIST)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not an image", bytes(1000)])
def test_a_file_that_is_no_image_is_refused_by_name(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.png: this is not an image file"):
        load_images([tmp_path / "bad.png"], MNIST)


@pytest.mark.parametrize("side", [10_000, 40_000])
def test_a_decompression_bomb_is_refused_by_name(tmp_path, side):
    (tmp_path / "bad.png").write_bytes(png_header(side, side))
    with pytest.raises(UserError, match=r"bad\.png: the image is too large"):
        load_images([tmp_path / "bad.png"], MNIST)


def test_a_folder_in_place_of_a_file_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path.name}: "):
        load_images([tmp_path], MNIST)


def test_a_model_of_other_inputs_takes_no_images(tmp_path):
    with pytest.raises(UserError, match=r"inputs of this model have shape \(32, 1\)"):
        load_images([save(tmp_path / "g.png", random_pixels(28, 28))], Spec((32, 1), "uint8", Preprocess(), (32,), 1))
