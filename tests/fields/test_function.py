"""Kinds of parts made from functions: which fields they have, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.fields import own_fields
from jaxdl.fields.function import code_digest, kind_of, place_of


class Base:
    """A base of parts."""


def scaled(
    values: Any,
    *,
    rate: float = 2,
    count: int = 3,
    name: str = "a",
    flag: bool = False,
    sizes: tuple[int, ...] = (1, 2),
    limit: float | None = None,
    fixed: float = jaxdl.static(0.5, "not traced"),
    steps: int = jaxdl.traced(4),
    table: Any = None,
) -> Any:
    """Scales."""
    return values * rate * fixed * steps


def test_keyword_arguments_are_fields() -> None:
    kind = kind_of(scaled, Base, ("values",))
    fields = {field.path: field for field in own_fields(kind())}
    assert list(fields) == ["rate", "count", "name", "flag", "sizes", "limit", "fixed", "steps"]
    assert [name for name, field in fields.items() if field.declaration.traced] == ["rate", "steps"]
    assert fields["limit"].type == float | None
    assert fields["fixed"].declaration.help == "not traced"
    assert kind(steps=5).own_values["steps"] == 5
    assert kind(rate=3.0) == kind(rate=3.0) != kind()
    assert kind.__doc__ == "Scales."
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind().rate = 1.0


def test_the_function_takes_the_values_for_which_defaults_stand() -> None:
    kind: Any = kind_of(scaled, Base, ("values",))
    assert kind.function(1.0) == 1.0 * 2 * 0.5 * 4
    assert kind.function(1.0, fixed=1.0) == 8


def test_an_argument_without_default_is_refused() -> None:
    with pytest.raises(UserError, match=r"two \(test_function.py:\d+\): the argument b needs a default"):

        def two(a: Any, b: Any) -> None: ...

        kind_of(two, Base, ("a",))
    with pytest.raises(UserError, match=r"none \(test_function.py:\d+\) must take \(a, b\)"):

        def none(*, a: int = 0) -> None: ...

        kind_of(none, Base, ("a", "b"))


def test_only_code_counts_in_the_digest() -> None:
    def first() -> Any:
        def f(x: float) -> float:
            """A docstring."""
            return x + 1  # a comment

        return f

    def second() -> Any:
        def f(x: float) -> float:
            return (x) + 1

        return f

    def third() -> Any:
        def f(x: float) -> float:
            return x + 2

        return f

    assert code_digest(first()) == code_digest(second()) != code_digest(third())
    one = lambda x: x + 1  # noqa: E731
    two = lambda x: x + 2  # noqa: E731
    assert code_digest(one) != code_digest(two)
    assert code_digest(print) == ""
    assert place_of(print) == "print"
