"""The names by which a user sets a field: its dotted path, its last name, and the names of parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from jaxdl.errors import UserError, nearest
from jaxdl.fields.tree import Field, replace, walk


def settable(root: Any) -> list[Field]:
    """Lists the fields that a user may set: all except the name of the root and parts of a fixed type."""
    return [
        field
        for field in walk(root)
        if field.path != "name" and (field.declaration.family is not None or not field.is_part)
    ]


def short_names(paths: Sequence[str], reserved: Collection[str] = ()) -> dict[str, str]:
    """Returns the last names that belong to exactly one of the dotted paths.

    Args:
        paths: the dotted paths.
        reserved: names that already mean something else; they are left out.
    """
    counts = Counter(path.rpartition(".")[2] for path in paths)
    shorts = {path.rpartition(".")[2]: path for path in paths}
    return {name: path for name, path in shorts.items() if counts[name] == 1 and name not in reserved}


def no_field(name: str, names: Mapping[str, str], noun: str = "field", mark: str = "", more: str = "") -> UserError:
    """Returns the error for a name that no field has, or that is the last name of several.

    Args:
        name: what the user wrote.
        names: the paths by all names that are understood: the paths themselves, and the last names of just one.
        noun: what a field is called in the message.
        mark: what stands before a name there, such as ``--``.
        more: the end of the message for an unknown name; empty: all names.
    """
    same = [path for path in dict.fromkeys(names.values()) if path.rpartition(".")[2] == name]
    if len(same) > 1:
        return UserError(f"{mark}{name} is ambiguous: write {' or '.join(mark + path for path in same)}.")
    meant = nearest(name, names)
    asked = f" Did you mean {mark}{meant}?" if meant else ""
    more = more or f"Choose from: {', '.join(sorted(names))}."
    return UserError(f"unknown {noun} {mark}{name}.{asked} {more}")


def choose(field: Field, name: str) -> Any:
    """Returns the member `name` of a field's family.

    If the field already holds a part of that type, its values are kept, except those that the name sets:
    ``fashion_mnist`` changes the name of a TFDS source and nothing else.

    Raises:
        UserError: no member has that name.
    """
    family = field.declaration.family
    assert family is not None
    if name == family.name_of(field.value):
        return field.value  # also where it is its user's own
    kind, values = family.named(name)
    return replace(field.value, values) if type(field.value) is kind else kind(**values)
