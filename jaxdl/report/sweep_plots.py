"""The scale of a field of a sweep, and the plot of a range test as SVG text; see `jaxdl.report.plots`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxdl.report.plots import INK, SERIES, drawing, dress, svg

_BEST, _OTHERS = SERIES["validation"], SERIES["train"]
_EARLY = 20  # steps for the loss before anything was learned
_LABEL: dict[str, Any] = {"fontsize": 9, "color": INK, "parse_math": False}


class Scale(NamedTuple):
    """The positions of a field's values on an axis.

    Attributes:
        name: the field.
        positions: the position of each trial's value; NaN where a trial has none.
        ticks: positions that have a label.
        names: their labels.
        log: whether the axis is logarithmic.
    """

    name: str
    positions: Sequence[float]
    ticks: Sequence[float] = ()
    names: Sequence[str] = ()
    log: bool = False

    def fractions(self) -> np.ndarray:
        """Returns the positions as fractions of the axis, (trials,) float64 in [0, 1]."""
        place = np.asarray(self.positions, np.float64)
        return _fractions(np.log(place) if self.log else place)


def _fractions(values: np.ndarray) -> np.ndarray:
    low, high = np.nanmin(values), np.nanmax(values)
    return (values - low) / (high - low) if high > low else np.where(np.isfinite(values), 0.5, np.nan)


def _finite(values: Sequence[float]) -> list[float]:
    return [value if math.isfinite(value) else math.nan for value in values]


def range_test(
    title: str, rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, suggestion: float | None
) -> str:
    """Returns the train loss over the learning rate.

    Args:
        title: read out by screen readers.
        rates: (steps,) the learning rates.
        losses: (steps,) the loss at each; a value that is not finite leaves a gap.
        smoothed: (steps,) its running mean.
        suggestion: a rate to mark.
    """
    with drawing() as Figure:
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(rates, _finite(losses.tolist()), color=_OTHERS, alpha=0.3, lw=1)
        axes.plot(rates, smoothed, color=_OTHERS, lw=2)
        if suggestion is not None:
            axes.axvline(suggestion, color=_BEST, lw=1.6, ls="--", label=f"suggested {suggestion:.2g}")
            axes.legend(fontsize=8, frameon=False, labelcolor=INK)
        axes.set_xscale("log")
        axes.set_ylim(0.95 * float(np.min(smoothed)), 1.6 * float(np.max(smoothed[:_EARLY])))
        axes.set_xlabel("learning rate", **_LABEL)
        axes.set_ylabel("train loss", **_LABEL)
        dress(axes)
        return svg(figure, title)
