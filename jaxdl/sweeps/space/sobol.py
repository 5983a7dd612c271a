"""Quasi-random points: they fill a space more evenly than random ones do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BITS = 30
_BLOCK = 256


def sobol_points(dimensions: int, seed: int) -> Iterator[tuple[float, ...]]:
    """Yields points of Sobol's sequence, shifted at random in each dimension, (dimensions,) in (0, 1).

    SciPy's direction numbers (Joe and Kuo 2008). Each digit of a number in base 2 is shifted by the same random one,
    which keeps the sequence as even as it is (Owen 2003, "Quasi-Monte Carlo sampling"), and moves its first point away
    from the origin.

    Args:
        dimensions: how many numbers a point has.
        seed: what the shift follows from.
    """
    from scipy.stats import qmc  # here, since it takes a second

    # Of this generator NumPy guarantees that later versions return the same; SciPy's own scrambling may change.
    words = np.random.SeedSequence(seed).generate_state(dimensions, np.uint64)
    shift = words & np.uint64(2**_BITS - 1)
    engine = qmc.Sobol(dimensions, scramble=False, bits=_BITS)
    while True:
        digits = (engine.random(_BLOCK) * 2.0**_BITS).astype(np.uint64) ^ shift
        for point in (digits.astype(np.float64) + 0.5) / 2.0**_BITS:
            yield tuple(point.tolist())
