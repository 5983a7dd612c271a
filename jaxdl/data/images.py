"""Reads image files in the form in which a data set stores its inputs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxdl.data.spec import Spec
from jaxdl.errors import UserError

if TYPE_CHECKING:
    from PIL import Image

_EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
_MODES = {1: "L", 3: "RGB"}  # Pillow's name for each number of channels


def find_images(path: Path) -> list[Path]:
    """Lists the image files to read: the file itself, or all image files below a folder, sorted by path.

    Raises:
        UserError: `path` does not exist, or it is a folder without image files.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: there is no such file or folder.")
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in _EXTENSIONS and file.is_file())
    if not found:
        raise UserError(f"{path}: the folder has no image file ({', '.join(sorted(_EXTENSIONS))}).")
    return found


def load_images(paths: Sequence[Path], spec: Spec) -> np.ndarray:
    """Reads image files as inputs of a model that was trained on data of the given spec.

    Each image is rotated by its EXIF orientation, drawn on white if it is transparent, converted to grayscale or RGB,
    resized to the spec's height and width if it has another size, and stored such that the data's preprocessing scales
    black to 0 and white to 1.

    Returns:
        (images, height, width, channels) in the spec's dtype.

    Raises:
        UserError: a file is missing, not an image, damaged or too large (the message names it), or the model
            does not read images.
    """
    if len(spec.input_shape) != 3 or spec.input_shape[2] not in _MODES:
        raise UserError(f"images were given, but the inputs of this model have shape {spec.input_shape}.")
    inputs = np.empty((len(paths), *spec.input_shape), spec.input_dtype)
    for row, path in enumerate(paths):
        inputs[row] = spec.preprocess.stored(_pixels(path, spec.input_shape) / 255, spec.input_dtype)
    return inputs


def _pixels(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Returns one image as float64 values 0..255 of shape (height, width, channels)."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    height, width, channels = shape
    try:
        with warnings.catch_warnings():
            # Pillow only warns about an image that is large enough to fill the memory, and raises at twice that size.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                image = _flat(ImageOps.exif_transpose(file)).convert(_MODES[channels])
    except FileNotFoundError as problem:
        raise UserError(f"{path}: there is no such file.") from problem
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as problem:
        raise UserError(f"{path}: the image is too large to be read safely ({problem}).") from problem
    except UnidentifiedImageError as problem:
        raise UserError(f"{path}: this is not an image file that Pillow can read.") from problem
    except Exception as problem:  # Pillow's decoders raise almost any type on damaged files
        raise UserError(f"{path}: the image cannot be read, the file may be damaged ({problem}).") from problem
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, np.float64).reshape(shape)


def _flat(image: Image.Image) -> Image.Image:
    """Returns an image of 8 bits a channel without transparency."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits of gray; Pillow's own conversion would clip values above 255
        return Image.fromarray((np.asarray(image).astype(np.int64) * 255 // 65535).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image
