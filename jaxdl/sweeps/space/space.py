"""The search space of a sweep: which fields it varies and how, and the experiment for each choice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxdl.errors import UserError, unknown
from jaxdl.experiment import Experiment
from jaxdl.fields import Field, choose, replace, settable, short_names, walk
from jaxdl.sweeps.space.axis import Axis, Choices, axis_of

Values = dict[str, Any]


@dataclass(frozen=True)
class Space:
    """The search space of a sweep.

    Attributes:
        axes: the fields with their values, in the order in which they were given; the last one varies fastest.
    """

    axes: tuple[Axis, ...]

    @property
    def is_finite(self) -> bool:
        """Whether every field has a list of values."""
        return all(isinstance(axis.values, Choices) for axis in self.axes)

    @property
    def size(self) -> float:
        """How many combinations there are; infinite if a field has a range of real numbers."""
        return math.prod(axis.count for axis in self.axes)

    def grid(self, fastest: str = "") -> Iterator[Values]:
        """Yields every combination, as values by dotted path; the space must be finite.

        Args:
            fastest: the field that varies fastest; empty: the last one.
        """
        axes = sorted(self.axes, key=lambda axis: axis.path == fastest)
        lists = [[axis.at(place) for place in range(int(axis.count))] for axis in axes]
        for combination in itertools.product(*lists):
            values = dict(zip((axis.path for axis in axes), combination, strict=True))
            yield {axis.path: values[axis.path] for axis in self.axes}

    def at(self, place: int) -> Values:
        """Returns one of the combinations by its place, 0 to `size` - 1; the last field varies fastest.

        The space must be finite.
        """
        values: Values = {}
        for axis in reversed(self.axes):
            place, each = divmod(place, int(axis.count))
            values[axis.path] = axis.at(each)
        return {axis.path: values[axis.path] for axis in self.axes}

    def specs(self) -> dict[str, str]:
        """Returns the values of each field as a user would write them, by dotted path."""
        return {axis.path: axis.spec for axis in self.axes}


def apply(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """Returns the experiment with other values: parts by the names of their families' members, outer ones first.

    Raises:
        UserError: a chosen part does not have one of the fields.
    """
    parts = {field.path: field for field in walk(experiment) if field.declaration.family is not None}
    for path in sorted(values, key=lambda path: path.count(".")):
        if path in parts and isinstance(values[path], str):
            experiment = replace(experiment, {path: choose(parts[path], values[path])})
            parts = {field.path: field for field in walk(experiment) if field.declaration.family is not None}
    numbers = {path: value for path, value in values.items() if path not in parts}
    try:
        return replace(experiment, numbers)
    except KeyError as error:
        chosen = ", ".join(f"{path}={values[path]}" for path in values if path in parts)
        raise UserError(f"--sweep: with {chosen} there is no field {error.args[0]!r} to vary.") from error


def make_space(experiment: Experiment, fields: Mapping[str, Any] | Sequence[tuple[str, Any]]) -> Space:
    """Reads a search space.

    Args:
        experiment: the recipe that is varied.
        fields: values of each field, by its dotted path, or by its last name if only one field has it: a text as after
            ``--sweep=FIELD=`` (see `jaxdl.sweeps.space.axis.parse_axis`), or an iterable of values.

    Raises:
        UserError: a name or a value is wrong, a field is given twice, or does not change any result.
    """
    given = list(fields.items() if isinstance(fields, Mapping) else fields)
    if not given:
        raise UserError("a sweep needs a field to vary: give --sweep=FIELD=VALUES.")
    for name, _ in given:
        if not isinstance(name, str):
            raise UserError(f"a sweep varies fields by their names, not {name!r}.")
    known = _known(experiment)
    axes: dict[str, Axis] = {}
    # Parts first: the fields of a part are known only after it is chosen.
    for name, values in sorted(given, key=lambda item: not _is_part(known, item[0])):
        field = _named_field(known, name)
        if field.path in axes:
            raise UserError(f"--sweep={name}: {field.path} is given twice; give all its values at once.")
        if not field.affects & {"programs", "data", "result"}:  # the same training again and again
            raise UserError(f"--sweep={name}: no result depends on {field.path}, so there is nothing to compare.")
        axes[field.path] = axis = axis_of(field, values)
        if field.declaration.family is not None and isinstance(axis.values, Choices):
            known |= _fields_of_choices(experiment, axis)
    order = [_named_field(known, name).path for name, _ in given]
    return Space(tuple(axes[path] for path in order))


def _known(experiment: Experiment) -> dict[str, Field]:
    return {field.path: field for field in settable(experiment)}


def _fields_of_choices(experiment: Experiment, axis: Axis) -> dict[str, Field]:
    """Returns the fields that the experiment has with any choice of a part."""
    assert isinstance(axis.values, Choices)
    found: dict[str, Field] = {}
    for name in axis.values.values:
        found |= _known(apply(experiment, {axis.path: name}))
    return found


def _is_part(known: Mapping[str, Field], name: str) -> bool:
    return name in known and known[name].declaration.family is not None


def _named_field(known: Mapping[str, Field], name: str) -> Field:
    paths = list(known)
    path = short_names(paths).get(name, name)
    if path in known:
        return known[path]
    same = [path for path in paths if path.rpartition(".")[2] == name]
    if same:
        raise UserError(f"--sweep={name}: write which one: {' or '.join(same)}.")
    raise unknown("field to vary:", name, [*paths, *short_names(paths)])


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
