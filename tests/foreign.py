"""Weights that other frameworks were given, by a formula, and what they computed with them.

The outputs were made once: by torch 2.13.0, and by keras 3.15.1 on it, with every array filled by `some`, numbered in
the order of ``state_dict()`` and of ``layer.get_weights()``, and variances by ``abs(some) + 0.5``.
"""

from __future__ import annotations

import numpy as np


def some(number: int, shape: tuple[int, ...]) -> np.ndarray:
    """Returns numbers between -0.5 and 0.5."""
    return (0.5 * np.sin(1.3 * np.arange(np.prod(shape)) + number)).reshape(shape).astype(np.float32)


def variances(number: int, shape: tuple[int, ...]) -> np.ndarray:
    """Returns numbers between 0.5 and 1."""
    return np.abs(some(number, shape)) + np.float32(0.5)


IMAGES, SEQUENCES = some(100, (2, 6, 6, 2)), some(7, (2, 5, 3))
