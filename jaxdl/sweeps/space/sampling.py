"""The values of each trial: a pure function of the definition, the trial's number and the results of earlier trials.

So a sweep that was stopped at any point resumes with exactly the trials that it would have had. No combination is drawn
twice: with the same seed it gives the same bits again, and a training would be wasted.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdl.errors import UserError
from jaxdl.fields import show
from jaxdl.sweeps.definition import REPEATED, Definition
from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.pairs import PAIRS, row_text
from jaxdl.sweeps.space.shuffle import MOST_LISTED, shuffled
from jaxdl.sweeps.space.sobol import sobol_points
from jaxdl.sweeps.space.space import Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

# A larger grid is a typing mistake; it would fill memory before anything runs.
_MOST_COMBINATIONS = 1_000_000
# How often to draw again in place of a combination that was drawn before.
_MOST_REDRAWS = 20
# The same where conditions forbid combinations; of so many draws one is allowed, or they forbid nearly all.
_MOST_FILTERED_DRAWS = 1000
# So many quasi-random points are looked at; then what is left of a small space follows in random order.
_MOST_POINTS = 1 << 17

Key = tuple[tuple[str, str], ...]


def key_of(values: Values) -> Key:
    """Returns a key that is the same for the same values, in any order; values are the same if written the same way."""
    return tuple(sorted((path, show(value)) for path, value in values.items()))


def combination_key(values: Values) -> Key:
    """Returns the key of a trial's values without its seed and its fold."""
    return key_of({path: value for path, value in values.items() if path not in REPEATED})


def grid_values(spaces: Sequence[Space], *, seeds_together: bool = False) -> list[Values]:
    """Returns the combinations of grids that extend one another: the first grid's, then what each later one adds.

    Args:
        spaces: the grids, the earliest first.
        seeds_together: let the seed and the fold vary fastest in each grid, wherever they stand among the fields.

    Raises:
        UserError: there are more combinations than a sweep can have.
    """
    combinations: list[Values] = []
    seen: set[Key] = set()
    for space in spaces:
        if space.choices > _MOST_COMBINATIONS:
            raise UserError(f"the grid has {space.choices:,} combinations; give fewer values, or --sweep_mode=random.")
        for values in space.grid(fastest=REPEATED if seeds_together else ()):
            key = key_of(values)
            if key not in seen:
                seen.add(key)
                combinations.append(values)
    return combinations


def drawn_values(definition: Definition) -> list[Values]:
    """Returns the values of all trials of a sweep whose results decide nothing (random, sobol), by number.

    If the seed has a list of values, each drawn combination is run with each of them, one after another; so with folds.
    """
    enqueued = tuple(map(key_of, definition.enqueued))
    about = (definition.mode, definition.trials, definition.sweep_seed, definition.rules, enqueued)
    kept = definition.space.drawn
    if about not in kept:
        count = -(-definition.trials // (len(definition.repeats) or 1))
        if definition.rules == 1:
            combinations = [_drawn(definition, number) for number in range(count)]
        else:
            combinations = _combinations(definition, count)
        kept.clear()
        kept[about] = [with_seed(definition, number, each) for number, each in _numbered(combinations, definition)]
    return [dict(values) for values in kept[about]]


def _numbered(combinations: Sequence[Values], definition: Definition) -> Iterator[tuple[int, Values]]:
    of_one = len(definition.repeats) or 1
    for number in range(definition.trials):
        yield number, combinations[number // of_one]


def _combinations(definition: Definition, count: int) -> list[Values]:
    """Returns the combinations of a sweep without results, each once: the known ones first."""
    space = definition.drawn_space
    found: list[Values] = []
    earlier: set[Key] = set()
    order = _order(definition, space)
    for number in range(count):
        if number < len(definition.enqueued):
            values = _enqueued(definition, number, earlier)
        elif order is not None:
            values = next((each for each in order if key_of(each) not in earlier), {}) or _none_left(definition, number)
        else:
            values = _new(definition, number, (), earlier) or _none_left(definition, number)
        found.append(values)
        earlier.add(key_of(values))
    return found


def _order(definition: Definition, space: Space) -> Iterator[Values] | None:
    """Yields combinations in the order of the sweep; None for a space that is too large to list, drawn at random."""
    listed = space.choices <= MOST_LISTED
    if definition.mode == "sobol":
        points = map(_values_at(space), sobol_points(len(space.dimensions), definition.sweep_seed))
        spread = (each for each in points if space.allows(each))
        return itertools.chain(itertools.islice(spread, _MOST_POINTS), _listed(definition, space) if listed else ())
    return _listed(definition, space) if listed else None


def _listed(definition: Definition, space: Space) -> Iterator[Values]:
    """Yields all combinations of a finite space in random order."""
    return space.possible(space.chosen_at(int(place)) for place in shuffled(space, definition.sweep_seed))


def _values_at(space: Space) -> Callable[[Sequence[float]], Values]:
    """Returns a function that makes a combination of a point of the unit cube."""
    return lambda point: space.made_of(chosen_at_point(space, point))


def chosen_at_point(space: Space, point: Sequence[float]) -> Values:
    """Returns a choice for each axis, by its name, of a point of the unit cube."""
    return {axis.name: _at_fraction(axis, u) for axis, u in zip(space.dimensions, point, strict=True)}


def _at_fraction(axis: Axis, fraction: float) -> Any:
    """Returns the value of an axis below which that fraction of it lies."""
    values = axis.values
    if isinstance(values, Choices) or (not values.log and math.isfinite(values.count)):
        return axis.at(int(fraction * axis.count))
    if not values.log:
        return axis.value(shortened(axis, values.low + fraction * (values.high - values.low)))
    edge = 0.5 if values.whole else 0.0  # a whole number stands for the interval around it, as in Optuna
    low, high = math.log(values.low - edge), math.log(values.high + edge)
    number = math.exp(low + fraction * (high - low))
    return axis.value(min(max(round(number), values.low), values.high) if values.whole else shortened(axis, number))


def draw(
    definition: Definition, number: int, history: Sequence[FrozenTrial] = (), earlier: Collection[Key] = frozenset()
) -> Values:
    """Returns the values of one trial of a TPE sweep; see `drawn_values` about the seed.

    Args:
        definition: the sweep.
        number: the trial's number, 0 for the first.
        history: the finished combinations to learn from, without seeds, in the order of their numbers; they get the
            numbers 0, 1, 2 ...
        earlier: keys of all combinations with smaller numbers, by `combination_key`.
    """
    combination = number // (len(definition.repeats) or 1)
    if definition.rules == 1:
        return with_seed(definition, number, _drawn(definition, combination, history))
    return with_seed(definition, number, new_combination(definition, combination, earlier, history))


def new_combination(
    definition: Definition, combination: int, earlier: Collection[Key], history: Sequence[FrozenTrial] = ()
) -> Values:
    """Returns a new combination: a known setting, one that the sampler of `draw` suggests, or one of those left.

    Args:
        definition: the sweep.
        combination: its number among the combinations.
        earlier: keys of all combinations with smaller numbers.
        history: the finished combinations; without them it is drawn at random.
    """
    if combination < len(definition.enqueued):
        return _enqueued(definition, combination, earlier)
    values = _new(definition, combination, history, earlier)
    space = definition.drawn_space
    # Few are left, and none of them was suggested.
    if (values is None or key_of(values) in earlier) and space.choices <= MOST_LISTED:
        values = next((each for each in _listed(definition, space) if key_of(each) not in earlier), None)
    return values or _none_left(definition, combination)


def _none_left(definition: Definition, combination: int) -> Values:
    texts = " and ".join(limit.text for limit in definition.space.limits)
    raise UserError(f"--sweep_if: no further combination fulfils {texts}, after {combination} of them; give --trials.")


def _enqueued(definition: Definition, combination: int, earlier: Collection[Key]) -> Values:
    """Returns a known combination; fields that it does not name are drawn at random."""
    fixed = definition.enqueued[combination]
    values = _new(definition, combination, (), earlier, fixed)
    if values is None or key_of(values) in earlier:
        shown = " ".join(f"{path}={show(value)}" for path, value in fixed.items())
        raise UserError(f"--enqueue={shown}: it comes before, or no combination with it fulfils the conditions.")
    return values


def with_seed(definition: Definition, number: int, combination: Values) -> Values:
    """Returns the values of a trial with a drawn combination, in the order of the sweep's fields."""
    repeats = definition.repeats
    values = {**combination, **repeats[number % len(repeats)]} if repeats else combination
    return {axis.path: values[axis.path] for axis in definition.space.axes if axis.path in values}


def _new(
    definition: Definition,
    combination: int,
    history: Sequence[FrozenTrial],
    earlier: Collection[Key],
    fixed: Mapping[str, Any] = types.MappingProxyType({}),
) -> Values | None:
    """Returns a combination that is allowed and not among the earlier ones, or the last allowed one of many attempts.

    None if none of the attempts is allowed.
    """
    space = definition.drawn_space
    last = None
    for attempt in range(_MOST_REDRAWS if space.is_plain else _MOST_FILTERED_DRAWS):
        values = _drawn(definition, combination, history, attempt, fixed)
        if all(values.get(path) == value for path, value in fixed.items()) and space.allows(values):
            last = values
            if key_of(values) not in earlier:
                break
    return last


def _drawn(
    definition: Definition,
    combination: int,
    history: Sequence[FrozenTrial] = (),
    attempt: int = 0,
    fixed: Mapping[str, Any] = types.MappingProxyType({}),
) -> Values:
    """Returns a combination as Optuna draws it, with some fields fixed; it may not be allowed."""
    import optuna

    space = definition.drawn_space
    axes = space.dimensions
    # A separate generator for each combination: a single one would start again in a process that resumes a sweep.
    entropy = [definition.sweep_seed, combination, *([attempt] if attempt else [])]
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    distributions = {axis.name: distribution(axis) for axis in axes}
    # TPE suggests nearly the same again where that is not allowed.
    if definition.mode != "tpe" or attempt >= _MOST_REDRAWS or fixed:
        sampler = optuna.samplers.RandomSampler(seed=seed)
        # As in a study, which would take most of the time, and which this sampler does not look at.
        drawn = {name: sampler.sample_independent(None, None, name, distributions[name]) for name in distributions}  # type: ignore[arg-type]
    else:
        from jaxdl.sweeps.space.shared_trials import SharedTrials

        for place, over in enumerate(history):
            over.number = place  # as in a study of Optuna's own; TPE sorts by it
        # Optuna's default, all fields together, hardly leaves the first good values of lists: 91 of 102 settings of a
        # search had one network and one batch size, of sixteen such pairs (docs/performance.md, A race of searches).
        together = definition.rules < 4 or not any(isinstance(axis.values, Choices) for axis in axes)
        with quiet():
            tpe = optuna.samplers.TPESampler(seed=seed, multivariate=together)
            storage = SharedTrials(history, len(history))
            study = optuna.create_study(sampler=tpe, storage=storage, directions=definition.directions)
            drawn = study.ask(distributions).params
    return space.made_of(
        {axis.name: from_optuna(axis, shortened(axis, drawn[axis.name])) for axis in axes} | space.fixed(fixed)
    )


def shortened(axis: Axis, drawn: Any) -> Any:
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
    if axis.path == PAIRS:
        return row_text(value)
    if isinstance(axis.values, Choices):
        return f"({show(value)})" if isinstance(value, tuple) else value
    number = value[0] if axis.listed else value
    return int(number) if axis.values.whole else number


def from_optuna(axis: Axis, stored: Any) -> Any:
    """Returns the field's value from the result of `to_optuna`."""
    if isinstance(axis.values, Choices):
        return next(value for value in axis.values.values if to_optuna(axis, value) == stored)
    return axis.value(stored)


class _Quiet:
    """Keeps Optuna from logging a line for each study and trial, from the first thread that asks for it to the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        import optuna

        with self._lock:
            if not self._inside:
                self._before = optuna.logging.get_verbosity()
                optuna.logging.set_verbosity(optuna.logging.WARNING)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    optuna.logging.set_verbosity(self._before)


quiet = _Quiet()
