"""Kinds of image files that need files of their own making; `test_images` has the others."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxdl.data import load_image

RANDOM = np.random.RandomState(0)


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_colours_of_16_bits_are_read_by_their_upper_8(tmp_path):
    deep = RANDOM.randint(0, 2**16, (5, 7, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    header = struct.pack(">IIBBBBB", 7, 5, 16, 2, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert np.array_equal(np.rint(load_image(tmp_path / "deep.png", (5, 7, 3)) * 255), deep >> 8)


@pytest.mark.parametrize("name", ["f.gif", "f.tif", "f.webp", "f.png"])
def test_of_several_frames_the_first_is_read(tmp_path, name):
    frames = [Image.fromarray(np.full((5, 7), value, np.uint8)) for value in (40, 90, 200)]
    frames[0].save(
        tmp_path / name, save_all=True, append_images=frames[1:], **({"lossless": True} if "webp" in name else {})
    )
    with Image.open(tmp_path / name) as file:
        assert getattr(file, "n_frames", 1) == 3
    np.testing.assert_allclose(load_image(tmp_path / name, (5, 7, 1)), 40 / 255)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_jpegs_of_other_colours_become_rgb(tmp_path, mode):
    colours = np.zeros((16, 16, 3), np.uint8) + np.array([200, 60, 20], np.uint8)
    Image.fromarray(colours).convert(mode).save(tmp_path / "c.jpg", quality=100)
    with Image.open(tmp_path / "c.jpg") as file:
        assert (file.mode == "CMYK") == (mode == "CMYK")
    np.testing.assert_allclose(load_image(tmp_path / "c.jpg", (16, 16, 3)), colours / 255, atol=3 / 255)
