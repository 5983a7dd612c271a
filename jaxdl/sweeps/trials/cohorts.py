"""Cohorts: the trials of one combination of values, one for each seed, which are judged together by their mean."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from jaxdl.sweeps.definition import REPEATED, Definition
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.sampling import combination_key, distribution, to_optuna
from jaxdl.sweeps.trials.trial import Outcome, Trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class Cohorts:
    """The cohorts of a sweep: consecutive trials.

    Args:
        definition: the sweep.
        planned: the values of all trials by number; None if they are drawn one after another.
    """

    def __init__(self, definition: Definition, planned: Sequence[Values] | None):
        sizes = [1] * definition.trials
        if definition.judges_seeds_together and planned is not None:
            sizes = [len(list(same)) for _, same in groupby(planned, combination_key)]
        elif definition.judges_seeds_together and definition.repeats:
            of_one = len(definition.repeats)
            sizes = [min(of_one, definition.trials - first) for first in range(0, definition.trials, of_one)]
        self._all: list[range] = []
        for size in sizes:
            first = self._all[-1].stop if self._all else 0
            self._all.append(range(first, first + size))
        self._places = [place for place, cohort in enumerate(self._all) for _ in cohort]

    @property
    def together(self) -> bool:
        """Whether there is a cohort of several trials."""
        return len(self._all) < len(self._places)

    @property
    def count(self) -> int:
        """How many cohorts there are."""
        return len(self._all)

    def place(self, number: int) -> int:
        """Returns the place of a trial's cohort among all."""
        return self._places[number]

    def of(self, number: int) -> range:
        """Returns the numbers of the trials of a trial's cohort."""
        return self._all[self._places[number]]

    def at(self, place: int) -> range:
        """Returns the numbers of the trials of the cohort at a place."""
        return self._all[place]

    def within(self, first: int) -> list[range]:
        """Returns the cohorts of which all trials are among the `first` ones of the sweep."""
        place = self._places[first] if first < len(self._places) else len(self._all)
        return self._all[:place]


def combined(trials: Sequence[Trial]) -> Trial:
    """Returns the finished trials of one combination as one: with the means over the seeds at each epoch.

    A seed that failed has no figures, and one that ended early keeps its last one. The combination is completed if all
    its trials are, and failed if one is: whatever its other seeds say, it cannot be relied on.
    """
    if len(trials) == 1:
        return trials[0]
    outcomes = [trial.outcome for trial in trials if trial.outcome is not None]
    figures = [outcome.objective for outcome in outcomes if outcome.objective is not None]
    state = next((s for s in ("failed", "pruned") if any(trial.state == s for trial in trials)), "completed")
    objective = statistics.fmean(figures) if figures and state == "completed" else None
    values = {path: value for path, value in trials[0].values.items() if path not in REPEATED}
    seconds = statistics.fmean(outcome.seconds for outcome in outcomes) if outcomes else 0.0
    means = [_means([getattr(outcome, name) for outcome in outcomes]) for name in ("metrics", "costs")]
    outcome = Outcome(state, objective, means[0], mean_curve(outcomes), seconds=seconds, costs=means[1])  # type: ignore[arg-type]
    return dataclasses.replace(trials[0], values=values, state=outcome.state, outcome=outcome)


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Returns the mean of each figure that all have."""
    shared = (name for name in (figures[0] if figures else ()) if all(name in each for each in figures))
    return {name: statistics.fmean(each[name] for each in figures) for name in shared}


def mean_curve(outcomes: Sequence[Outcome]) -> dict[int, float]:
    """Returns the mean over the seeds after each epoch, of those seeds that came so far; see `combined`."""
    curves = [outcome.curve for outcome in outcomes if outcome.state != "failed" and outcome.curve]
    ended = [outcome.state == "completed" for outcome in outcomes if outcome.state != "failed" and outcome.curve]
    means = {}
    for epoch in sorted({epoch for curve in curves for epoch in curve}):
        here = [
            curve[min(epoch, max(curve))]
            for curve, over in zip(curves, ended, strict=True)
            if epoch in curve or (over and epoch > max(curve))
        ]
        means[epoch] = statistics.fmean(here)
    return means


def in_optunas_terms(trial: Trial, definition: Definition) -> FrozenTrial:
    """Returns a finished combination for Optuna's samplers, without a listed seed.

    A failed one, or one that does not keep a bound, counts as the worst of all, so that later ones avoid it.
    """
    from optuna.trial import TrialState, create_trial

    space = definition.drawn_space
    chosen = space.chosen_for(trial.values)  # without fields whose condition does not hold
    axes = [axis for axis in space.dimensions if axis.name in chosen]
    assert trial.outcome is not None
    figures = [trial.objective, *(trial.outcome.figure(aim) for aim in definition.others)]
    values = [each for each in figures if each is not None and math.isfinite(each)]
    kept = definition.keeps_bounds(trial.outcome.figure) or trial.state != "completed"
    completed = trial.state == "completed" and len(values) == len(figures) and kept
    return create_trial(
        state=TrialState.COMPLETE if completed else TrialState.PRUNED,
        values=values if completed else None,
        params={axis.name: to_optuna(axis, chosen[axis.name]) for axis in axes},
        distributions={axis.name: distribution(axis) for axis in axes},
        intermediate_values=dict(trial.outcome.curve) if kept and trial.state != "failed" else {},
    )
