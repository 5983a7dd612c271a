"""What restricts a search space: conditions and functions that say of each combination whether it may be tried."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from jaxdl.errors import UserError, unknown
from jaxdl.experiment import Experiment
from jaxdl.fields import Field, choose, replace, show, walk
from jaxdl.sweeps.space.conditions import parse_condition

Values = dict[str, Any]
_FUNCTION = "function "


@dataclasses.dataclass(frozen=True)
class Limit:
    """One restriction; two are the same if their texts are.

    Attributes:
        text: the condition as it was written; of a function, its name and a digest of its source.
        fields: paths of the fields that a condition names.
        test: returns whether values by dotted path are allowed; None for a function that is not at hand.
    """

    text: str
    fields: tuple[str, ...] = ()
    test: Callable[[Mapping[str, Any]], bool] | None = dataclasses.field(default=None, compare=False, repr=False)

    def allows(self, values: Mapping[str, Any]) -> bool:
        """Returns whether values may be tried.

        Raises:
            UserError: it cannot be computed for them.
        """
        if self.test is None:
            name = self.text.removeprefix(_FUNCTION)
            raise UserError(f"the sweep is restricted by the function {name}: give it as sweep_if again.")
        return self.test(values)


class Settings:
    """The values of all fields of an experiment for some values of a sweep; parts by their names."""

    def __init__(self, experiment: Experiment):
        self._experiment = experiment
        self._parts = {field.path for field in walk(experiment) if field.declaration.family is not None}
        self._known: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}

    def of(self, values: Mapping[str, Any], path: str) -> Any:
        """Returns a field's value.

        Raises:
            ValueError: with these values there is no such field.
        """
        if path in values:
            return values[path]
        # Only parts decide about values that the sweep does not name, and there are few of them.
        chosen = {each: value for each, value in values.items() if isinstance(value, str) and each in self._parts}
        key = tuple(sorted(chosen.items()))
        if key not in self._known:
            self._known[key] = leaves(with_parts(self._experiment, chosen))
        if path not in self._known[key]:
            raise ValueError(f"there is no {path}; ask for the part first, as in 'optimizer != sgd or momentum > 0'")
        return self._known[key][path]


def with_parts(experiment: Experiment, chosen: Mapping[str, str]) -> Experiment:
    """Returns the experiment with parts by the names of their families' members, outer ones first."""
    parts = {field.path: field for field in walk(experiment) if field.declaration.family is not None}
    for path in sorted(chosen, key=lambda path: path.count(".")):
        if path in parts and isinstance(chosen[path], str):
            experiment = replace(experiment, {path: choose(parts[path], chosen[path])})
            parts = {field.path: field for field in walk(experiment) if field.declaration.family is not None}
    return experiment


def leaves(experiment: Experiment) -> dict[str, Any]:
    """Returns all fields by dotted path; parts by the names of their families' members."""
    found: dict[str, Any] = {}
    for field in walk(experiment):
        family = field.declaration.family
        if family is not None:
            found[field.path] = family.name_of(field.value)
        elif not field.is_part:
            found[field.path] = field.value
    return found


def condition_limit(
    text: str, flag: str, settings: Settings, fields: Mapping[str, Field], resolve: Callable[[str], str | None]
) -> Limit:
    """Returns the limit of a condition.

    Args:
        text: the condition.
        flag: how the user gave it, for messages.
        settings: the experiment's.
        fields: all fields by path.
        resolve: returns the path of the field of a name; None for a word that is no field.

    Raises:
        UserError: it is not in the grammar, or compares a part with what is none of its choices.
    """
    try:
        condition = parse_condition(text, resolve)
    except ValueError as error:
        raise UserError(f"{flag}: {error}; write a condition such as 'batch_size * 2 <= 256'.") from None
    for path, word in condition.texts:
        family = fields[path].declaration.family
        if family is not None and word not in family.members:
            raise unknown(path, word, family.members)

    def test(values: Mapping[str, Any]) -> bool:
        try:
            return condition.holds(lambda path: settings.of(values, path))
        except ValueError as error:
            shown = ", ".join(f"{path}={show(value)}" for path, value in values.items())
            raise UserError(f"{flag}: cannot be computed with {shown}: {error}.") from None

    return Limit(condition.text, condition.fields, test)


def function_limit(function: Callable[[Experiment], bool], apply: Callable[[Mapping[str, Any]], Experiment]) -> Limit:
    """Returns the limit of a function of the trial's experiment; `apply` makes it from values."""
    name = getattr(function, "__qualname__", type(function).__name__)
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):  # typed at a prompt, or an object that is called
        source = name
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    return Limit(f"{_FUNCTION}{name} {digest}", (), lambda values: bool(function(apply(values))))


def missing_function(text: str) -> Limit | None:
    """Returns the limit of a function that only its text is known of; None for the text of a condition."""
    return Limit(text) if text.startswith(_FUNCTION) else None
