"""The values of each trial: a pure function of the definition, the trial's number and the results of earlier trials.

So a sweep that was stopped at any point resumes with exactly the trials that it would have had. No combination is drawn
twice: with the same seed it gives the same bits again, and a training would be wasted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdl.errors import UserError
from jaxdl.fields import show
from jaxdl.sweeps.definition import SEED, Definition
from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.shuffle import MOST_LISTED, shuffled
from jaxdl.sweeps.space.space import Space, Values

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

# A larger grid is a typing mistake; it would fill memory before anything runs.
_MOST_COMBINATIONS = 1_000_000
# How often to draw again in place of a combination that was drawn before.
_MOST_REDRAWS = 20

Key = tuple[tuple[str, str], ...]


def key_of(values: Values) -> Key:
    """Returns a key that is the same for the same values, in any order; values are the same if written the same way."""
    return tuple(sorted((path, show(value)) for path, value in values.items()))


def combination_key(values: Values) -> Key:
    """Returns the key of a trial's values without its seed."""
    return key_of({path: value for path, value in values.items() if path != SEED})


def grid_values(spaces: Sequence[Space], *, seeds_together: bool = False) -> list[Values]:
    """Returns the combinations of grids that extend one another: the first grid's, then what each later one adds.

    Args:
        spaces: the grids, the earliest first.
        seeds_together: let the seed vary fastest in each grid, wherever it stands among the fields.

    Raises:
        UserError: there are more combinations than a sweep can have.
    """
    combinations: list[Values] = []
    seen: set[Key] = set()
    for space in spaces:
        if space.size > _MOST_COMBINATIONS:
            raise UserError(f"the grid has {space.size:,} combinations; give fewer values, or --sweep_mode=random.")
        for values in space.grid(fastest=SEED if seeds_together else ""):
            key = key_of(values)
            if key not in seen:
                seen.add(key)
                combinations.append(values)
    return combinations


def drawn_values(definition: Definition) -> list[Values]:
    """Returns the values of all trials of a random sweep, by number.

    If the seed has a list of values, each drawn combination is run with each of them, one after another.
    """
    seeds = definition.seeds
    count = -(-definition.trials // len(seeds)) if seeds else definition.trials
    space = _drawn_from(definition)
    if definition.rules == 1:
        combinations = [_drawn(definition, number) for number in range(count)]
    elif space.size <= MOST_LISTED:
        combinations = [space.at(int(place)) for place in shuffled(space, definition.sweep_seed)[:count]]
    else:
        combinations = []
        earlier: set[Key] = set()
        for number in range(count):
            combinations.append(_new(definition, number, (), earlier))
            earlier.add(key_of(combinations[-1]))
    return [_with_seed(definition, number, each) for number, each in _numbered(combinations, definition)]


def _numbered(combinations: Sequence[Values], definition: Definition) -> Iterator[tuple[int, Values]]:
    of_one = len(definition.seeds) or 1
    for number in range(definition.trials):
        yield number, combinations[number // of_one]


def draw(
    definition: Definition, number: int, history: Sequence[FrozenTrial] = (), earlier: Collection[Key] = frozenset()
) -> Values:
    """Returns the values of one trial of a TPE sweep; see `drawn_values` about the seed.

    Args:
        definition: the sweep.
        number: the trial's number, 0 for the first.
        history: the finished combinations to learn from, without seeds, in the order of their numbers.
        earlier: keys of all combinations with smaller numbers, by `combination_key`.
    """
    combination = number // len(definition.seeds) if definition.seeds else number
    if definition.rules == 1:
        return _with_seed(definition, number, _drawn(definition, combination, history))
    values = _new(definition, combination, history, earlier)
    space = _drawn_from(definition)
    if key_of(values) in earlier and space.size <= MOST_LISTED:  # few are left, and none of them was suggested
        order = (space.at(int(place)) for place in shuffled(space, definition.sweep_seed))
        values = next(each for each in order if key_of(each) not in earlier)
    return _with_seed(definition, number, values)


def _with_seed(definition: Definition, number: int, combination: Values) -> Values:
    """Returns the values of a trial with a drawn combination, in the order of the sweep's fields."""
    seeds = definition.seeds
    values = {**combination, SEED: seeds[number % len(seeds)]} if seeds else combination
    return {axis.path: values[axis.path] for axis in definition.space.axes}


def _drawn_from(definition: Definition) -> Space:
    """Returns the space that combinations are drawn from: without a seed that is listed."""
    return Space(tuple(axis for axis in definition.space.axes if not (definition.seeds and axis.path == SEED)))


def _new(definition: Definition, combination: int, history: Sequence[FrozenTrial], earlier: Collection[Key]) -> Values:
    """Returns a combination that is not among the earlier ones, or the last of many attempts at one."""
    for attempt in range(_MOST_REDRAWS):
        values = _drawn(definition, combination, history, attempt)
        if key_of(values) not in earlier:
            break
    return values


def _drawn(definition: Definition, combination: int, history: Sequence[FrozenTrial] = (), attempt: int = 0) -> Values:
    """Returns a combination as Optuna draws it."""
    import optuna

    axes = _drawn_from(definition).axes
    # A separate generator for each combination: a single one would start again in a process that resumes a sweep.
    entropy = [definition.sweep_seed, combination, *([attempt] if attempt else [])]
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    distributions = {axis.path: distribution(axis) for axis in axes}
    if definition.mode != "tpe":
        sampler = optuna.samplers.RandomSampler(seed=seed)
        # As in a study, which would take most of the time, and which this sampler does not look at.
        drawn = {path: sampler.sample_independent(None, None, path, distributions[path]) for path in distributions}  # type: ignore[arg-type]
    else:
        with quiet():
            study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), direction=definition.direction)
            study.add_trials(list(history))
            drawn = study.ask(distributions).params
    return {axis.path: from_optuna(axis, _short(axis, drawn[axis.path])) for axis in axes}


def _short(axis: Axis, drawn: Any) -> Any:
    """Returns a drawn number with four significant digits: more do not matter, and would have to be read and typed."""
    if isinstance(axis.values, Choices) or not isinstance(drawn, float):
        return drawn
    return axis.values.nearest(drawn if axis.values.step else float(f"{drawn:.4g}"))


def distribution(axis: Axis) -> BaseDistribution:
    """Returns Optuna's distribution of an axis."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = axis.values
    if isinstance(values, Choices):
        return CategoricalDistribution([to_optuna(axis, value) for value in values.values])
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log, step=int(values.step or 1))
    return FloatDistribution(values.low, values.high, log=values.log, step=values.step)


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
