"""Means over seeds with their intervals, and a paired test of two recipes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import stdtr, stdtrit

LEVEL = 0.95


class Estimate(NamedTuple):
    """A mean over seeds.

    Attributes:
        mean: the mean.
        half: half the width of its confidence interval of 95 %, from Student's t; None for fewer than two seeds,
            or where a value is not finite.
        seeds: how many there are.
    """

    mean: float
    half: float | None
    seeds: int


class Difference(NamedTuple):
    """How much higher a figure is than the baseline's, over the seeds that both have.

    Attributes:
        mean: mean of the differences.
        half: half the width of its confidence interval of 95 %; None for fewer than two seeds.
        p: the two-sided p-value of the paired t-test (Student 1908): how probable a difference at least as large is, if
            there is none in truth; None for fewer than two seeds, or where all differences are 0.
        seeds: how many both have.
    """

    mean: float
    half: float | None
    p: float | None
    seeds: int


def estimate(values: Sequence[float]) -> Estimate:
    """Returns the mean of at least one value, one for each seed."""
    return Estimate(statistics.fmean(values), _half(values), len(values))


def difference(values: Sequence[float], of_baseline: Sequence[float]) -> Difference:
    """Compares figures with those of the baseline; both have one for each seed, in the same order, at least one."""
    differences = [value - other for value, other in zip(values, of_baseline, strict=True)]
    count, mean, p = len(differences), statistics.fmean(differences), None
    if count > 1 and any(differences) and all(map(math.isfinite, differences)):
        error = statistics.stdev(differences) / math.sqrt(count)
        p = float(2 * stdtr(count - 1, -abs(mean / error))) if error else 0.0
    return Difference(mean, _half(differences), p, count)


def _half(values: Sequence[float]) -> float | None:
    count = len(values)
    if count < 2 or not all(map(math.isfinite, values)):
        return None
    return float(stdtrit(count - 1, (1 + LEVEL) / 2)) * statistics.stdev(values) / math.sqrt(count)
