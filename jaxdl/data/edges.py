"""How bright the edges of pictures are, which shows where light and dark are exchanged: black digits on white, say."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxdl.data.spec import Dataset, Spec
from jaxdl.data.stream import is_streamed

# The entry of a run's record.
ENTRY = "edges"
_EXAMPLES = 1000
# A background is clear where edges differ little, and are far from the middle between dark and light.
_MOST_DEVIATION, _FROM_MIDDLE = 0.15, 0.2
_TOLERANCE = 0.1


class Edges(NamedTuple):
    """The brightness of the outermost pixels of a training's pictures, from 0, dark, to 1.

    Attributes:
        mean: over pictures.
        deviation: over pictures.
    """

    mean: float
    deviation: float

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Edges | None:
        """Reads it from a run's record; None where this says nothing of it."""
        found = record.get(ENTRY)
        if not isinstance(found, Mapping):
            return None
        mean, deviation = found.get("mean"), found.get("deviation")
        numbers = isinstance(mean, int | float) and isinstance(deviation, int | float)
        return cls(float(mean), float(deviation)) if numbers else None  # type: ignore[arg-type]

    def exchanged(self, inputs: np.ndarray, spec: Spec) -> np.ndarray:
        """Returns which pictures are like the training's with light and dark exchanged, and not as they are.

        Args:
            inputs: (examples, height, width, channels) as stored.
            spec: describes them.

        Returns:
            (examples,) bool; all False where the training's pictures have no background in common.
        """
        if self.deviation > _MOST_DEVIATION or abs(self.mean - 0.5) < _FROM_MIDDLE:
            return np.zeros(len(inputs), bool)
        means = _means(inputs, spec)
        across: np.ndarray = (means > 0.5) if self.mean <= 0.5 else (means <= 0.5)
        if not np.count_nonzero(across):  # what comes here for each single picture is as short as it can be
            return across
        edges, near = _bounded(means), 3 * self.deviation + _TOLERANCE
        found: np.ndarray = across & (np.abs(1 - edges - self.mean) <= near) & (np.abs(edges - self.mean) > near)
        return found


def about_pictures(dataset: Dataset) -> dict[str, Any]:
    """Returns what a record says of the edges of train's first pictures; nothing for other data."""
    inputs = dataset.splits["train"].get("inputs")  # several inputs have other names
    if inputs is None or not _are_pictures(dataset.spec) or is_streamed(inputs) or not len(inputs):
        return {}
    edges = brightness_of_edges(np.asarray(inputs[:_EXAMPLES]), dataset.spec)
    return {ENTRY: {"mean": round(float(edges.mean()), 4), "deviation": round(float(edges.std()), 4)}}


def _are_pictures(spec: Spec) -> bool:
    return len(spec.input_shape) == 3 and spec.input_shape[-1] in (1, 3) and 0 < spec.preprocess.scale < 1


def brightness_of_edges(inputs: np.ndarray, spec: Spec) -> np.ndarray:
    """Returns the mean of the outermost pixels of each picture, (examples,) from 0 to 1."""
    return _bounded(_means(inputs, spec))


def _means(inputs: np.ndarray, spec: Spec) -> np.ndarray:
    numbers = inputs.reshape(len(inputs), -1).take(_edge_numbers(spec.input_shape), 1)
    # Not `mean`: it takes twice the time, of which a small model has little.
    means: np.ndarray = np.add.reduce(numbers, 1, np.float64) * (spec.preprocess.scale / numbers.shape[1])
    return means


def _bounded(means: np.ndarray) -> np.ndarray:
    bounded: np.ndarray = np.minimum(np.maximum(means, 0), 1)
    return bounded


@functools.cache
def _edge_numbers(shape: tuple[int, ...]) -> np.ndarray:
    """Returns which numbers of a flattened picture are its outermost pixels."""
    edge = np.ones(shape, bool)
    edge[1:-1, 1:-1] = False
    return np.flatnonzero(edge)
