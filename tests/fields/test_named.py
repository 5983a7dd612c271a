"""Parts by name: fields, flags and traced numbers as of any dataclass."""

from __future__ import annotations

import dataclasses

import pytest

from jaxdl.errors import UserError
from jaxdl.fields import Family, replace, static, traced, traced_values, walk
from jaxdl.fields.named import Named, named_class


@dataclasses.dataclass(frozen=True)
class Part:
    size: int = static(1, "its size")
    rate: float = traced(0.5, "its rate")


class Base(Named):
    """Has a method."""

    def method(self) -> None: ...


FAMILY = Family("part", {"part": Part})


def test_each_name_is_a_part_with_its_own_fields() -> None:
    kind = named_class(Base, FAMILY, ("a", "b"), {"share": traced(1.0, "share")})
    value = kind(a=Part(), b=Part(size=2))
    assert value.names == ("a", "b") and value.parts == {"a": Part(), "b": Part(size=2)}
    assert [field.path for field in walk(value)] == ["a", "a.size", "a.rate", "b", "b.size", "b.rate", "share"]
    changed = replace(value, {"b.rate": 0.25, "share": 2.0})
    assert traced_values(changed) == {"a.rate": 0.5, "b.rate": 0.25, "share": 2.0}
    assert FAMILY.name_of(value) == "several"


def test_the_name_of_a_method_is_refused() -> None:
    with pytest.raises(UserError, match="part: the name 'method' is used for something else here"):
        named_class(Base, FAMILY, ("method",))
