"""A generated series whose best possible forecast is known."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import final

import numpy as np

from jaxdl.data.source import Notify
from jaxdl.data.sources.windowed import OfWindows
from jaxdl.data.spec import Column, Dataset, Spec, Windows
from jaxdl.fields import above_zero, at_least, described, static

_SEED = 1


@final
@described
@dataclasses.dataclass(frozen=True)
class Sine(OfWindows):
    """A generated series, sin(2 pi t / period) and normal noise, in windows as those of `Series`.

    The noise of a row is independent of all others, so no forecast has an expected squared error below ``noise ** 2``;
    a mean absolute error is at least ``noise * sqrt(2 / pi)``. The series is the same for every seed of an experiment.
    """

    period: float = static(50.0, "rows of one period", check=above_zero)
    noise: float = static(0.1, "standard deviation of the noise", check=at_least(0))
    rows: int = static(4000, "length of the series", check=at_least(2))

    @property
    def requested(self) -> str:
        return "sine"

    @property
    def best_error(self) -> float:
        """The smallest expected mean squared error of any forecast."""
        return self.noise**2

    def spec(self, data_dir: Path) -> Spec:
        return self.load(data_dir, None).spec

    def read(self, data_dir: Path, notify: Notify) -> Dataset:
        random = np.random.RandomState(_SEED)  # its stream is the same in all versions of NumPy
        wave = np.sin(2 * math.pi * np.arange(self.rows) / self.period)
        series = (wave + self.noise * random.standard_normal(self.rows)).astype(np.float32)
        none = np.zeros(self.rows, bool)
        return self.cut(series[:, None], series, none, (Column("value"),), Windows(self.horizon), notify)
