"""Random order of all combinations of a finite space, so that the first ones are a draw without repetition."""

from __future__ import annotations

import functools

import numpy as np

from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.space import Space

# Larger spaces are not listed: two draws from them are seldom the same.
MOST_LISTED = 1_000_000


def shuffled(space: Space, seed: int) -> np.ndarray:
    """Returns the places (see `Space.at`) of all choices in random order, (size,) int64.

    Each next one is drawn from those that are left, with the probabilities of the axes: a whole number of a logarithmic
    range is the more probable, the smaller it is. That is the order of exponential numbers divided by the
    probabilities (Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir").

    Args:
        space: at most `MOST_LISTED` choices.
        seed: what the order follows from.
    """
    weights = functools.reduce(np.multiply.outer, map(_weights, space.dimensions), np.ones(())).reshape(-1)
    # Of this generator NumPy guarantees that later versions return the same.
    bits = np.random.SeedSequence(seed).generate_state(weights.size, np.uint64)
    uniform = (bits.astype(np.float64) + 0.5) / 2.0**64
    return np.argsort(-np.log(uniform) / weights, kind="stable")


def _weights(axis: Axis) -> np.ndarray:
    """Returns how probable each value of an axis is, up to a factor, (count,) float64; as Optuna draws them."""
    weights = np.ones(int(axis.count))
    if isinstance(axis.values, Choices) or not axis.values.log:
        return weights
    numbers = axis.values.low + np.arange(weights.size)
    return np.log((numbers + 0.5) / (numbers - 0.5))
