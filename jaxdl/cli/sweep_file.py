"""Sweeps in a TOML file: the same names and values as the flags, in a file to keep and share.

sweep_mode = "random"
trials = 60
sweep_objective = "validation/accuracy"

[fields]
learning_rate = "log(1e-4,1e-1)"
"model.features" = [64, 128, [256, 128]]
seed = "0:3"
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdl.cli.options import file_options
from jaxdl.errors import UserError, unknown
from jaxdl.fields import check_value, needed, parse, show
from jaxdl.files.atomic import named_cause

_FIELDS = "fields"


def read_sweep_file(path: Path) -> dict[str, Any]:
    """Reads a sweep file.

    Returns:
        Values of options by the names of their flags; the fields are under ``sweep``, in the form of the command line.

    Raises:
        UserError: it cannot be read, is not valid TOML, or has an unknown entry.
    """
    with named_cause(path, "read"):
        content = path.read_bytes()
    try:
        value = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(f"--sweep_file={path} is not valid TOML: {' '.join(str(error).split())}.") from error
    fields = value.pop(_FIELDS, {})
    if not isinstance(fields, Mapping) or not (fields or "sweep_pairs" in value):
        raise UserError(f"--sweep_file={path}: there is no table [fields] that says what to vary.")
    known = file_options()
    options: dict[str, Any] = {}
    for key, item in value.items():
        if key == "objective":
            raise UserError(
                f"--sweep_file={path}: objective names the loss; what a sweep compares trials by is "
                f"sweep_objective = {json.dumps(str(item))}."
            )
        if key not in known:
            raise unknown(f"entry in {path}:", key, [_FIELDS, *known])
        field = dataclasses.replace(known[key], path=key)
        if field.type == tuple[str, ...]:  # conditions and known settings, in which commas may stand
            item = (item,) if isinstance(item, str) else tuple(item) if isinstance(item, list) else item
        elif isinstance(item, str):  # in the form of a flag, such as sweep_batch = "4"
            try:
                item = parse(item, field.type)
            except ValueError:
                raise UserError(f"{key}={item}: must be {needed(field.type)}.") from None
        check_value(field, item)
        options[key] = item
    return options | {"sweep": tuple(f"{name}={_spec(path, name, fields[name])}" for name in fields)}


def _spec(path: Path, name: str, value: Any) -> str:
    """Returns the values of a field in the form of the command line."""
    if isinstance(value, Mapping):
        raise UserError(f'--sweep_file={path}: write dotted fields in quotes: "{name}.{next(iter(value), "...")}".')
    if isinstance(value, str):
        return value
    items = value if isinstance(value, list) else [value]
    return ",".join(f"({show(tuple(item))})" if isinstance(item, list) else show(item) for item in items)
