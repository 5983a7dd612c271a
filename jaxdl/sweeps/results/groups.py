"""The trials of a combination, which differ only in seed and fold, as one: means and their intervals."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from jaxdl.fields import show
from jaxdl.sweeps.definition import FOLD, REPEATED
from jaxdl.sweeps.trials.trial import Trial


@dataclasses.dataclass(frozen=True)
class Group:
    """Trials that differ only in their seed.

    Attributes:
        values: their common values, by dotted path.
        also: what else differs from other groups; see `jaxdl.sweeps.space.consequences.also_changed`.
        trials: numbers of the completed trials.
        of: number of trials in all.
        mean: mean of the compared figure, each seed once; None if no trial was completed.
        std: its standard deviation over the seeds, with n - 1 in the denominator; None for fewer than two.
        ci95: half the width of the mean's confidence interval of 95 %, from Student's t; None for fewer than two.
        others: means of the further aims.
        complete: whether every seed that the combination should have was completed.
    """

    values: Mapping[str, Any]
    also: Mapping[str, Any]
    trials: tuple[int, ...]
    of: int
    mean: float | None
    std: float | None
    ci95: float | None
    others: Mapping[str, float] = dataclasses.field(default_factory=dict)
    complete: bool = True


def repeat_of(values: Mapping[str, Any]) -> str:
    """Returns a trial's seed and fold; empty if neither is varied."""
    return " ".join(show(values[path]) for path in REPEATED if path in values)


def group_of(trials: Sequence[Trial], also: Mapping[str, Any], aims: Sequence[str], wanted: set[str]) -> Group:
    """Returns the statistics of a combination.

    Args:
        trials: all of it.
        also: see `Group`.
        aims: the figures in `Group.others`.
        wanted: the seeds and folds that it should have, see `repeat_of`.
    """
    done = [trial for trial in trials if trial.completed]
    by_repeat = {repeat_of(trial.values): trial for trial in done}
    figures = [trial.objective for trial in by_repeat.values() if trial.objective is not None]
    std = statistics.stdev(figures) if len(figures) > 1 else None
    values = {path: value for path, value in trials[0].values.items() if path not in REPEATED}
    mean = statistics.fmean(figures) if figures else None
    others = {}
    for aim in aims:
        found = [each for trial in done if trial.outcome and (each := trial.outcome.figure(aim)) is not None]
        if found and len(found) == len(done):
            others[aim] = statistics.fmean(found)
    numbers = tuple(trial.number for trial in done)
    ci95 = interval(list(by_repeat.values()), figures)
    return Group(values, also, numbers, len(trials), mean, std, ci95, others, wanted <= set(by_repeat))


def interval(trials: Sequence[Trial], figures: Sequence[float]) -> float | None:
    """Returns half the width of the mean's confidence interval of 95 %; None for fewer than two figures.

    Folds train on mostly the same examples, so their figures are not independent: of the means of the folds over the
    seeds, the variance is that of Nadeau and Bengio 2003 ("Inference for the generalization error", Machine Learning
    52), which takes the share that is validated into account.

    Args:
        trials: of one combination, each with one of the figures.
        figures: what was measured, a number for each trial.
    """
    of_fold: dict[Any, list[float]] = {}
    for trial, figure in zip(trials, figures, strict=True):
        of_fold.setdefault(trial.values.get(FOLD), []).append(figure)
    correction = 0.0
    if None not in of_fold and len(of_fold) > 1:
        figures, correction = [statistics.fmean(each) for each in of_fold.values()], 1 / (len(of_fold) - 1)
    if len(figures) < 2:
        return None
    from scipy.special import stdtrit  # the quantile of Student's t, without the second that scipy.stats takes

    width = math.sqrt(1 / len(figures) + correction)
    return float(stdtrit(len(figures) - 1, 0.975)) * statistics.stdev(figures) * width
