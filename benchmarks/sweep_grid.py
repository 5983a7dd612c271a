"""The trials of a comparison of sweeps, and their results."""

from __future__ import annotations

import argparse
import dataclasses
from typing import NamedTuple

import numpy as np

from benchmarks.workloads import WORKLOADS, Workload


class Grid(NamedTuple):
    """The definition of the trials."""

    workload: str
    rates: list[float]
    seeds: list[int]

    @classmethod
    def of(cls, options: argparse.Namespace) -> Grid:
        """Returns the trials of the command line, with learning rates from 1e-4 to 1e-2."""
        rates = [float(f"{rate:.3g}") for rate in np.geomspace(1e-4, 1e-2, options.rates)]
        return cls(options.workload, rates, list(range(options.trials // options.rates)))

    def recipe(self, rate: float) -> Workload:
        """Returns the recipe of a trial."""
        recipe = WORKLOADS[self.workload]
        return dataclasses.replace(recipe, optimizer=dataclasses.replace(recipe.optimizer, learning_rate=rate))

    def trials(self) -> list[tuple[float, int]]:
        """Returns learning rate and seed of each trial."""
        return [(rate, seed) for rate in self.rates for seed in self.seeds]


class Found(NamedTuple):
    """Accuracies of one trial."""

    validation: float
    test: float
