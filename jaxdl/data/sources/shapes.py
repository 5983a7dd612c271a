"""Generated pictures of coloured shapes: which shape it is, or which shape each pixel belongs to, is known exactly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np

from jaxdl.data.preprocess import Preprocess
from jaxdl.data.source import Data, Notify
from jaxdl.data.spec import Dataset, Spec, Split, fingerprint
from jaxdl.fields import at_least, described, static

_TRAIN_SEED, _TEST_SEED = 1, 2
BACKGROUND = "background"
# Radius of the circle round a shape, as a share of the picture's size.
_RADII = (0.28, 0.45)
_SMALLER_RADII = (0.17, 0.3)  # where several shapes are in a picture
# Numbers of 256: how far a shape's colour is from the background's in each channel, how much the background rises or
# falls over the picture, and how much noise each pixel has.
_CONTRAST, _SLOPE, _NOISE = (90, 166), 30, 15
_CHUNK = 500


def _beyond(u: np.ndarray, v: np.ndarray, corners: int, distance: float) -> np.ndarray:
    """Returns beyond how many of the lines at a distance, one for each corner of a regular polygon, points lie."""
    turns = (math.tau * (0.25 + number / corners) for number in range(corners))
    count: np.ndarray = np.sum([u * math.cos(turn) + v * math.sin(turn) > distance for turn in turns], axis=0)
    return count


def _square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    larger: np.ndarray = np.maximum(np.abs(u), np.abs(v))
    return larger


# Whether points (u, v) lie inside of each kind of shape, which fits into the circle of radius 1.
SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "disc": lambda u, v: u**2 + v**2 < 0.7,
    "square": lambda u, v: _square(u, v) < 0.7,
    "triangle": lambda u, v: _beyond(u, v, 3, 0.5) == 0,
    "ring": lambda u, v: (u**2 + v**2 < 1) & (u**2 + v**2 > 0.36),
    "cross": lambda u, v: (_square(u, v) < 0.9) & (np.minimum(np.abs(u), np.abs(v)) < 0.3),
    "star": lambda u, v: _beyond(u, v, 5, math.cos(math.tau / 5)) <= 1,
    "bar": lambda u, v: (np.abs(u) < 0.95) & (np.abs(v) < 0.25),
    "frame": lambda u, v: (_square(u, v) < 0.7) & (_square(u, v) > 0.4),
    "half disc": lambda u, v: (u**2 + v**2 < 1) & (v > 0),
    "crescent": lambda u, v: (u**2 + v**2 < 1) & ((u - 0.5) ** 2 + v**2 > 0.64),
}


def _check_kinds(kinds: int) -> str | None:
    return None if 2 <= kinds <= len(SHAPES) else f"must be at least 2 and at most {len(SHAPES)}"


@final
@described
@dataclasses.dataclass(frozen=True)
class Shapes(Data):
    """Pictures of coloured shapes; a model names the shape, or with `masks` the shape at each pixel.

    Inputs are (examples, size, size, 3) uint8. Without `masks`, a picture has one shape, and targets are its kind,
    (examples,) int32; all kinds are equally frequent. With `masks`, it has several, of which the later ones lie over
    the earlier ones, and targets are (examples, size, size) int32: 0 for the background, and otherwise the kind of the
    shape that is seen at the pixel, counted from 1.

    Places, sizes, angles and colours are random; the background changes evenly over the picture, and each pixel has
    noise of its own. Train and test come from two fixed streams of random numbers and do not depend on an experiment's
    seed.
    """

    masks: bool = static(False, "whether targets are the class of each pixel, and pictures have several shapes")
    size: int = static(32, "height and width of a picture, in pixels", check=at_least(16))
    kinds: int = static(10, f"number of kinds of shapes, the first of {', '.join(SHAPES)}", check=_check_kinds)
    shapes: int = static(2, "number of shapes in a picture with masks", check=at_least(1))
    train_examples: int = static(5000, "pictures to train and validate on", check=at_least(2))
    test_examples: int = static(1000, "pictures to test on", check=at_least(1))

    @property
    def requested(self) -> str:
        return "shapes"

    def spec(self, data_dir: Path) -> Spec:
        names = tuple(SHAPES)[: self.kinds]
        classes = (BACKGROUND, *names) if self.masks else names
        shape = (self.size, self.size)
        return Spec((*shape, 3), "uint8", Preprocess(scale=1 / 255), shape if self.masks else (), len(classes), classes)

    def known_examples(self, data_dir: Path) -> int:
        return self.train_examples + self.test_examples

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        train = self._generate(self.train_examples, _TRAIN_SEED)
        test = self._generate(self.test_examples, _TEST_SEED)
        return Dataset(
            spec=self.spec(data_dir),
            splits={"train": train, "test": test},
            requested=self.requested,
            used="shapes",
            fingerprint=fingerprint(train, test),
            train_examples=self.train_examples,
        )

    def _generate(self, count: int, seed: int) -> Split:
        random = np.random.RandomState(seed)  # its stream is the same in all versions of NumPy
        kinds = random.permutation(count * self._shapes).reshape(count, self._shapes) % self.kinds
        chunks = (kinds[start : start + _CHUNK] for start in range(0, count, _CHUNK))  # so that memory stays small
        drawn = [self._draw(random, chunk) for chunk in chunks]
        inputs, masks = (np.concatenate(arrays) for arrays in zip(*drawn, strict=True))
        return {"inputs": inputs, "targets": masks if self.masks else kinds[:, 0].astype(np.int32)}

    @property
    def _shapes(self) -> int:
        return self.shapes if self.masks else 1

    def _draw(self, random: np.random.RandomState, kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns pictures with shapes of the given kinds, (count, shapes), and the class of each pixel."""
        count, size = len(kinds), self.size
        y, x = np.mgrid[:size, :size] + 0.5
        colour = random.randint(256, size=(count, 1, 1, 3))
        slope = random.randint(-_SLOPE, _SLOPE + 1, size=(count, 2, 1, 1, 3))
        pictures = colour + (slope[:, 0] * x[..., None] + slope[:, 1] * y[..., None]) / size
        masks = np.zeros((count, size, size), np.int32)
        least, most = _SMALLER_RADII if self._shapes > 1 else _RADII
        for number in range(self._shapes):
            radius = size * random.uniform(least, most, (count, 1, 1))
            centre = radius + (size - 2 * radius) * random.random_sample((2, count, 1, 1))
            angle = random.uniform(0, math.tau, (count, 1, 1))
            right, down = (x - centre[0]) / radius, (y - centre[1]) / radius
            u = right * np.cos(angle) + down * np.sin(angle)
            v = down * np.cos(angle) - right * np.sin(angle)
            covered = np.zeros(masks.shape, bool)
            for kind, inside in enumerate(list(SHAPES.values())[: self.kinds]):
                own = kinds[:, number] == kind
                covered[own] = inside(u[own], v[own])
            # On a circle of 256 numbers the distance from the background is the same both ways.
            shade = (colour + random.randint(*_CONTRAST, size=colour.shape)) % 256
            pictures = np.where(covered[..., None], shade, pictures)
            masks = np.where(covered, kinds[:, number, None, None].astype(np.int32) + 1, masks)
        noise = random.randint(-_NOISE, _NOISE + 1, size=pictures.shape)
        return np.clip(np.rint(pictures) + noise, 0, 255).astype(np.uint8), masks
