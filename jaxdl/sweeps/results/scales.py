"""Where the values of a swept field lie on an axis, for plots and for models of the compared figure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxdl.fields import show
from jaxdl.report.sweep_plots import Scale
from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.space import Space
from jaxdl.sweeps.trials.trial import Trial

MISSING = -0.5  # where a field lies that a trial does not vary: beside all its values


@dataclass(frozen=True)
class Extent:
    """All values that a sweep gives one field.

    Attributes:
        path: the field's dotted path.
        axes: its axes; several where each holds under its own condition.
        choices: the values, if they are listed; else empty.
        low, high: the smallest and the largest number of its ranges.
        log: whether numbers are spread evenly in the logarithm.
    """

    path: str
    axes: tuple[Axis, ...]
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    def fraction(self, value: Any) -> float:
        """Returns where a value lies, from 0 to 1."""
        if self.choices:
            return self.choices.index(value) / max(1, len(self.choices) - 1)
        low, high, number = (
            (math.log(each) if self.log else each) for each in (self.low, self.high, self.number(value))
        )
        return (number - low) / (high - low)

    def number(self, value: Any) -> float:
        """Returns a value of a range as a number: a list of one drawn number is that number."""
        return float(value[0] if isinstance(value, tuple) else value)

    def value(self, number: float) -> Any:
        """Returns a number of a range as the field's value: a list of one, or a whole number, where it holds these."""
        ranges = [axis for axis in self.axes if not isinstance(axis.values, Choices)]
        return ranges[0].value(round(number) if ranges[0].values.whole else number)  # type: ignore[union-attr]

    def parts(self, count: int) -> list[tuple[float, float, str]]:
        """Returns a range in parts of the same size: from, to, and a name."""
        edges = (np.geomspace if self.log else np.linspace)(self.low, self.high, count + 1)
        return [(float(a), float(b), f"{a:.2g} to {b:.2g}") for a, b in itertools.pairwise(edges)]

    def scale(self, trials: Sequence[Trial]) -> Scale:
        """Returns the positions of the trials' values; NaN where a trial does not vary the field."""
        values = [trial.values.get(self.path) for trial in trials]
        has = [self.path in trial.values for trial in trials]
        if self.choices:
            places = [float(self.choices.index(v)) if there else math.nan for v, there in zip(values, has, strict=True)]
            names = [show(choice) for choice in self.choices]
            return Scale(self.path, places, [float(n) for n in range(len(names))], names)
        numbers = [self.number(v) if there else math.nan for v, there in zip(values, has, strict=True)]
        return Scale(self.path, numbers, log=self.log)


def extents(space: Space, trials: Sequence[Trial]) -> dict[str, Extent]:
    """Returns the fields that at least one of the trials varies, by path in the order of the sweep."""
    by_path: dict[str, list[Axis]] = {}
    for axis in space.axes:
        if any(axis.path in trial.values for trial in trials):
            by_path.setdefault(axis.path, []).append(axis)
    return {path: _extent(path, tuple(axes), trials) for path, axes in by_path.items()}


def _extent(path: str, axes: tuple[Axis, ...], trials: Sequence[Trial]) -> Extent:
    listed = [axis.values.values for axis in axes if isinstance(axis.values, Choices)]
    ranges = [axis.values for axis in axes if not isinstance(axis.values, Choices)]
    if not ranges:
        return Extent(path, axes, tuple(dict.fromkeys(value for values in listed for value in values)))
    alone = [value[0] if isinstance(value, tuple) and len(value) == 1 else value for each in listed for value in each]
    numbers = [float(value) for value in alone if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(alone):  # no axis has both, so each value of a trial is a name
        return Extent(path, axes, tuple(dict.fromkeys(t.values[path] for t in trials if path in t.values)))
    low = min([*numbers, *(float(each.low) for each in ranges)])
    high = max([*numbers, *(float(each.high) for each in ranges)])
    return Extent(path, axes, (), low, high, low > 0 and any(each.log for each in ranges))


def fractions_of(fields: Mapping[str, Extent], values: Mapping[str, Any]) -> list[float]:
    """Returns where values of a combination lie on the axes of the fields; `MISSING` for those that it lacks."""
    return [each.fraction(values[path]) if path in values else MISSING for path, each in fields.items()]
