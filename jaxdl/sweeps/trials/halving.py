"""Successive halving and Hyperband: which combinations begin together, and which of them go on at each rung.

At a rung all combinations of a bracket are compared at the same epoch, and the best third goes on. So a decision
depends on their figures alone, not on which of them ran first or how many run at the same time: side by side in one
program the ranking is that of one after another. The places that are freed go to what is next: the survivors of a
bracket, and the combinations of the following ones.

Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization"; Li et al. 2018,
"Hyperband: a novel bandit-based approach to hyperparameter optimization", arXiv:1603.06560.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

KEPT_OF = 3  # one of so many goes on at each rung, as in the papers' experiments


class Bracket(NamedTuple):
    """Combinations that are compared with one another.

    Attributes:
        places: their places among all combinations of the sweep.
        rungs: the epochs after which they are compared, rising; after the last one the survivors train to their end.
    """

    places: range
    rungs: tuple[int, ...]

    def rung_after(self, epoch: int) -> int:
        """Returns the next epoch at which they are compared; 0 where there is none."""
        return next((rung for rung in self.rungs if rung > epoch), 0)

    def goes_on(self, rung: int) -> int:
        """Returns how many of them go on after a rung, at most."""
        left: int = len(self.places) // KEPT_OF ** (self.rungs.index(rung) + 1)
        return max(1, left)


def brackets_of(prune: str, combinations: int, epochs: int) -> list[Bracket]:
    """Returns the brackets of a sweep, in the order in which they begin.

    Args:
        prune: ``"halving"``: all combinations are one bracket, compared after 1, 3, 9 ... epochs; ``"hyperband"``:
            brackets that begin with many combinations and early comparisons, and others with fewer and later ones.
        combinations: how many there are.
        epochs: epochs of the longest training.
    """
    most = int(math.log(epochs, KEPT_OF) + 1e-9) if epochs > 1 else 0
    rungs = tuple(KEPT_OF**power for power in range(most + 1) if KEPT_OF**power < epochs)
    if prune == "halving":
        return [Bracket(range(combinations), rungs)]
    found: list[Bracket] = []
    first = 0
    while first < combinations:
        for power in range(most, -1, -1):
            size = math.ceil((most + 1) / (power + 1) * KEPT_OF**power)
            stop = min(first + size, combinations)
            # Hyperband's least budget, epochs / 3 ** power, in whole epochs.
            begin = max(1, epochs // KEPT_OF**power)
            own = tuple(begin * KEPT_OF**each for each in range(power + 1) if begin * KEPT_OF**each < epochs)
            if first < stop:
                found.append(Bracket(range(first, stop), own))
            first = stop
    return found


def survivors(losses: Mapping[int, float], most: int) -> list[int]:
    """Returns the places of the combinations that go on, the best first.

    Args:
        losses: of each combination that came to the rung, by its place; smaller is better. Of equal ones the first goes
            on, and one that is not finite never does.
        most: how many go on at most.
    """
    ranked: Sequence[int] = sorted(losses, key=lambda place: (losses[place], place))
    return [place for place in ranked if math.isfinite(losses[place])][:most]
