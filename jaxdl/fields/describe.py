"""Adds the declared fields of a class to its docstring, so that each text is written only once."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TypeVar

from jaxdl.fields.declare import KEY

Class = TypeVar("Class", bound=type)


def described(cls: Class) -> Class:
    """Adds to the docstring of a dataclass or Linen module a section ``Attributes:`` made of its declared fields.

    Apply it above ``@dataclass``. The text of each field is that of `static`, `traced` or `part`, as in ``--help``;
    fields of base classes are included.
    """
    texts = {
        field.name: field.metadata[KEY].help
        for field in dataclasses.fields(cls)
        if KEY in field.metadata and field.metadata[KEY].help
    }
    if cls.__doc__ is None or not texts:  # python -OO has no docstrings
        return cls
    # One line for each field: to wrap them all would take a tenth of the time that ``--help`` takes.
    entries = [f"    {name}: {text}." for name, text in texts.items()]
    cls.__doc__ = "\n".join([inspect.cleandoc(cls.__doc__), "", "Attributes:", *entries, ""])
    return cls
