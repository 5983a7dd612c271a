"""Sweeps in a TOML file: the same as the flags say, to be kept and shared.

mode = "random"
trials = 60
objective = "validation/accuracy"

[fields]
learning_rate = "log(1e-4,1e-1)"
"model.features" = [64, 128, [256, 128]]
seed = "0:3"
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError, unknown
from jaxdl.fields import check_value, own_fields
from jaxdl.files import named_cause
from jaxdl.options import OF_SWEEPS, SWEEP_OBJECTIVE, Options

_FIELDS = "fields"
# What is called shorter in the file, where nothing else has the name.
_NAMES = {"mode": "sweep_mode", "objective": SWEEP_OBJECTIVE, "seed": "sweep_seed", "batch": "sweep_batch"}
_NOT_IN_FILE = ("extend", "dry_run", "sweep_dir")


def read_sweep_file(path: Path, options: Options) -> tuple[Options, list[tuple[str, Any]]]:
    """Reads a sweep file.

    Args:
        path: the file.
        options: those of the command line, which come before the file's.

    Returns:
        The options, and the fields with their values (a text as behind ``--sweep=FIELD=``, or a list).

    Raises:
        UserError: it cannot be read, is no TOML, or says something that no sweep knows.
    """
    with named_cause(path, "read"):
        content = path.read_bytes()
    try:
        value = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"--sweep_file={path} is no TOML: {' '.join(str(error).split())}.") from error
    fields = value.pop(_FIELDS, {})
    if not isinstance(fields, Mapping) or not fields:
        raise UserError(f"--sweep_file={path}: there is no table [fields] that says what to vary.")
    return _with_defaults(path, options, value), [(name, _values(path, name, fields[name])) for name in fields]


def _with_defaults(path: Path, options: Options, value: Mapping[str, Any]) -> Options:
    """Returns the options with the file's values where the command line gives none."""
    declared = {field.path: field for field in own_fields(Options())}
    names = {short: name for short, name in _NAMES.items()}
    names |= {name: name for name in OF_SWEEPS if name not in (*_NOT_IN_FILE, *_NAMES.values())}
    changes = {}
    for key, item in value.items():
        if key not in names:
            raise unknown(f"entry in {path}:", key, [_FIELDS, *names])
        field = declared[names[key]]
        check_value(dataclasses.replace(field, path=key), item)
        if getattr(options, field.path) == getattr(Options(), field.path):
            changes[field.path] = item
    return dataclasses.replace(options, **changes)


def _values(path: Path, name: str, value: Any) -> Any:
    """Returns what a field gets: a text is read as on the command line, numbers and lists stand for themselves."""
    if isinstance(value, Mapping):
        raise UserError(f'--sweep_file={path}: write dotted fields in quotes: "{name}.{next(iter(value), "...")}".')
    if isinstance(value, list):
        return [tuple(item) if isinstance(item, list) else item for item in value]
    return value if isinstance(value, str) else [value]
