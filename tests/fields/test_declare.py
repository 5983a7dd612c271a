"""Fields: reading, checking, walking, replacing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest
from flax import linen as nn
from hypothesis import given
from hypothesis import strategies as st

from jaxdl import fields
from jaxdl.errors import UserError
from jaxdl.models import MLP


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


def test_walk_gives_dotted_paths_with_resolved_types() -> None:
    assert [f.path for f in fields.walk(Outer())] == [
        "inner", "inner.rate", "inner.size", "kind", "sizes", "limit", "number",
    ]  # fmt: skip
    assert field("limit").type == int | None


def test_a_linen_module_is_walked_without_its_plumbing() -> None:
    paths = {f.path for f in fields.walk(MLP(features=(3,)))}
    assert "features" in paths
    assert not paths & {"parent", "name"}


def test_replace_reaches_parts_and_modules_and_leaves_the_original() -> None:
    before = Outer()
    after = fields.replace(before, {"inner.size": 7, "kind": "average"})
    assert (after.inner.size, after.kind, before.inner.size) == (7, "average", 3)
    assert fields.replace(MLP(features=(3,)), {"features": (4,)}).features == (4,)
    with pytest.raises(KeyError):
        fields.replace(before, {"inner.none": 1})


def test_zero_takes_an_optional_traced_field_out_of_the_program() -> None:
    assert fields.traced_values(Outer()) == {"inner.rate": 0.5, "number": 1.0}
    assert fields.traced_values(fields.replace(Outer(), {"inner.rate": 0.0, "number": 0.0})) == {"number": 0.0}


@given(st.lists(st.integers(), max_size=5).map(tuple))
def test_tuples_survive_show_and_parse(values: tuple[int, ...]) -> None:
    assert fields.parse(fields.show(values), tuple[int, ...]) == values


@given(st.floats(allow_nan=False))
def test_floats_survive_show_and_parse(value: float) -> None:
    assert fields.parse(fields.show(value), float) == value


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("none", int | None, None),
        ("3", int | None, 3),
        ("(64)", tuple[int, ...], (64,)),
        ("", tuple[int, ...], ()),
        ("3e-3", float, 3e-3),
        ("no", bool, False),
        ("average", Literal["max", "average"], "average"),
    ],
)
def test_parse(text: str, annotation: object, value: object) -> None:
    assert fields.parse(text, annotation) == value


@pytest.mark.parametrize(
    ("text", "annotation"),
    [("x", int), ("1.5", int), ("maybe", bool), ("1,x", tuple[int, ...]), ("1,,2", tuple[int, ...])],
)
def test_parse_refuses_another_type(text: str, annotation: object) -> None:
    with pytest.raises(ValueError, match=r".*"):
        fields.parse(text, annotation)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("inner.rate", 1.5, "inner.rate=1.5: must be at least 0 and below 1"),
        ("inner.size", 0, "must be at least 1"),
        ("inner.size", True, "must be int"),
        ("inner.size", 2.5, "must be int"),
        ("kind", "averge", "Did you mean 'average'"),
        ("sizes", (1, "x"), "must be int,..."),
    ],
)
def test_check_value_names_the_field_and_the_way_out(path: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        fields.check_value(field(path), value)


def test_every_declared_field_of_a_value_is_checked_however_it_was_set() -> None:
    fields.check_fields(Outer(Inner(0.1, 7)))
    for wrong, message in (
        (Outer(Inner(rate=1.5)), r"inner\.rate=1\.5: must be at least 0 and below 1"),
        (Outer(kind="avrage"), r"unknown value for kind: 'avrage'\. Did you mean 'average'"),  # type: ignore[arg-type]
        (Outer(sizes=[1, 2]), r"sizes=\[1, 2\]: must be int,\.\.\."),  # type: ignore[arg-type]
    ):
        with pytest.raises(UserError, match=message):
            fields.check_fields(wrong)


def test_what_a_users_own_module_declares_in_other_words_is_let_through() -> None:
    class Own(nn.Module):
        features: Sequence[int] = fields.static((3,), "sizes")
        function: Callable[..., Any] = nn.relu

    fields.check_fields(Own(features=(4, 5)))


def test_a_family_makes_members_by_name_and_suggests_the_nearest() -> None:
    assert FAMILY.make("inner") == Inner()
    assert FAMILY.name_of(Inner(size=9)) == "inner"
    with pytest.raises(UserError, match=r"unknown inner part 'iner'. Did you mean 'inner'\?"):
        FAMILY.make("iner")


def test_a_module_without_declarations_has_plain_fields() -> None:
    class Plain(nn.Module):
        width: int = 4

    assert [(f.path, f.value, f.enters_as_data) for f in fields.walk(Plain())] == [("width", 4, False)]


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
