"""A dataclass with a part and a field of each type."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jaxdl import fields


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = fields.traced(0.5, "a rate", optional=True, check=fields.fraction)
    size: int = fields.static(3, "a size", check=fields.at_least(1))


FAMILY = fields.Family("inner part", {"inner": Inner})


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner = fields.part(FAMILY, "the inner part", default=Inner())
    kind: Literal["max", "average"] = fields.static("max", "a kind")
    sizes: tuple[int, ...] = fields.static((1, 2), "some sizes")
    limit: int | None = fields.static(None, "a limit")
    number: float = fields.traced(1.0, "a number")


def field(path: str, value: Outer | None = None) -> fields.Field:
    return next(f for f in fields.walk(value or Outer()) if f.path == path)
