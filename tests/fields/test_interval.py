"""How users write intervals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxdl.fields.interval import Interval


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("30s", 30, "seconds"),
        ("1.5 min", 90, "seconds"),
        ("2 hours", 7200, "seconds"),
        ("500steps", 500, "steps"),
        ("1epoch", 1, "epochs"),
        ("3 Epochs", 3, "epochs"),
        (".5s", 0.5, "seconds"),
    ],
)
def test_numbers_with_units_are_read(text: str, amount: float, unit: str) -> None:
    assert Interval.parse(text) == Interval(amount, unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "number with its unit"),
        ("30", "number with its unit"),
        ("5 parsecs", "number with its unit"),
        ("-5s", "number with its unit"),
        ("0s", "more than 0"),
        ("1.5epochs", "whole number of epochs"),
        ("0.5steps", "whole number of steps"),
        ("9" * 400 + "s", "more than 0"),
    ],
)
def test_anything_else_is_refused_with_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Interval.parse(text)


@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    try:
        interval = Interval.parse(text)
    except ValueError:
        return
    assert interval.amount > 0


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_epochs_are_so_many_steps(epochs: int, steps_per_epoch: int) -> None:
    assert Interval.parse(f"{epochs}epochs").in_steps(steps_per_epoch) == epochs * steps_per_epoch
    assert Interval.parse(f"{epochs}steps").in_steps(steps_per_epoch) == epochs
    assert Interval.parse(f"{epochs}s").in_steps(steps_per_epoch) is None
