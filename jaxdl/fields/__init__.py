"""Fields of frozen dataclasses: what a field is, how it is checked, written and read."""

from __future__ import annotations

from jaxdl.fields.declare import (
    Declaration,
    Family,
    Field,
    above_zero,
    at_least,
    check_fields,
    check_value,
    enabled,
    fraction,
    own_fields,
    parse,
    part,
    replace,
    show,
    static,
    traced,
    traced_values,
    type_name,
    walk,
)

__all__ = [
    "Declaration",
    "Family",
    "Field",
    "above_zero",
    "at_least",
    "check_fields",
    "check_value",
    "enabled",
    "fraction",
    "own_fields",
    "parse",
    "part",
    "replace",
    "show",
    "static",
    "traced",
    "traced_values",
    "type_name",
    "walk",
]
