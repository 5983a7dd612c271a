"""Folders of small pictures for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (20, 40, 220), "green": (30, 200, 60), "red": (230, 30, 20)}


def picture(path: Path, colour: tuple[int, ...] = (90, 90, 90), size: tuple[int, int] = (12, 10)) -> Path:
    """Writes a picture of one colour with a gradient, (width, height); returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0], 3), np.uint8) + np.array(colour, np.uint8)
    pixels[..., 1] = np.linspace(0, 255, size[0]).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def gray(path: Path, value: int = 90) -> Path:
    """Writes a gray picture with a gradient."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.arange(120).reshape(10, 12) + value).astype(np.uint8)).save(path)
    return path


def classes(root: Path, each: int = 4, names: tuple[str, ...] = ("blue", "green", "red")) -> Path:
    """Writes a folder with a sub-folder of pictures for each class; returns it."""
    for name in names:
        for number in range(each):
            picture(root / name / f"{number}.png", COLOURS.get(name, (number, 0, 0)))
    return root
