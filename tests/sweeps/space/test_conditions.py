"""The grammar of conditions, beside Python's own meaning of the same text, and what is no condition."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.sweeps.space.conditions import parse_condition

FIELDS: dict[str, Any] = {"a": 3, "b": 0.5, "part.c": (8, 4, 2), "d": "sgd", "e": True, "f": None}


def lookup(path: str) -> Any:
    return FIELDS[path]


def resolve(name: str) -> str | None:
    names = {path.rpartition(".")[2]: path for path in FIELDS} | {path: path for path in FIELDS}
    return names.get(name)


def holds(text: str) -> bool:
    return parse_condition(text, resolve).holds(lookup)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("part.c[0] * a <= 24", True),
        ("c[0] * a < 24", False),
        ("c[-1] = 2", True),
        ("len(c) = 3 and c[2] != 1", True),
        ("len(c) < 3 and c[5] > 1", False),  # what follows is not computed
        ("len(c) = 3 or c[5] > 1", True),
        ("d = sgd", True),
        ("d == 'sgd'", True),
        ('d != "adam" and not d = rmsprop', True),
        ("1 < a < 4", True),
        ("1 < a < 3", False),
        ("not a > 3 and b < 1", True),
        ("a - 1 - 1 = 1", True),
        ("2 * a + 1 = 7", True),
        ("a // 2 = 1 and a % 2 = 1 and -a = 0 - 3", True),
        ("(a + 1) * 2 = 8", True),
        ("e", True),
        ("e = true and f = none", True),
        ("not (e and a > 5)", True),
        ("c[a - 2] = 4", True),
        ("a >= 3e0 and b <= .5", True),
        ("a=3", True),
    ],
)
def test_what_a_condition_says(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends too early"),
        ("a <", "ends too early"),
        ("a < 3)", r"'\)' does not belong there"),
        ("(a < 3", r"'\)' is missing"),
        ("c[0 < 3", r"'\]' is missing"),
        ("a ** 2 < 3", "does not belong there"),
        ("a < 3; import os", "';' is not understood"),
        ("__import__('os').system('true')", "is not understood"),
        ("a.__class__ = 3", "names no field"),
        ("[x for x in c] = a", "does not belong there"),
        ("lambda: a", "is not understood"),
        ("a < 0x10", "is not understood"),
        ("3 < 4", "names no field"),
        ("a < 1e999", "too large"),
        ("a < 99999999999999999999", "too large"),
        ("(" * 80 + "a" + ")" * 80 + " < 3", "nested too deeply"),
        ("not " * 80 + "e", "nested too deeply"),
        ("a < " + "1 + " * 400 + "1", "more than 1000 characters"),
        ("a < \x00", "is not understood"),
        ("and a < 3", "'and' does not belong there"),
        ("a < 3 b", "'b' does not belong there"),
    ],
)
def test_what_is_no_condition_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_condition(text, resolve)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "neither true nor false"),
        ("a / 0 < 1", "division by zero"),
        ("a % 0 < 1", "modulo"),
        ("c < 3", "< needs numbers"),
        ("d * 2 < 3", r"\* needs numbers, not 'sgd'"),
        ("e + 1 < 3", "needs numbers, not True"),
        ("c[3] < 3", r"a list of 3 has no \[3\]"),
        ("a[0] < 3", "stands behind a list"),
        ("c[0.5] < 3", "whole number"),
        ("len(a) < 3", "needs a list"),
        ("f > 3", "needs numbers, not None"),
    ],
)
def test_what_cannot_be_computed_is_named(text: str, message: str) -> None:
    condition = parse_condition(text, resolve)
    with pytest.raises(ValueError, match=message):
        condition.holds(lookup)


NUMBERS = st.one_of(st.integers(0, 9).map(str), st.sampled_from(["a", "b", "c[0]", "c[-1]", "len(c)", "0.25", "1e1"]))
SUMS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(" ".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-{text}"),
    ),
    max_leaves=6,
)
COMPARISONS = st.tuples(SUMS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), SUMS).map(" ".join)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        inner.map(lambda text: f"not {text}"),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=5,
)


@given(CONDITIONS)
def test_it_means_what_the_same_text_means_in_python(text: str) -> None:
    """Python is the reference here, in the test; the product evaluates nothing with it."""
    names = {"a": FIELDS["a"], "b": FIELDS["b"], "c": FIELDS["part.c"], "len": len}
    try:
        condition = parse_condition(text, resolve)
    except ValueError as error:
        assert "names no field" in str(error) or "nested" in str(error)
        return
    try:
        expected = eval(text, {"__builtins__": {}}, names)
    except (ZeroDivisionError, OverflowError):
        with pytest.raises(ValueError):
            condition.holds(lookup)
        return
    assert condition.holds(lookup) is expected


@given(st.text(alphabet="abcdef0123456789.()[]<>=!+-*/% 'nortl\"\n", max_size=40))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        found = parse_condition(text, resolve).holds(lookup)
    except ValueError as error:
        assert str(error) and "\n" not in str(error)
    else:
        assert found in (True, False) and not math.isnan(found)
