"""Parts by name: a frozen dataclass with a part of a family for each of some names, such as a loss for each output."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from jaxdl.errors import UserError
from jaxdl.fields.declare import Family, part

SEVERAL = "several"
"""The name of such a part in a config."""


class Named:
    """Base of the classes that `named_class` makes.

    Attributes:
        names: the names, each of which is a field.
    """

    names: ClassVar[tuple[str, ...]]

    @property
    def parts(self) -> dict[str, Any]:
        """The parts by their names."""
        return {name: getattr(self, name) for name in self.names}


def named_class(base: type, family: Family, names: Sequence[str], others: Mapping[str, Any] | None = None) -> type:
    """Returns a frozen dataclass with a part of a family for each name, in the order of the names.

    Args:
        base: what it derives from, with `Named`.
        family: the parts to choose from.
        names: the names.
        others: declarations of further fields, which are floats.

    Raises:
        UserError: a name is that of a method.
    """
    for name in names:
        if hasattr(base, name):
            raise UserError(f"{family.noun}: the name {name!r} is used for something else here; choose another.")
    fields = [(name, Any, part(family, f"{family.noun} of {name}")) for name in names]
    numbers = [(name, float, declared) for name, declared in (others or {}).items()]
    namespace = {"names": tuple(names), "__doc__": base.__doc__}
    return dataclasses.make_dataclass(SEVERAL, [*fields, *numbers], bases=(base,), frozen=True, namespace=namespace)
