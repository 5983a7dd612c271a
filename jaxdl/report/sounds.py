"""Sounds as a person looks at them: pictures of their spectrograms and of their waves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_HEIGHT, _COLUMNS = 64, 224


def spectrogram_pictures(spectrograms: np.ndarray, frames: Sequence[int]) -> np.ndarray:
    """Returns pictures of log-mel spectrograms: time from left to right, low bands below, loud is dark.

    Args:
        spectrograms: (sounds, frames, bands) floats; all are drawn on one scale, from the least to the most.
        frames: how many of them are valid, for each sound; the rest is white.

    Returns:
        (sounds, bands, frames, 1) from 0 for black to 1 for white.
    """
    valid = np.arange(spectrograms.shape[1]) < np.asarray(frames)[:, None]
    known = spectrograms[valid]
    least, most = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    shade = 1 - (spectrograms - least) / (most - least or 1.0)
    pictures: np.ndarray = np.where(valid[..., None], np.clip(shade, 0, 1), 1.0).transpose(0, 2, 1)[:, ::-1, :, None]
    return pictures


def wave_pictures(waves: np.ndarray, samples: Sequence[int]) -> np.ndarray:
    """Returns pictures of waves: in each column a bar from the least to the most of its part of the sound.

    Args:
        waves: (sounds, samples) floats; all are drawn on one scale.
        samples: how many of them are valid, for each sound; the rest is white.

    Returns:
        (sounds, height, columns, 1) of 0 and 1.
    """
    count = waves.shape[1]
    columns = min(_COLUMNS, count)
    starts = np.arange(columns) * count // columns
    heard = np.where(np.arange(count) < np.asarray(samples)[:, None], waves, 0)
    scale = np.abs(heard).max() or 1.0
    rows = np.linspace(1, -1, _HEIGHT)[:, None]
    half = 1 / (_HEIGHT - 1)  # so that silence is a line
    low = np.minimum.reduceat(heard, starts, axis=1)[:, None] / scale - half
    high = np.maximum.reduceat(heard, starts, axis=1)[:, None] / scale + half
    inside = (rows >= low) & (rows <= high) & (starts < np.asarray(samples)[:, None])[:, None]
    pictures: np.ndarray = 1.0 - inside[..., None]
    return pictures
