"""Adds the declared fields of a class to its docstring, so that each text is written only once."""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from typing import TypeVar

from jaxdl.fields.declare import KEY

_WIDTH = 112  # of a line, so that it still fits where a docstring is shown indented

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
    entries = [
        textwrap.fill(
            f"{name}: {text}.",
            _WIDTH,
            initial_indent=" " * 4,
            subsequent_indent=" " * 8,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in texts.items()
    ]
    cls.__doc__ = "\n".join([inspect.cleandoc(cls.__doc__), "", "Attributes:", *entries, ""])
    return cls
