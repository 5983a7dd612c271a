"""Against luck: how far the best of many combinations lies above their mean by chance alone."""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
from collections.abc import Sequence

import numpy as np

from jaxdl.report.format import figure


@dataclasses.dataclass(frozen=True)
class Luck:
    """What chance alone makes of the best combination, if all were equally good.

    Attributes:
        combinations: how many are compared.
        seeds: over how many seeds each is measured, at least.
        noise: the standard deviation of one training's figure over the seeds, pooled over the combinations.
        expected: how far the best would then lie from the mean of all, on average.
        found: how far it lies.
        probability: the chance that it would lie as far or farther.
    """

    combinations: int
    seeds: int
    noise: float
    expected: float
    found: float
    probability: float

    def text(self) -> str:
        """Returns two sentences about it."""
        return (
            f"If all {self.combinations} combinations were equally good, the best of them would lie "
            f"{figure(self.expected)} from their mean by chance alone, because a training differs by "
            f"{figure(self.noise)} (standard deviation) from seed to seed and each is measured over {self.seeds}. "
            f"It lies {figure(self.found)} from it; chance alone gives that or more in {_percent(self.probability)}."
        )


def luck(losses: Sequence[Sequence[float]]) -> Luck | None:
    """Returns what chance alone makes of the best combination; None without two combinations of two seeds each.

    The figures are taken as normal, with the same noise in each combination.

    Args:
        losses: for each combination the figures of its seeds, smaller is better.
    """
    measured = [figures for figures in losses if len(figures) > 1 and all(map(math.isfinite, figures))]
    if len(measured) < 2 or len(measured) < len(losses):
        return None
    freedom = sum(len(figures) - 1 for figures in measured)
    squares = sum((len(figures) - 1) * statistics.variance(figures) for figures in measured)
    noise, seeds = math.sqrt(squares / freedom), min(map(len, measured))
    means = [statistics.fmean(figures) for figures in measured]
    found = statistics.fmean(means) - min(means)
    scale = noise / math.sqrt(seeds)
    chance = 1 - _below(found / scale) ** len(means) if scale > 0 else float(found <= 0)
    return Luck(len(means), seeds, noise, scale * most_of_normal(len(means)), found, chance)


@functools.cache
def most_of_normal(count: int) -> float:
    """Returns the mean of the largest of so many independent standard normal numbers."""
    from scipy.special import ndtr  # here, since it takes a while

    x = np.linspace(-9.0, 9.0, 20_001)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return float(np.trapezoid(x * count * density * ndtr(x) ** (count - 1), x))


def _below(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _percent(probability: float) -> str:
    return "less than one in a thousand cases" if probability < 1e-3 else f"{100 * probability:.1f} % of cases"
