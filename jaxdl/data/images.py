"""Reads image files: one function for all that use them, so that a model sees an image as it was trained on it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from jaxdl.data import jpeg
from jaxdl.data.decoding import bombs_refused, fill
from jaxdl.data.jpeg import decoded, decoded_pixels
from jaxdl.data.resizing import fitted, scaled_size
from jaxdl.data.spec import Fit, Spec
from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

if TYPE_CHECKING:
    from PIL import Image

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
MODES = {1: "L", 3: "RGB"}  # Pillow's name for each number of channels
# Pillow's modes of at most 8 bits, which it converts to each other without a loss of range.
_EIGHT_BITS = frozenset({"1", "L", "P", "PA", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
# Folders and files that systems leave beside a user's own; those whose names start with a dot come on top.
_FOREIGN = frozenset({"__macosx", "@eadir", "$recycle.bin", "thumbs.db", "ehthumbs.db", "desktop.ini"})
_SAFE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
_JPEG = ("JPEG", "MPO")  # the second: with several frames, as of some phones
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # EXIF's tag, and its values that swap width and height
_TIFF_PHOTOMETRIC, _TIFF_BITS, _WHITE_IS_ZERO = 262, 258, 0


def find_images(path: Path) -> list[Path]:
    """Lists the image files to read, as `find_files` does."""
    return find_files(path, EXTENSIONS, "image")


def find_files(path: Path, extensions: frozenset[str], what: str) -> list[Path]:
    """Lists the files to read: the file itself, or all files of a kind below a folder, sorted by path.

    Files and folders that a system leaves there are no images of the user's: hidden ones (``._cat.png`` of macOS,
    ``.ipynb_checkpoints``), ``__MACOSX``, ``@eaDir`` and ``$RECYCLE.BIN``.

    Args:
        path: a file or a folder.
        extensions: how names of files of the kind end, in lower case.
        what: what such a file is called in messages.

    Raises:
        UserError: `path` does not exist, or it is a folder without such files.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: there is no such file or folder.")
    files = (file for file in path.rglob("*") if file.suffix.lower() in extensions and file.is_file())
    found = sorted(file for file in files if not any(map(is_foreign, file.relative_to(path).parts)))
    if not found:
        raise UserError(f"{path}: the folder has no {what} file ({', '.join(sorted(extensions))}).")
    return found


def is_foreign(name: str) -> bool:
    """Returns whether a file or folder of this name was left there by a system: it is no one's own."""
    return name.startswith(".") or name.lower() in _FOREIGN


def load_images(paths: Sequence[Path], spec: Spec) -> np.ndarray:
    """Reads image files as inputs of a model that was trained on data of the given spec.

    Each image is read by `stored_image`, on as many threads as there are cores.

    Returns:
        (images, height, width, channels) in the spec's dtype.

    Raises:
        UserError: a file is missing, not an image, damaged, too large or of a kind that is not read (the message names
            it); the model does not read images; or its data do not say which number is white.
    """
    if len(spec.input_shape) != 3 or spec.input_shape[2] not in MODES:
        raise UserError(f"images were given, but the inputs of this model have shape {spec.input_shape}.")
    _check_white(spec)
    inputs = np.empty((len(paths), *spec.input_shape), spec.input_dtype)
    fill(inputs, paths, lambda path: stored_image(path, spec))
    return inputs


def stored_image(path: Path, spec: Spec) -> np.ndarray:
    """Reads one image file as `load_image` does, with the numbers that the data's preprocessing scales to 0 and 1.

    Training and prediction both read images by this function. Warnings of Pillow must be errors, see `bombs_refused`.

    Returns:
        spec.input_shape of dtype spec.input_dtype.

    Raises:
        UserError: as for `load_image`.
    """
    return _stored(_pixels(path, spec.input_shape, spec.fit), spec)


class TooLarge(UserError):
    """A picture or a sound that has more numbers, once it is decoded, than its reader takes."""


def stored_picture(content: bytes, spec: Spec, most: int) -> np.ndarray:
    """Reads a picture that is not trusted, as `stored_image` reads a file.

    Args:
        content: of a PNG, JPEG, GIF, BMP or WebP file; Pillow's other formats, of which one starts a program, are not
            tried.
        spec: describes the data of the training.
        most: pixels that are decoded.

    Returns:
        spec.input_shape of dtype spec.input_dtype.

    Raises:
        TooLarge: it has more pixels.
        UserError: as for `load_image`.
    """
    from PIL import Image, UnidentifiedImageError

    _check_white(spec)
    try:
        with Image.open(io.BytesIO(content), formats=_SAFE_FORMATS) as file:
            width, height = file.size
            if width * height > most:
                raise TooLarge(f"the picture has {width:,} x {height:,} pixels; the limit is {most:,} in all.")
            return _stored(drawn(file, "the picture", spec.input_shape, spec.fit), spec)
    except UserError:
        raise
    except Image.DecompressionBombError:
        raise TooLarge(f"the picture has more than {most:,} pixels, which is the limit.") from None
    except UnidentifiedImageError:
        raise UserError(f"the picture is none of {', '.join(_SAFE_FORMATS)}, or is damaged.") from None
    except Exception as problem:  # Pillow's decoders raise almost any type on damaged files
        raise UserError(f"the picture cannot be read, it may be damaged ({problem}).") from None


def _stored(pixels: np.ndarray, spec: Spec) -> np.ndarray:
    if pixels.dtype == spec.input_dtype and spec.preprocess.scale == 1 / 255:
        return pixels
    return spec.preprocess.stored(pixels.astype(np.float64) / 255, spec.input_dtype)


def _check_white(spec: Spec) -> None:
    """Raises `UserError` where the data do not say which stored number is white, or it cannot be stored.

    Without a scale an image of 8 bits would be all but black among bytes, and is a guess among floats.
    """
    dtype, scale = np.dtype(spec.input_dtype), spec.preprocess.scale
    most = np.iinfo(dtype).max if dtype.kind in "iu" else np.inf
    if scale in (0, 1) or not 0 < 1 / scale <= most or (dtype.kind in "iu" and scale > 1):
        raise UserError(
            f"images were given, but the examples of this model are stored as {dtype} without a scale that makes one "
            "of its numbers white (preprocess.scale, such as 1/255); give a .npy file of examples as stored."
        )


def load_image(path: Path, shape: tuple[int, ...], fit: Fit = "stretch") -> np.ndarray:
    """Reads one image file.

    The image is rotated by its EXIF orientation, drawn on white if it is transparent, converted to grayscale (ITU-R
    601-2 luma) or RGB, and brought to the asked size, see `jaxdl.data.resizing`. Colours are reduced to 8 bits a
    channel; 16 bits of gray are kept. Of several frames the first is read. A JPEG that is at least twice as large as
    needed is decoded at 1/2, 1/4 or 1/8 of its size, which takes a fraction of the time and changes a smooth image by
    up to 5 of 255.

    Args:
        path: the file.
        shape: (height, width, channels), with 1 or 3 channels.
        fit: what is done with an image of another shape: ``stretch`` it, ``crop`` its centre, or ``pad`` it with white.

    Returns:
        `shape` float64, from 0 for black to 1 for white.

    Raises:
        UserError: the file is missing, not an image, damaged or too large; or its black and white are not known, as for
            floats and 32 bits. The message names it.
    """
    with bombs_refused():
        return _pixels(path, shape, fit).astype(np.float64) / 255


def _pixels(path: Path, shape: tuple[int, ...], fit: Fit) -> np.ndarray:
    """Returns an image from 0 for black to 255 for white, as `load_image`: `shape`, uint8, or float32 for deep ones."""
    from PIL import Image, UnidentifiedImageError

    try:
        # From a stream: what Pillow maps into memory from a path, it turns wrongly (TIFF without compression).
        with open(path, "rb") as stream:
            pixels = _plain_jpeg(stream, shape, fit)
            if pixels is not None:
                return pixels
            with Image.open(stream) as file:
                return drawn(file, path, shape, fit)
    except UserError:
        raise
    except FileNotFoundError as problem:
        raise UserError(f"{path}: there is no such file.") from problem
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as problem:
        raise UserError(f"{path}: the image is too large to be read safely ({problem}).") from problem
    except UnidentifiedImageError as problem:
        raise UserError(f"{path}: this is not an image file that Pillow can read.") from problem
    except Exception as problem:  # Pillow's decoders raise almost any type on damaged files
        if isinstance(problem, OSError) and problem.errno is not None:  # of the disk, and not of the content
            with named_cause(Path(path), "read"):
                raise
        raise UserError(f"{path}: the image cannot be read, the file may be damaged ({problem}).") from problem


def _plain_jpeg(stream: IO[bytes], shape: tuple[int, ...], fit: Fit) -> np.ndarray | None:
    """Returns what `drawn` returns of a JPEG file of which Pillow need not be asked; None for others.

    Pillow takes a seventh of the time of a picture of 224x224 to open its file, and keeps Python's lock meanwhile.

    Args:
        stream: the file, opened in binary mode; where None is returned, it stands at its begin again.
        shape, fit: as for `drawn`.
    """
    from PIL import Image

    if stream.read(len(jpeg.START)) != jpeg.START:
        stream.seek(0)
        return None
    stream.seek(0)
    content = stream.read()
    stream.seek(0)
    height, width, channels = shape
    room, wanted, known = (width, height), MODES[channels], jpeg.plain(content)
    if known is None or math.prod(known[0]) > (Image.MAX_IMAGE_PIXELS or math.inf):
        return None
    size, mode = known
    scaled = scaled_size(size, room, fit)
    fraction = jpeg.fraction_of(size, scaled)
    reduced = -(-size[0] // fraction), -(-size[1] // fraction)
    pixels = jpeg.decoded_at(content, mode, reduced, fraction)
    if pixels is None or (mode == wanted and reduced == scaled == room):  # nothing is left to be done with them
        return pixels
    image = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
    image = image if mode == wanted else image.convert(wanted)
    return np.asarray(fitted(image, scaled, room)).reshape(shape)


def drawn(file: Image.Image, path: Path | str, shape: tuple[int, ...], fit: Fit) -> np.ndarray:
    """Returns an opened image, of which nothing was decoded yet, as `load_image` reads it.

    Args:
        file: the image, opened from a stream; it is turned in place.
        path: its name in messages.
        shape: (height, width, channels), with 1 or 3 channels.
        fit: what is done with an image of another shape.

    Returns:
        `shape`, from 0 for black to 255 for white: uint8, or float32 for images of more than 8 bits.
    """
    height, width, channels = shape
    room = width, height
    scaled = _scaled_while_decoded(file, room, fit) if file.format in _JPEG else None
    if scaled == room == file.size and file.mode == MODES[channels] and not _is_turned(file):
        pixels = decoded_pixels(file)  # nothing is left to be done with them
        if pixels is not None:
            return pixels
    image = opaque(file, path, MODES[channels])
    image = fitted(image, scaled or scaled_size(image.size, room, fit), room)
    return np.broadcast_to(np.asarray(image).reshape(height, width, -1), shape)


def _scaled_while_decoded(file: Image.Image, room: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """Has a JPEG decoded at a fraction of its size where that is enough; returns the result of `scaled_size`."""
    # A draft is asked for in the orientation of the sensor, before the pixels are read.
    turned = file.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
    width, height = file.size
    scaled = scaled_size((height, width) if turned else (width, height), room, fit)
    file.draft(None, scaled[::-1] if turned else scaled)
    return scaled


def _is_turned(file: Image.Image) -> bool:
    return bool(file.getexif().get(_ORIENTATION, 1) != 1)


def opaque(file: Image.Image, path: Path | str, mode: str) -> Image.Image:
    """Returns an opened image in the given mode, or in ``F`` for 16 bits of gray; 0 is black and 255 white.

    It is rotated by its EXIF orientation and drawn on white: training and prediction both read images by this function.

    Args:
        file: the image, opened from a stream; it is turned in place.
        path: its name in messages.
        mode: ``L`` or ``RGB``.

    Raises:
        UserError: its black and white are not known.
    """
    from PIL import Image, ImageOps

    file = decoded(file)
    ImageOps.exif_transpose(file, in_place=True)  # otherwise it makes a copy even where there is no tag
    image: Image.Image = file
    if image.mode in _EIGHT_BITS:
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image if image.mode == mode else image.convert(mode)
    white = _white_of_gray(file, image.mode)
    if white is None:
        raise UserError(
            f"{path}: its pixels are of Pillow's mode {image.mode!r}, whose black and white are not known; save it "
            "with 8 or 16 bits a channel, such as a PNG."
        )
    gray = np.asarray(image).astype(np.float64) * (255 / white)
    if file.format == "TIFF" and _tag(file, _TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow inverts only 8 bits
        gray = 255 - gray
    if "transparency" in image.info:  # one value of gray
        gray = np.where(np.asarray(image) == image.info["transparency"], 255, gray)
    return Image.fromarray(gray.astype(np.float32))


def _white_of_gray(file: Image.Image, mode: str) -> int | None:
    """Returns the number that is white in an image of more than 8 bits of gray; None where it is not known."""
    if file.format == "TIFF" and mode.startswith("I;16"):
        return int(2 ** _tag(file, _TIFF_BITS) - 1)  # 12 bits have the same mode
    if file.format in ("PNG", "PPM") and mode.startswith("I"):  # the mode of 32 bits too holds 16 here
        return 65535
    return None


def _tag(file: Image.Image, number: int) -> int:
    """Returns a tag of a TIFF file."""
    tags: Any = file
    value = tags.tag_v2[number]
    return int(value[0] if isinstance(value, tuple) else value)
