"""JSON as it is written to the files of a run.

JSON has no numbers that are not finite: they are written as the strings ``"nan"``, ``"inf"`` and ``"-inf"``,
which Python's ``float`` reads, and read back as numbers.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from jaxdl.errors import UserError

# What stands in front of the fields in a ``config.json``, see `jaxdl.experiment.versions`.
VERSION, WRITER = "config_version", "jaxdl"
_encoded = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_SAME = frozenset({int, str, bool, NoneType})  # as they are in JSON
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def json_text(value: Mapping[str, Any]) -> str:
    """Returns JSON as it is written to the files of a run: on several lines, ending with a newline."""
    return _indented(plain(value), "\n") + "\n"


def _indented(value: Any, margin: str) -> str:
    """Returns what `json.dumps` makes with `indent=2`, which its compiled encoder does not know."""
    inner, kind = f"{margin}  ", type(value)
    if kind is dict and value:
        lines = [f"{inner}{_encoded(name)}: {_indented(item, inner)}" for name, item in value.items()]
        return "{" + ",".join(lines) + margin + "}"
    if kind is list and value:
        return "[" + ",".join([inner + _indented(item, inner) for item in value]) + margin + "]"
    return repr(value) if kind is int or kind is float else _encoded(value)


def plain(value: Any) -> Any:
    """Returns `value` in JSON's own types: arrays as lists, paths as text, numbers that are not finite as strings."""
    kind = type(value)
    if kind in _SAME:  # most are: a run writes thousands of figures
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind is not list and isinstance(value, Mapping):
        return {str(key): item if type(item) in _SAME else plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) in _SAME else plain(item) for item in value]
    if hasattr(value, "tolist"):  # arrays and scalars of NumPy and JAX
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, os.PathLike) else value


def number(value: Any) -> Any:
    """Converts the strings ``"nan"``, ``"inf"`` and ``"-inf"`` to numbers; returns any other value unchanged."""
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def flattened(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a configuration by dotted path; a part's own path has its name, such as ``optimizer``."""
    found: dict[str, Any] = {}
    _flatten(config, "", found)
    for name in (VERSION, WRITER):
        found.pop(name, None)
    return found


def _flatten(value: Mapping[str, Any], path: str, found: dict[str, Any]) -> None:
    for name, item in value.items():  # of thousands of configurations
        kind = type(item)
        if name == "type" and path:
            found[path[:-1]] = item
        elif kind is dict:
            _flatten(item, f"{path}{name}.", found)
        elif kind is list:
            found[f"{path}{name}"] = tuple(item)
        else:
            found[f"{path}{name}"] = number(item) if kind is str else item


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the content of a JSON object, for `json.loads`; of two values of one name, Python's own takes the last.

    Raises:
        ValueError: a name stands twice.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{json.dumps(name)} stands twice in one object")
        found[name] = value
    return found


def parse(text: str, file: Path, line: int | None = None) -> dict[str, Any]:
    """Parses a text that is one JSON object.

    Args:
        text: the text.
        file: the file it was read from, for the message.
        line: its line number, for a file with one object a line.

    Raises:
        UserError: it is not JSON, not an object, or has an object with a name twice.
    """
    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        where = f"line {line}: " if line is not None else ""
        reason = " ".join(str(error).split())
        raise UserError(f"{file} is damaged ({where}{reason}): restore it, or start a new run.") from error
    if not isinstance(value, dict):
        where = f"line {line} of {file}" if line is not None else str(file)
        raise UserError(f"{where} is damaged (not a JSON object): restore it, or start a new run.")
    return value
