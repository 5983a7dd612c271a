"""JSON as the files of a run have it.

JSON has no word for numbers that are not finite: they are written as the strings ``"nan"``, ``"inf"`` and ``"-inf"``,
which Python's ``float`` reads, and read back as numbers.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError

_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def json_text(value: Mapping[str, Any]) -> str:
    """Returns JSON as the files of a run have it: on several lines, ending with a newline."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Returns `value` in JSON's own types: arrays as lists, paths as text, numbers that are not finite as words."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # arrays and scalars of NumPy and JAX
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, os.PathLike) else value


def number(value: Any) -> Any:
    """Returns a number that is not finite from the string that stands for it; any other value as it is."""
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def parse(text: str, file: Path, line: int | None = None) -> dict[str, Any]:
    """Returns the JSON object that a text is.

    Args:
        text: the text.
        file: where it stands, for the message.
        line: number of the line in it, where there are several.

    Raises:
        UserError: it is no JSON, or no object.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {line}: " if line is not None else ""
        reason = " ".join(str(error).split())
        raise UserError(f"{file} is damaged ({where}{reason}): restore it, or start a new run.") from error
    if not isinstance(value, dict):
        where = f"line {line} of {file}" if line is not None else str(file)
        raise UserError(f"{where} is damaged (no JSON object): restore it, or start a new run.")
    return value
