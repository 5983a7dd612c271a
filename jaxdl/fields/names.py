"""The names by which a user sets a field: its dotted path, its last name, and the names of parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

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
