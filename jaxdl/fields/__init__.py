"""Fields of frozen dataclasses: what a field is, what depends on it, how it is checked, written and read."""

from __future__ import annotations

from jaxdl.fields.declare import (
    Affects,
    Declaration,
    Family,
    above_zero,
    at_least,
    enabled,
    fraction,
    part,
    static,
    traced,
)
from jaxdl.fields.describe import described
from jaxdl.fields.names import choose, no_field, settable, short_names
from jaxdl.fields.tree import Field, own_fields, replace, traced_values, walk
from jaxdl.fields.values import check_fields, check_given, check_value, needed, parse, show, standard, type_name

__all__ = [
    "Affects",
    "Declaration",
    "Family",
    "Field",
    "above_zero",
    "at_least",
    "check_fields",
    "check_given",
    "check_value",
    "choose",
    "described",
    "enabled",
    "fraction",
    "needed",
    "no_field",
    "own_fields",
    "parse",
    "part",
    "replace",
    "settable",
    "short_names",
    "show",
    "standard",
    "static",
    "traced",
    "traced_values",
    "type_name",
    "walk",
]
