"""The search space of a sweep: which fields it varies and how, and the experiment for each choice."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import replace, show, walk
from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.limits import Limit, Values, with_parts
from jaxdl.sweeps.space.pairs import PAIRS, Row, joint_axis

# Of a space with conditions, all combinations are made to count those that are left; that takes 20 microseconds each.
MOST_FILTERED = 200_000


@dataclass(frozen=True)
class Space:
    """The search space of a sweep.

    Attributes:
        axes: the fields with their values, in the order in which they were given; the last one varies fastest. Those of
            the pairs come first.
        limits: what each combination must fulfil.
        pairs: combinations of several fields that are tried as they stand; empty: there are none.
    """

    axes: tuple[Axis, ...]
    limits: tuple[Limit, ...] = ()
    pairs: tuple[Row, ...] = ()

    @property
    def is_finite(self) -> bool:
        """Whether every field has a list of values."""
        return all(isinstance(axis.values, Choices) for axis in self.axes)

    @property
    def is_plain(self) -> bool:
        """Whether every choice of values is one of the combinations, once."""
        return not self.limits and not self.pairs and all(axis.only_if is None for axis in self.axes)

    @property
    def is_known(self) -> bool:
        """Whether all functions that restrict it are at hand; those of a sweep that is loaded are not."""
        return all(limit.test is not None for limit in self.limits)

    @functools.cached_property
    def paired(self) -> frozenset[str]:
        """The fields of the pairs."""
        return frozenset(path for row in self.pairs for path, _ in row)

    @functools.cached_property
    def dimensions(self) -> tuple[Axis, ...]:
        """What is drawn independently: the fields, but those of the pairs as one."""
        single = (axis for axis in self.axes if axis.path not in self.paired)
        return (*([joint_axis(self.pairs)] if self.pairs else []), *single)

    @functools.cached_property
    def drawn(self) -> dict[Any, list[Values]]:
        """What was last drawn at random from it, by what decides about it: thousands of combinations take seconds."""
        return {}

    @property
    def choices(self) -> float:
        """How many choices of a value for each dimension there are; infinite with a range of real numbers."""
        return math.prod(axis.count for axis in self.dimensions)

    @functools.cached_property
    def size(self) -> float:
        """How many combinations there are; infinite with a range of real numbers, and at most, if they are many."""
        if self.is_plain or self.choices > MOST_FILTERED:
            return self.choices
        return sum(1 for _ in self.grid())

    def grid(self, fastest: Sequence[str] = ()) -> Iterator[Values]:
        """Yields every combination, as values by dotted path; the space must be finite.

        Args:
            fastest: the fields that vary fastest; empty: the last one.
        """
        axes = sorted(self.dimensions, key=lambda axis: axis.path in fastest)
        names = [axis.name for axis in axes]
        lists = [[axis.at(place) for place in range(int(axis.count))] for axis in axes]
        yield from self.possible(dict(zip(names, drawn, strict=True)) for drawn in itertools.product(*lists))

    def possible(self, drawn: Iterator[Values]) -> Iterator[Values]:
        """Yields the combinations of choices for all dimensions; each once, and those that are allowed."""
        if self.is_plain:
            yield from map(self.made_of, drawn)
            return
        seen: set[tuple[tuple[str, Any], ...]] = set()
        for each in drawn:
            values = self.made_of(each)
            key = tuple(values.items())
            if key not in seen and self.allows(values):
                seen.add(key)
                yield values

    def chosen_at(self, place: int) -> Values:
        """Returns one of the choices of all dimensions by its place, 0 to `choices` - 1; the last varies fastest."""
        values: Values = {}
        for axis in reversed(self.dimensions):
            place, each = divmod(place, int(axis.count))
            values[axis.name] = axis.at(each)
        return values

    def at(self, place: int) -> Values:
        """Returns the combination of `chosen_at`."""
        return self.made_of(self.chosen_at(place))

    def made_of(self, drawn: Mapping[str, Any]) -> Values:
        """Returns the combination of a choice for each dimension: without fields whose condition does not hold.

        Args:
            drawn: the choices, by the names of the axes.

        Raises:
            UserError: two ranges of a field hold at once.
        """
        chosen = {**drawn, **dict(drawn[PAIRS])} if self.pairs else drawn
        always = {a.path: chosen[a.name] for a in self.axes if a.only_if is None and a.name in chosen}
        found: dict[str, Axis] = {}
        for axis in self.axes:
            if axis.name in chosen and (axis.only_if is None or axis.only_if.allows(always)):
                if axis.path in found:
                    raise both_hold(found[axis.path], axis, always)
                found[axis.path] = axis
        return {path: chosen[axis.name] for path, axis in found.items()}

    def axes_of(self, values: Mapping[str, Any]) -> dict[str, Axis]:
        """Returns for each field of a combination the axis that its value is of, by path."""
        always = _without_conditional(self.axes, values)

        several = {axis.path for axis in self.axes if axis.key}

        def holds(axis: Axis) -> bool:
            return axis.path not in several or axis.only_if is None or axis.only_if.allows(always)

        return {axis.path: axis for axis in self.axes if axis.path in values and holds(axis)}

    def fixed(self, values: Mapping[str, Any]) -> Values:
        """Returns values of some fields as choices for all axes that have them; which one counts, conditions decide."""
        return {a.name: values[a.path] for a in self.axes if a.path in values and a.holds(values[a.path])}

    def chosen_for(self, values: Mapping[str, Any]) -> Values:
        """Returns a combination as choices for the dimensions that it has: the inverse of `made_of`."""
        chosen = {axis.name: values[path] for path, axis in self.axes_of(values).items() if path not in self.paired}
        if self.pairs:
            return {PAIRS: next(row for row in self.pairs if _is_row(row, values, self.paired)), **chosen}
        return chosen

    def allows(self, values: Mapping[str, Any]) -> bool:
        """Returns whether a combination may be tried."""
        return all(limit.allows(values) for limit in self.limits)

    def without(self, path: str) -> Space:
        """Returns the space without one field."""
        return Space(tuple(axis for axis in self.axes if axis.path != path), self.limits, self.pairs)

    def specs(self) -> dict[str, str]:
        """Returns the values of each field as a user would write them, by dotted path; without those of the pairs."""
        found: dict[str, str] = {}
        for axis in self.axes:
            if axis.path not in self.paired:
                found[axis.path] = f"{found[axis.path]}; {axis.spec}" if axis.path in found else axis.spec
        return found


def both_hold(one: Axis, other: Axis, values: Mapping[str, Any]) -> UserError:
    """Returns the error for two ranges of a field of which the conditions hold at once."""
    shown = ", ".join(f"{path}={show(value)}" for path, value in values.items())
    conditions = " and ".join(f"'{axis.only_if.text}'" for axis in (one, other) if axis.only_if is not None)
    return UserError(f"--sweep={one.path}: {conditions} both hold with {shown}; let only one of them hold.")


def _without_conditional(axes: Sequence[Axis], values: Mapping[str, Any]) -> Values:
    """Returns the values of the fields that always have one: conditions are on these."""
    return {axis.path: values[axis.path] for axis in axes if axis.only_if is None and axis.path in values}


def _is_row(row: Row, values: Mapping[str, Any], paired: frozenset[str]) -> bool:
    return dict(row) == {path: values[path] for path in paired if path in values}


def apply(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """Returns the experiment with other values: parts by the names of their families' members, outer ones first.

    Raises:
        UserError: a chosen part does not have one of the fields.
    """
    parts: set[str] = set()
    if any(isinstance(value, str) for value in values.values()):  # only a name can stand for a part
        experiment = with_parts(experiment, values)
        parts = {field.path for field in walk(experiment) if field.declaration.family is not None}
    numbers = {path: value for path, value in values.items() if path not in parts}
    try:
        return replace(experiment, numbers)
    except KeyError as error:
        chosen = ", ".join(f"{path}={values[path]}" for path in values if path in parts)
        raise UserError(
            f"--sweep: with {chosen} there is no field {error.args[0]!r} to vary; where only some have it, write "
            f"'--sweep={error.args[0]}=VALUES if PART=NAME'."
        ) from error


def parse_flags(flags: Sequence[str]) -> list[tuple[str, str]]:
    """Splits the text after each ``--sweep=`` into the field's name and its values.

    Raises:
        UserError: there is no second ``=``.
    """
    pairs = []
    for flag in flags:
        name, equals, values = flag.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--sweep={flag}: write --sweep=FIELD=VALUES, such as --sweep=learning_rate=1e-4,1e-3.")
        pairs.append((name.strip(), values))
    return pairs
