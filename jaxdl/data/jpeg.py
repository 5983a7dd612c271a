"""Decodes JPEG files with the simplejpeg package where it is installed: the same pixels as Pillow's, in less time.

Both use libjpeg-turbo. Pillow hands the rows of an image from one buffer to another; simplejpeg has them written where
they stay, which takes about half the time for a small picture.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

START = b"\xff\xd8\xff"
"""What a JPEG file begins with."""

_SPACES = {"L": "GRAY", "RGB": "RGB"}  # Pillow's modes and simplejpeg's names of them
_MODES = {"Gray": "L", "YCbCr": "RGB", "RGB": "RGB"}  # simplejpeg's names of a file's colours and Pillow's modes
_FRACTIONS = (8, 4, 2, 1)
_START_OF_SCAN = b"\xda"
# The segments of a file, before its pixels, that decide nothing which libjpeg-turbo does not decide: of the frame, of
# tables, of JFIF, Photoshop and Adobe, and comments. EXIF and XMP may say how a picture is turned.
_PLAIN = frozenset(bytes([each]) for each in (0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, 0xE0, 0xED, 0xEE, 0xFE))
_PROFILE = b"ICC_PROFILE\0"  # in a segment that may as well say that there are more pictures
_CLEAR = 8  # pixels; of smaller pictures several fractions have the same size


def decoded(file: Image.Image) -> Image.Image:
    """Returns an opened image with its pixels, decoded at the size that its draft chose.

    Args:
        file: the image, as Pillow opened it from a stream, of which nothing was decoded yet.

    Returns:
        `file` itself, loaded by Pillow, where simplejpeg is not installed or does not read such a file; otherwise a new
        image with the same pixels, and with the same tags.
    """
    pixels = decoded_pixels(file)
    if pixels is None:
        file.load()
        return file
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if file.mode == "L" else pixels)
    image.info = file.info
    return image


def decoded_pixels(file: Image.Image) -> np.ndarray | None:
    """Returns the pixels of an opened image, decoded as by `decoded`, which takes three copies less.

    Returns:
        (height, width, channels) uint8, as they lie in the file, whatever its orientation; None where simplejpeg is not
        installed or does not read such a file.
    """
    if _decoder() is None or file.format != "JPEG" or file.mode not in _SPACES:
        return None
    image: Any = file
    image.fp.seek(0)
    fraction = image.decoderconfig[0] if image.decoderconfig else 1  # the choice of its draft
    return decoded_at(image.fp.read(), image.mode, image.size, fraction)


def plain(content: bytes) -> tuple[tuple[int, int], str] | None:
    """Returns the size of a JPEG file, (width, height), and its mode, where that is all that there is to know of it.

    Returns:
        None where Pillow has to read the file: it may be turned, have several pictures or other colours than gray and
        RGB, or be damaged; or simplejpeg is not installed.
    """
    if _decoder() is None or not _is_plain(content):
        return None
    from simplejpeg import decode_jpeg_header

    try:
        height, width, colours, _ = decode_jpeg_header(content)
    except (KeyError, ValueError):  # of a kind that simplejpeg does not know; damaged
        return None
    return ((width, height), _MODES[colours]) if colours in _MODES else None


def fraction_of(size: tuple[int, int], least: tuple[int, int]) -> int:
    """Returns by how much a file of some size, (width, height), is decoded smaller, as Pillow's drafts: 1, 2, 4 or 8.

    Args:
        size: of the file.
        least: what it must not be smaller than.
    """
    most = min(have // want for have, want in zip(size, least, strict=True))
    return next(each for each in _FRACTIONS if each <= max(1, most))


def decoded_at(content: bytes, mode: str, size: tuple[int, int], fraction: int) -> np.ndarray | None:
    """Returns the pixels of a JPEG file, decoded at a fraction of its size.

    Args:
        content: the file.
        mode: Pillow's mode for it, ``L`` or ``RGB``.
        size: the (width, height) that it has at this fraction.
        fraction: 1, 2, 4 or 8.

    Returns:
        (height, width, channels) uint8; None where simplejpeg is not installed or does not read such a file.
    """
    decode, (width, height) = _decoder(), size
    if decode is None or (fraction > 1 and max(size) < _CLEAR):
        return None
    least = {"min_height": height, "min_width": width} if fraction > 1 else {}
    try:
        pixels: np.ndarray = decode(content, _SPACES[mode], **least)
    except ValueError:  # Pillow reads it, or says what is wrong with it
        return None
    return pixels if pixels.shape[:2] == (height, width) else None


def _is_plain(content: bytes) -> bool:
    """Returns whether a file has nothing before its pixels but what is plain."""
    place = len(START) - 1
    while content[place : place + 1] == b"\xff":
        kind = content[place + 1 : place + 2]
        if kind == _START_OF_SCAN:
            return True
        if kind not in _PLAIN and not content.startswith(_PROFILE, place + 4):
            return False
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return False


@functools.cache
def _decoder() -> Any:
    """Returns simplejpeg's decoder; None where it is not installed."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg.decode_jpeg
