"""Declarations: families of parts, and what depends on a field."""

from __future__ import annotations

import dataclasses

import pytest

from jaxdl import fields
from jaxdl.errors import UserError
from tests.fields.examples import FAMILY, Inner


def test_a_family_makes_members_by_name_and_suggests_the_nearest() -> None:
    assert FAMILY.make("inner") == Inner()
    assert FAMILY.name_of(Inner(size=9)) == "inner"
    with pytest.raises(UserError, match=r"unknown inner part 'iner'. Did you mean 'inner'\?"):
        FAMILY.make("iner")


@dataclasses.dataclass(frozen=True)
class Holder:
    saved: Inner = fields.part(None, "how it is saved", default=Inner(), affects=("saving",))
    read: Inner = fields.part(FAMILY, "where data come from", default=Inner(), affects=("data", "programs"))
    limit: int = fields.static(1, "a limit", affects=("result",))
    label: str = fields.static("", "a label", affects=())
    plain: int = 1


def test_what_depends_on_a_field_is_declared_on_it_or_on_the_part_that_holds_it() -> None:
    affects = {f.path: f.affects for f in fields.walk(Holder())}
    assert affects["saved.size"] == {"saving"}
    assert affects["read"] == affects["read.rate"] == {"data", "programs"}
    assert affects["limit"] == {"result"}
    assert affects["label"] == set()
    assert affects["plain"] == {"programs"}
