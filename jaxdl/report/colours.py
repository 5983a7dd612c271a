"""Colours for classes, by which a mask is seen."""

from __future__ import annotations

import numpy as np

MOST_CLASSES = 256  # as many as a picture with one byte for each pixel has numbers


def class_colours() -> np.ndarray:
    """Returns the colours of PASCAL VOC, (256, 3) uint8: the bits of a class number, dealt to red, green and blue."""
    numbers = np.arange(MOST_CLASSES)
    colours = np.zeros((MOST_CLASSES, 3), np.uint8)
    for place in range(8):
        for channel in range(3):
            bit = numbers >> (3 * place + channel) & 1
            colours[:, channel] |= (bit << (7 - place)).astype(np.uint8)
    return colours
