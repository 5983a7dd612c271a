"""The values of each trial: a pure function of the definition, the trial's number and the results of earlier trials.

So a sweep that was stopped at any point resumes with exactly the trials that it would have had.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdl.errors import UserError
from jaxdl.fields import show
from jaxdl.sweeps.definition import SEED, Definition
from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.space import Space, Values

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

# A larger grid is a typing mistake; it would fill memory before anything runs.
_MOST_TRIALS = 1_000_000

Key = tuple[tuple[str, str], ...]


def key_of(values: Values) -> Key:
    """Returns a key that is the same for the same values, in any order; values are the same if written the same way."""
    return tuple(sorted((path, show(value)) for path, value in values.items()))


def grid_values(spaces: Sequence[Space]) -> list[Values]:
    """Returns the combinations of grids that extend one another: the first grid's, then what each later one adds."""
    combinations: list[Values] = []
    seen: set[Key] = set()
    for space in spaces:
        if space.size > _MOST_TRIALS:
            raise UserError(f"the grid has {space.size:,} combinations; give fewer values, or --sweep_mode=random.")
        for values in space.grid():
            key = key_of(values)
            if key not in seen:
                seen.add(key)
                combinations.append(values)
    return combinations


def draw(definition: Definition, number: int, history: Sequence[FrozenTrial] = ()) -> Values:
    """Returns the values of one trial of a random or TPE sweep.

    If the seed has a list of values, each drawn combination is run with each of them, one after another.

    Args:
        definition: the sweep.
        number: the trial's number, 0 for the first.
        history: with TPE, the finished trials to learn from, in the order of their numbers.
    """
    import optuna

    seeds = definition.seeds
    combination = number // len(seeds) if seeds else number
    axes = [axis for axis in definition.space.axes if not (seeds and axis.path == SEED)]
    with quiet():
        study = optuna.create_study(
            sampler=_sampler(definition.mode, definition.sweep_seed, combination), direction=definition.direction
        )
        study.add_trials([_without(trial, SEED) if seeds else trial for trial in history])
        drawn = study.ask({axis.path: distribution(axis) for axis in axes}).params
    values = {axis.path: from_optuna(axis, _short(axis, drawn[axis.path])) for axis in axes}
    if seeds:
        values[SEED] = seeds[number % len(seeds)]
    return {axis.path: values[axis.path] for axis in definition.space.axes}


def _short(axis: Axis, drawn: Any) -> Any:
    """Returns a drawn number with four significant digits: more do not matter, and would have to be read and typed."""
    if isinstance(axis.values, Choices) or not isinstance(drawn, float):
        return drawn
    return min(max(float(f"{drawn:.4g}"), axis.values.low), axis.values.high)


def _sampler(mode: str, sweep_seed: int, combination: int) -> BaseSampler:
    from optuna.samplers import RandomSampler, TPESampler

    # A separate generator for each combination: a single one would start again in a process that resumes a sweep.
    seed = int(np.random.SeedSequence([sweep_seed, combination]).generate_state(1)[0])
    return TPESampler(seed=seed) if mode == "tpe" else RandomSampler(seed=seed)


def _without(trial: FrozenTrial, path: str) -> FrozenTrial:
    """Returns a trial as if a field had not been varied."""
    import copy

    trial = copy.copy(trial)
    trial.params = {name: value for name, value in trial.params.items() if name != path}
    trial.distributions = {name: value for name, value in trial.distributions.items() if name != path}
    return trial


def distribution(axis: Axis) -> BaseDistribution:
    """Returns Optuna's distribution of an axis."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = axis.values
    if isinstance(values, Choices):
        return CategoricalDistribution([to_optuna(axis, value) for value in values.values])
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)


def to_optuna(axis: Axis, value: Any) -> Any:
    """Returns a value in the types that Optuna stores: a list as text, a list of one drawn number as that number."""
    if isinstance(axis.values, Choices):
        return f"({show(value)})" if isinstance(value, tuple) else value
    number = value[0] if axis.listed else value
    return int(number) if axis.values.whole else number


def from_optuna(axis: Axis, stored: Any) -> Any:
    """Returns the field's value from the result of `to_optuna`."""
    if isinstance(axis.values, Choices):
        return next(value for value in axis.values.values if to_optuna(axis, value) == stored)
    return axis.value(stored)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps Optuna from logging a line for each study and trial."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
