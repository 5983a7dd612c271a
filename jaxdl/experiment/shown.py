"""A recipe as a notebook shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxdl.errors import brief
from jaxdl.experiment.recipe import Experiment
from jaxdl.fields import own_fields, walk
from jaxdl.report.page import escaped, pairs


def recipe_sections(experiment: Experiment) -> list[str]:
    """Returns the parts of a page: what a recipe sets, and all fields with their values, folded up."""
    said = _set_fields(experiment)
    every = {field.path: _shown(field.value) for field in walk(experiment) if not dataclasses.is_dataclass(field.value)}
    return [
        f"<h1>{escaped(experiment.name)}</h1>",
        pairs({path: text for path, text in said.items() if path != "name"}),
        f"<details><summary>all {len(every)} fields</summary>{pairs(every)}</details>",
    ]


def _set_fields(part: Any) -> dict[str, str]:
    """Returns the fields of a part that have not their default, each as it is written in Python."""
    return {field.path: _shown(field.value) for field in own_fields(part) if not _same(field.value, field.default)}


def _same(value: Any, default: Any) -> bool:
    """Returns whether a value is the default; arrays are not compared, since no default is one."""
    return type(value) is type(default) and not isinstance(value, Mapping) and value == default


def _shown(value: Any) -> str:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}({', '.join(f'{path}={text}' for path, text in _set_fields(value).items())})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_shown(item)}" for name, item in value.items()) + "}"
    if isinstance(value, np.ndarray) or hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, list | tuple) and any(hasattr(item, "dtype") for item in value):
        return f"({', '.join(map(_shown, value))})"
    if isinstance(value, str):
        # Arrays stand in a recipe by their digest.
        return f"{value[:8]}..." if len(value) == 64 and set(value) <= set("0123456789abcdef") else repr(str(value))
    return brief(value)
