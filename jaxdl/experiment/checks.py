"""Checks of an experiment's fields: each returns what is wrong with a value, or None."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from jaxdl.backend.mesh import parse_mesh
from jaxdl.fields.interval import Interval

# Other names of dtypes: those of Lightning, Accelerate and others.
PRECISIONS = {
    "fp32": "float32",
    "32": "float32",
    "bf16": "bfloat16",
    "bf16-mixed": "bfloat16",
    "fp16": "float16",
    "16": "float16",
    "16-mixed": "float16",
}


def watch(value: str) -> str | None:
    split, _, metric = value.partition("/")
    known = split in ("train", "validation") and metric
    return None if known else "must be SPLIT/METRIC with the split train or validation, such as validation/accuracy"


def batch_size(value: int) -> str | None:
    return None if 1 <= value < 2**24 else "must be at least 1 and below 2**24"


def seed(value: int) -> str | None:
    return None if 0 <= value < 2**32 else "must be at least 0 and below 2**32"


def interval(value: str) -> str | None:
    try:
        Interval.parse(value)
    except ValueError as error:
        return str(error)
    return None


def listed_weights(value: Any) -> Any:
    """Returns weights by class, such as ``{0: 1.0, 1: 5.0}``, as a tuple; 1 for those that are left out."""
    if not isinstance(value, Mapping) or not all(isinstance(each, int) and each >= 0 for each in value):
        return tuple(value) if isinstance(value, list) else value
    return tuple(float(value.get(number, 1.0)) for number in range(max(value, default=-1) + 1))


def class_weight(value: tuple[float, ...] | str | None) -> str | None:
    if not isinstance(value, tuple) or (all(0 <= weight < math.inf for weight in value) and any(value)):
        return None
    return "must be finite numbers of at least 0, one or more of them above 0"


def mesh(value: str | None) -> str | None:
    try:
        parse_mesh(value or "data:1")
    except ValueError as error:
        return str(error)
    return None


def trackers(value: tuple[str, ...]) -> str | None:
    return None if len(set(value)) == len(value) else "names a tracker twice"
