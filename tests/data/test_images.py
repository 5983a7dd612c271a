from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import Preprocess, Spec, find_images, load_image, load_images
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


TURNS = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.T,
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].T,
    8: lambda stored: np.rot90(stored),
}


@pytest.mark.parametrize("name", ["g.png", "g.jpg", "g.webp", "g.tif", "compressed.tif", "deep.tif"])
def test_the_exif_orientation_is_followed(tmp_path, name):
    stored = np.arange(24).reshape(4, 6) * 10
    for orientation, turn in TURNS.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {
            "g.jpg": {"quality": 100},
            "g.webp": {"lossless": True},
            "compressed.tif": {"compression": "tiff_lzw"},
        }
        pixels = stored.astype(np.uint16) * 257 if name == "deep.tif" else stored.astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / name, exif=exif, **options.get(name, {}))
        expected = turn(stored)
        got = load_images([tmp_path / name], Spec((*expected.shape, 1), "uint8", Preprocess(1 / 255), (), 10))
        np.testing.assert_allclose(got[0, ..., 0], expected, atol=2 if name == "g.jpg" else 0)


RANDOM = np.random.RandomState(0)
BYTES = RANDOM.randint(0, 256, (5, 7)).astype(np.uint8)
COLOURS = RANDOM.randint(0, 256, (5, 7, 3)).astype(np.uint8)
ALPHA = RANDOM.randint(0, 256, (5, 7)).astype(np.uint8)
DEEP = RANDOM.randint(0, 2**16, (5, 7)).astype(np.uint16)
DEEP[0, :2] = 0, 65535
PALETTE = RANDOM.randint(0, 256, (256, 3)).astype(np.uint8)
FEW = BYTES % 4


def over_white(values, alpha):
    """What is seen of values 0..1 of which a share of alpha 0..1 covers white."""
    return values * alpha + 1 - alpha


def palette(indices, colours, **options):
    image = Image.fromarray(indices, "P")
    image.putpalette(colours.tobytes())
    return image, options


def pgm(most, values):
    return b"P5 7 5 %d\n" % most + values.astype(">u2" if most > 255 else np.uint8).tobytes()


def tiff(bits, photometric, data):
    """A TIFF file with the given bits a pixel of 7 x 5 pixels, one strip of them without compression."""
    tags = [
        (256, 7),
        (257, 5),
        (258, bits),
        (259, 1),
        (262, photometric),
        (273, 8),
        (277, 1),
        (278, 5),
        (279, len(data)),
    ]
    entries = b"".join(struct.pack("<HHII", number, 4, 1, value) for number, value in tags)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def twelve_bits(values):
    """Rows of 7 numbers of 12 bits, one after the other, each row filled up to whole bytes."""
    rows = ["".join(format(value, "012b") for value in row) for row in values]
    return b"".join(int(row.ljust(88, "0"), 2).to_bytes(11, "big") for row in rows)


def cmyk(pixels):
    ink = pixels.astype(float) / 255
    return (1 - ink[..., :3]) * (1 - ink[..., 3:])


FILES = {
    "one_bit.png": (Image.fromarray(BYTES > 99), BYTES > 99),
    "two_bits.png": (palette(FEW, PALETTE[:4], bits=2), PALETTE[FEW] / 255),
    "gray.png": (Image.fromarray(BYTES), BYTES / 255),
    "gray.tif": (Image.fromarray(BYTES), BYTES / 255),
    "inverted.tif": (tiff(8, 0, BYTES.tobytes()), 1 - BYTES / 255),
    "four_bits.pgm": (pgm(15, BYTES // 16), BYTES // 16 / 15),
    "gray_alpha.png": (Image.fromarray(np.dstack([BYTES, ALPHA])), over_white(BYTES / 255, ALPHA / 255)),
    "gray_hole.png": ((Image.fromarray(FEW), {"transparency": 2}), np.where(FEW == 2, 1, FEW / 255)),
    "palette.png": (palette(BYTES, PALETTE), PALETTE[BYTES] / 255),
    "palette.gif": (palette(BYTES, PALETTE), PALETTE[BYTES] / 255),
    "palette_hole.png": (
        palette(FEW, PALETTE[:4], transparency=2), np.where(FEW[..., None] == 2, 1, PALETTE[FEW] / 255),
    ),
    "palette_hole.gif": (
        palette(FEW, PALETTE[:4], transparency=2), np.where(FEW[..., None] == 2, 1, PALETTE[FEW] / 255),
    ),
    "palette_alpha.png": (
        palette(FEW, PALETTE[:4], transparency=bytes([0, 85, 170, 255])),
        over_white(PALETTE[FEW] / 255, FEW[..., None] / 3),
    ),
    "colour.png": (Image.fromarray(COLOURS), COLOURS / 255),
    "colour.bmp": (Image.fromarray(COLOURS), COLOURS / 255),
    "alpha.png": (
        Image.fromarray(np.dstack([COLOURS, ALPHA])), over_white(COLOURS / 255, ALPHA[..., None] / 255),
    ),
    "alpha.tif": (
        Image.fromarray(np.dstack([COLOURS, ALPHA])), over_white(COLOURS / 255, ALPHA[..., None] / 255),
    ),
    "alpha.webp": (
        (Image.fromarray(np.dstack([COLOURS, ALPHA])), {"lossless": True, "exact": True}),
        over_white(COLOURS / 255, ALPHA[..., None] / 255),
    ),
    "cmyk.tif": (
        Image.fromarray(np.dstack([COLOURS, ALPHA]), "CMYK"), cmyk(np.dstack([COLOURS, ALPHA])),
    ),
    "deep.png": (Image.fromarray(DEEP), DEEP / 65535),
    "deep_hole.png": ((Image.fromarray(DEEP), {"transparency": 65535}), np.where(DEEP == 65535, 1, DEEP / 65535)),
    "deep.tif": (Image.fromarray(DEEP), DEEP / 65535),
    "big_endian.tif": (Image.fromarray(DEEP.astype(">u2")), DEEP / 65535),
    "deep_inverted.tif": (tiff(16, 0, DEEP.astype("<u2").tobytes()), 1 - DEEP / 65535),
    "twelve.tif": (tiff(12, 1, twelve_bits(DEEP // 16)), DEEP // 16 / 4095),
    "deep.pgm": (pgm(65535, DEEP), DEEP / 65535),
    "thousand.pgm": (pgm(1000, DEEP // 66), DEEP // 66 / 1000),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_an_image_of_every_kind_keeps_its_full_range(tmp_path, name):
    made, seen = FILES[name]
    if isinstance(made, bytes):
        (tmp_path / name).write_bytes(made)
    else:
        image, options = made if isinstance(made, tuple) else (made, {})
        image.save(tmp_path / name, **options)
    colours = np.asarray(seen, float)
    colours = colours if colours.ndim == 3 else np.repeat(colours[..., None], 3, axis=2)
    gray = colours @ [0.299, 0.587, 0.114]
    for shape, expected in (((5, 7, 3), colours), ((5, 7, 1), gray[..., None])):
        got = load_image(tmp_path / name, shape)
        assert got.shape == shape
        exact = seen.ndim == 2 and name != "gray_alpha.png"  # colours and mixtures are rounded to bytes
        np.testing.assert_allclose(got, expected, atol=1e-5 if exact else 2.1 / 255)
        stored = load_images([tmp_path / name], Spec(shape, "uint8", Preprocess(1 / 255), (), 10))[0]
        np.testing.assert_array_equal(stored, np.rint(got * 255))


@pytest.mark.parametrize(
    ("name", "image", "mode"),
    [
        ("float.tif", Image.fromarray(np.full((5, 7), 0.5, np.float32)), "'F'"),
        ("signed.tif", Image.fromarray(np.full((5, 7), 70_000, np.int32)), "'I'"),
        ("lab.tif", Image.new("LAB", (7, 5)), "'LAB'"),
    ],
)
def test_an_image_whose_black_and_white_are_not_known_is_refused_by_name(tmp_path, name, image, mode):
    image.save(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name}: its pixels are of Pillow's mode {mode}.*save it with 8 or 16 bits"):
        load_image(tmp_path / name, (5, 7, 1))


def test_a_deep_image_is_resized_without_rounding_to_bytes(tmp_path):
    Image.fromarray(np.full((9, 9), 12_345, np.uint16)).save(tmp_path / "d.png")
    np.testing.assert_allclose(load_image(tmp_path / "d.png", (4, 4, 3)), 12_345 / 65_535, rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "preprocess"),
    [
        *(("uint8", Preprocess(scale)) for scale in (1, 1 / 256, 2, -1, 0)),
        ("uint8", Preprocess(cast="none")),
        ("float32", Preprocess()),
    ],
)
def test_images_are_refused_where_no_stored_number_is_known_to_be_white(tmp_path, dtype, preprocess):
    """They would all become black, white would wrap around to black, or floats of another range would be guessed."""
    path = save(tmp_path / "g.png", random_pixels(28, 28))
    with pytest.raises(UserError, match=f"stored as {dtype} without a scale that makes one of its numbers white"):
        load_images([path], Spec((28, 28, 1), dtype, preprocess, (), 10))


def test_images_become_floats_of_the_range_that_the_data_state(tmp_path):
    pixels = random_pixels(28, 28)
    found = load_images([save(tmp_path / "g.png", pixels)], Spec((28, 28, 1), "float32", Preprocess(1 / 100), (), 10))
    np.testing.assert_allclose(found[0, ..., 0], pixels / 2.55, rtol=1e-6)


def test_files_are_found_below_a_folder_in_a_fixed_order(tmp_path):
    for name in ("b.png", "a.JPG", "sub/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save(tmp_path / name, random_pixels(4, 4), format="PNG")
    (tmp_path / "labels.csv").write_text("a")
    assert [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)] == ["a.JPG", "b.png", "sub/c.png"]
    assert find_images(tmp_path / "b.png") == [tmp_path / "b.png"]


def test_what_systems_leave_in_a_folder_is_no_image_of_the_users(tmp_path):
    root = tmp_path / ".cache"  # a folder that the user names may itself be hidden
    left = [
        *("._cat.png", ".hidden.png", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/cat.png"),
        *(
            ".ipynb_checkpoints/cat-checkpoint.png",
            ".thumbnails/cat.png",
            "cats/@eaDir/cat.jpg",
            "$RECYCLE.BIN/cat.png",
        ),
    ]
    for name in left:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"no image")
    with pytest.raises(UserError, match="the folder has no image file"):
        find_images(root)
    save(root / "cats" / "cat.png", random_pixels(28, 28))
    assert find_images(root) == [root / "cats" / "cat.png"]
    assert load_images(find_images(root), MNIST).shape == (1, 28, 28, 1)
    (root / "damaged.png").write_bytes(b"no image")  # this one is the user's
    with pytest.raises(UserError, match=r"damaged\.png: this is not an image file"):
        load_images(find_images(root), MNIST)
    assert find_images(root / "._cat.png") == [root / "._cat.png"]


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
