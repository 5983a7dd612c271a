"""Figures of how predictions agree with labels beyond one class at a time, all from the confusion matrix.

Of several questions each has its own figure, and the result is their mean, unless an average says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxdl.objectives.classes import counted_classes, share
from jaxdl.objectives.measures import Counts

Average = Literal["macro", "micro", "weighted"]


@dataclass(frozen=True)
class Agreement(Counts):
    """A figure of a confusion matrix.

    Attributes:
        figure: returns it for (classes, classes) counts by true class (rows) and predicted class (columns). Outputs
            with NaN are predictions of one more class, which is never the label.
    """

    figure: Callable[[np.ndarray], float]

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        counts = self.counts(partials)
        if not counts.sum():
            return {self.name: math.nan}
        square = np.zeros((*counts.shape[:-2], counts.shape[-1], counts.shape[-1]))
        square[..., :-1, :] = counts
        each = [self.figure(matrix) for matrix in square.reshape(-1, *square.shape[-2:])]
        return {self.name: float(np.mean(each))}


def matthews(counts: np.ndarray) -> float:
    """The correlation of labels and predictions (Matthews 1975; Gorodkin 2004); 0 if either is constant."""
    total, hits, actual, predicted = counts.sum(), np.trace(counts), counts.sum(1), counts.sum(0)
    spread = math.sqrt((total**2 - predicted @ predicted) * (total**2 - actual @ actual))
    return float((hits * total - actual @ predicted) / spread) if spread else 0.0


def cohen_kappa(counts: np.ndarray) -> float:
    """How much more often they agree than by chance (Cohen 1960); NaN where chance alone always agrees."""
    total = counts.sum()
    chance = counts.sum(1) @ counts.sum(0) / total**2
    return float((np.trace(counts) / total - chance) / (1 - chance)) if chance < 1 else math.nan


def balanced_accuracy(counts: np.ndarray) -> float:
    """The mean recall of the classes that occur among the labels (Brodersen et al. 2010)."""
    actual = counts.sum(1)
    return float((np.diagonal(counts)[actual > 0] / actual[actual > 0]).mean())


@dataclass(frozen=True)
class Averaged(Counts):
    """Precision, recall or an F measure of all classes, or of the yes of all questions, as one number.

    Macro is the unweighted mean over those that occur among labels or predictions, weighted the mean by how often each
    is the label, and micro is computed from the sums over all. Zero divided by zero is 0.

    Attributes:
        beta: how many times as much as precision recall counts; 0 is precision, infinity recall.
        average: see above.
    """

    beta: float
    average: Average

    def result(self, partials: Mapping[str, np.ndarray]) -> dict[str, Any]:
        hits, predicted, actual = counted_classes(self.counts(partials))
        if hits.ndim > 1:
            hits, predicted, actual = hits[:, 1], predicted[:, 1], actual[:, 1]
        if self.average == "micro":
            values, weights = self._of(hits.sum(), predicted.sum(), actual.sum()), np.ones(())
        else:
            values = self._of(hits, predicted, actual)
            weights = predicted + actual > 0 if self.average == "macro" else actual
        total = weights.sum()
        return {self.name: float((values * weights).sum() / total) if actual.sum() and total else math.nan}

    def _of(self, hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        if math.isinf(self.beta):
            return share(hits, actual)
        square = self.beta**2
        return share((1 + square) * hits, predicted + square * actual)
