"""Which fields matter, and how: shares of the variance and partial dependence, each with its uncertainty.

A forest of trees that are split at random (Geurts et al. 2006, "Extremely randomized trees") is fitted to the compared
figure. Its mean over the space for each value of one field is the field's partial dependence (Friedman 2001, "Greedy
function approximation"); the share of the forest's variance that this mean explains is the field's importance, as in
functional ANOVA (Hutter et al. 2014, "An efficient approach for assessing hyperparameter importance"). This is done
anew for each of many draws of the combinations with replacement (bootstrap, Efron 1979), so that what would be
different with other trials is seen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxdl.fields import show
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.results.scales import MISSING, Extent, extents, fractions_of
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.sampling import chosen_at_point, combination_key
from jaxdl.sweeps.space.space import Space
from jaxdl.sweeps.trials.trial import Trial

FORESTS = 40  # draws of the combinations; of so many, one lies beyond each end of the interval
_TREES = 8  # of a forest
_FEWEST = 8  # trials; with fewer, the shares are random
_PLACES = 16  # of a range at which its partial dependence is computed
_MOST_CHOICES = 40
_BACKGROUND = 128  # combinations over which the mean is taken
_MOST_DRAWS = 40 * _BACKGROUND
_MIDDLE = (2.5, 97.5)


@dataclasses.dataclass(frozen=True)
class Effect:
    """What one field does to the compared figure.

    Attributes:
        path: the field.
        share: of the variance, what it explains alone; the mean over the forests.
        interval: the middle 95 % of the forests' shares.
        values: the values at which its partial dependence is given.
        mean: partial dependence, (values,) float64, the mean over the forests.
        low, high: the middle 95 % of the forests, (values,) float64.
    """

    path: str
    share: float
    interval: tuple[float, float]
    values: tuple[Any, ...]
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def effects(definition: Definition, done: Sequence[Trial], seed: int = 0) -> list[Effect]:
    """Returns the effect of each field, the most important first; empty for too few trials, or equal ones.

    Args:
        definition: the sweep.
        done: trials that were completed.
        seed: of the draws.
    """
    figures = np.array([trial.objective for trial in done], np.float64)
    known = np.isfinite(figures)
    figures, done = figures[known], [trial for trial, good in zip(done, known, strict=True) if good]
    varied = {
        path: extent
        for path, extent in extents(definition.space, done).items()
        if len({show(trial.values[path]) if path in trial.values else "" for trial in done}) > 1
    }
    if len(done) < _FEWEST or np.ptp(figures) == 0 or not varied:
        return []
    inputs = np.array([fractions_of(varied, trial.values) for trial in done])
    random = np.random.default_rng(seed)
    space = definition.space
    drawn = _drawn(space, random) or [space.chosen_for(trial.values) for trial in done]
    background = np.array([fractions_of(varied, space.made_of(each)) for each in drawn])
    grids = {path: _grid(extent) for path, extent in varied.items()}
    queries = [[_with_value(space, varied, path, value, drawn) for value in values] for path, values in grids.items()]
    found = []
    for rows in _draws([combination_key(trial.values) for trial in done], random):
        if np.ptp(figures[rows]) == 0:
            continue
        asked = [background, *(each for of_field in queries for each in of_field)]
        said, *means = _forest(inputs[rows], figures[rows], asked, random)
        if (total := float(np.var(said))) > 0:
            ends = np.cumsum([len(of_field) for of_field in queries])[:-1]
            found.append((total, np.split(np.array([each.mean() if each.size else np.nan for each in means]), ends)))
    if not found:
        return []
    there = [float(np.mean(background[:, column] != MISSING)) for column in range(len(varied))]
    made = [
        _effect(path, grids[path], [(total, curves[n]) for total, curves in found], there[n])
        for n, path in enumerate(varied)
    ]
    return sorted(made, key=lambda effect: -effect.share)


def _effect(path: str, values: tuple[Any, ...], found: Sequence[tuple[float, np.ndarray]], there: float) -> Effect:
    """Returns the effect of a field; `there` is how often it is varied at all."""
    curves = np.stack([curve for _, curve in found])
    known = np.isfinite(curves[0])  # no combination has the others
    curves, values = curves[:, known], tuple(value for value, good in zip(values, known, strict=True) if good)
    shares = np.array([there * np.var(curve) / total for curve, (total, _) in zip(curves, found, strict=True)])
    low, high = np.percentile(shares.clip(0.0, 1.0), _MIDDLE)
    ends = np.percentile(curves, _MIDDLE, axis=0)
    share = float(shares.clip(0.0, 1.0).mean())
    return Effect(path, share, (float(low), float(high)), values, curves.mean(axis=0), ends[0], ends[1])


def _draws(keys: Sequence[Any], random: np.random.Generator) -> list[np.ndarray]:
    """Returns the places of the trials of each forest: of combinations drawn with replacement, with all seeds."""
    places: dict[Any, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    groups = [np.array(each) for each in places.values()]
    drawn = random.integers(len(groups), size=(FORESTS, len(groups)))
    return [np.concatenate([groups[n] for n in each]) for each in drawn]


def _grid(extent: Extent) -> tuple[Any, ...]:
    """Returns the values of a field at which its partial dependence is computed."""
    if extent.choices:
        return extent.choices[:: -(-len(extent.choices) // _MOST_CHOICES)]
    spaced = np.geomspace if extent.log else np.linspace
    return tuple(dict.fromkeys(extent.value(float(number)) for number in spaced(extent.low, extent.high, _PLACES)))


def _drawn(space: Space, random: np.random.Generator) -> list[Values]:
    """Returns choices for all axes that are drawn from the space, and give combinations that are allowed."""
    found: list[Values] = []
    for _ in range(_MOST_DRAWS):
        chosen = chosen_at_point(space, random.random(len(space.dimensions)).tolist())
        if not space.is_known or space.allows(space.made_of(chosen)):
            found.append(chosen)
        if len(found) == _BACKGROUND:
            break
    return found


def _with_value(
    space: Space, fields: Mapping[str, Extent], path: str, value: Any, drawn: Sequence[Values]
) -> np.ndarray:
    """Returns the combinations of choices with one value of a field, (combinations, fields); where it can have it.

    What depends on the field changes with it: with another optimizer, its own fields are there.
    """
    rows = []
    for each in drawn:
        if path in space.paired:
            values = space.made_of(each)
            values |= {path: value} if path in values else {}
        else:
            values = space.made_of({**each, **{axis.name: value for axis in fields[path].axes}})
            axis = space.axes_of(values).get(path)
            if axis is None or not axis.spans(value):
                continue
        if path in values:
            rows.append(fractions_of(fields, values))
    return np.array(rows).reshape(-1, len(fields))


def _forest(
    inputs: np.ndarray, figures: np.ndarray, asked: Sequence[np.ndarray], random: np.random.Generator
) -> list[np.ndarray]:
    """Fits a forest, and returns what it says of each array of combinations."""
    from sklearn.tree import ExtraTreeRegressor

    rows = np.concatenate(asked).astype(np.float32)
    seeds = random.integers(2**31, size=_TREES)
    trees = [ExtraTreeRegressor(random_state=int(seed)).fit(inputs, figures) for seed in seeds]
    said = np.mean([tree.predict(rows) for tree in trees], axis=0)
    return np.split(said, np.cumsum([len(each) for each in asked])[:-1])
