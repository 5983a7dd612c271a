"""A value with some of its fields replaced, as its user names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from jaxdl.errors import UserError
from jaxdl.fields import tree
from jaxdl.fields.names import choose, no_field, settable, short_names
from jaxdl.fields.tree import Field, walk
from jaxdl.fields.values import standard

T = TypeVar("T")


def replace(value: T, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> T:
    """Returns a value with some of its fields replaced: an experiment, a model, or another dataclass of jaxdl.

    A field is named as in a flag: by its dotted path, or by its last name where no other field has it. Parts are
    taken first, also by their names: ``replace(experiment, optimizer="sgd", momentum=0.9)``.

    Args:
        value: the value, which stays as it is.
        changes: new values by the names of the fields, for names with dots.
        **fields: the same.

    Raises:
        UserError: there is no such field, a last name belongs to several, or a field is given twice.
    """
    left = dict(changes or {})
    for name, new in fields.items():
        if name in left:
            raise _twice(name, name, name)
        left[name] = new
    given: dict[str, str] = {}  # the name by which a path was given
    while left:
        known = {field.path: field for field in walk(value)}
        names = short_names([field.path for field in settable(value)]) | {path: path for path in known}
        new = {}
        for name in _outermost_parts(left, names, known) or list(left):
            if name not in names:
                raise no_field(name, names)
            path = names[name]
            if path in given:
                raise _twice(path, given[path], name)
            given[path] = name
            new[path] = _meant(known[path], left.pop(name))
        value = tree.replace(value, new)
    return value


def with_tuples(value: T) -> T:
    """Returns a value with tuples in the place of lists and single numbers, in its own fields that hold tuples."""
    changes = {}
    for field in tree.own_fields(value):
        if isinstance(field.value, list | int | float) and (meant := _meant(field, field.value)) is not field.value:
            changes[field.path] = meant
    return tree.replace(value, changes) if changes else value


def _outermost_parts(given: Iterable[str], names: Mapping[str, str], known: Mapping[str, Field]) -> list[str]:
    """Returns which of the given names are parts, without those inside another one that is given, too."""
    parts = {name: names[name] for name in given if name in names and known[names[name]].is_part}
    outermost = min((path.count(".") for path in parts.values()), default=0)
    return [name for name, path in parts.items() if path.count(".") == outermost]


def _twice(path: str, one: str, other: str) -> UserError:
    also = "" if one == other else f", as {one} and as {other}"
    return UserError(f"{path} is given twice{also}; give it once.")


def _meant(field: Field, value: Any) -> Any:
    """Returns what a field is to hold: a part for its name, the value of which it is another name, a tuple for a list
    or for a single number.

    A part that the field holds already keeps its values, as with a flag.
    """
    if field.declaration.family is not None and isinstance(value, str):
        return choose(field, value)
    if any(get_origin(each) is tuple for each in (field.type, *get_args(field.type))):
        value = tuple(value) if isinstance(value, list) else value
        single = isinstance(value, int | float) and not isinstance(value, bool)
        value = (value,) if get_origin(field.type) is tuple and single else value
    return standard(field, value)
