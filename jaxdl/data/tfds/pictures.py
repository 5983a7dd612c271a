"""Decodes the images in the records of a TFDS set, as prediction reads image files."""

from __future__ import annotations

import io

import numpy as np

from jaxdl.data.images import MODES, drawn, opaque
from jaxdl.data.resizing import fitted
from jaxdl.data.tfds.features import Feature


def pixels(encoded: bytes, feature: Feature, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decodes one image file, as prediction does: see `jaxdl.data.load_image`.

    Args:
        encoded: the file.
        feature: what it is an example of. Images of 4 channels keep their transparency.
        size: (height, width) to which it is resized; None: as stored.

    Returns:
        (height, width, channels) in the feature's dtype.
    """
    from PIL import Image

    channels, what = int(feature.shape[-1] or 0), "an image of the set"
    with Image.open(io.BytesIO(encoded)) as file:
        if channels == 4:
            image = file.convert("RGBA")
            found = np.asarray(fitted(image, size[::-1], size[::-1]) if size else image)
        elif size:
            found = drawn(file, what, (*size, channels), "stretch")
        else:
            found = np.asarray(opaque(file, what, MODES[channels]))
    if feature.dtype == "uint16":  # 16 bits of gray come as floats up to 255
        found = np.rint(found.astype(np.float64) * (65535 / 255)).astype(np.uint16)
    elif found.dtype != np.uint8:
        found = np.rint(found).astype(np.uint8)
    return np.array(np.broadcast_to(found.reshape(*found.shape[:2], -1), (*found.shape[:2], channels)))
