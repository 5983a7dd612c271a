"""Ranges of numbers: ``log(1e-4,1e-1)``, ``uniform(0,0.5,step=0.1)``, ``int(16,256,step=16)``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

RANGES = ("log", "uniform", "int")
_MOST_DIGITS = 18
_SWITCH = {"true": True, "false": False}


@dataclass(frozen=True)
class Range:
    """All numbers between two bounds, or some at equal distances.

    Attributes:
        low: the smallest.
        high: the largest.
        log: whether numbers are drawn evenly in the logarithm.
        whole: whether numbers are whole.
        number: the type of the field's numbers; a float field may get whole ones.
        step: the distance of neighbours; None: 1 if they are whole, otherwise every number is possible.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    number: type = float
    step: float | None = None

    @property
    def count(self) -> float:
        """How many numbers there are; infinite without steps."""
        if not self.whole and self.step is None:
            return math.inf
        return int((_exact(self.high) - _exact(self.low)) / self._step) + 1

    def at(self, place: int) -> float:
        """Returns one of a finite number of numbers by its place, 0 to `count` - 1."""
        number = _exact(self.low) + place * self._step  # in decimals, so that 0.1 three times is 0.3
        return int(number) if self.whole else float(number)

    def nearest(self, number: float) -> float:
        """Returns the number of the range that is nearest to one between its bounds."""
        if self.whole or self.step is None:
            return min(max(number, self.low), self.high)
        place = round((number - self.low) / self.step)
        return self.at(min(max(place, 0), int(self.count) - 1))

    @property
    def _step(self) -> Decimal:
        return Decimal(1) if self.step is None else _exact(self.step)


def read_range(kind: str, items: Sequence[str], number: type) -> Range:
    """Returns the range that a user wrote.

    Args:
        kind: one of `RANGES`.
        items: what stands in its parentheses: the two bounds, then ``step=NUMBER`` or ``log=true``.
        number: the type of the field's numbers.

    Raises:
        ValueError: it is no range; the text says what to write.
    """
    bounds = [item for item in items if "=" not in item]
    given = dict(_option(kind, item) for item in items[len(bounds) :])
    if len(bounds) != 2 or len(given) != len(items) - 2:
        raise ValueError(f"write {kind}(LOW,HIGH)" + (f" or {kind}(LOW,HIGH,step=STEP)" if kind != "log" else ""))
    whole = number is int or kind == "int"
    log = kind == "log" or _switch(given)
    if number is int and kind == "uniform":
        raise ValueError(f"the field is a whole number; write int({','.join(items)})")
    low, high = _numbers(kind, bounds, whole)
    if low >= high:
        raise ValueError("the range is empty: the first number must be below the second")
    if log and low <= 0:
        raise ValueError("a logarithmic range must start above 0")
    if "step" not in given:
        return Range(low, high, log, whole, number)
    if log:
        raise ValueError("a logarithmic range has no steps; leave one of them out, or list the values")
    return _stepped(low, high, given["step"], whole, number)


def _option(kind: str, item: str) -> tuple[str, str]:
    name, _, value = (part.strip() for part in item.partition("="))
    if name not in ("step", "log"):
        raise ValueError(f"{name or item!r} is unknown here; write {kind}(LOW,HIGH,step=STEP)")
    return name, value


def _switch(given: Mapping[str, str]) -> bool:
    text = given.get("log", "false").lower()
    if text not in _SWITCH:
        raise ValueError(f"log={text} must be true or false")
    return _SWITCH[text]


def _numbers(kind: str, items: Sequence[str], whole: bool) -> list[Any]:
    try:
        numbers = [int(item) if whole else float(item) for item in items]
    except ValueError:
        raise ValueError(f"write {kind}(LOW,HIGH) with {'whole ' if whole else ''}numbers") from None
    if not whole and not all(map(math.isfinite, numbers)):
        raise ValueError(f"write {kind}(LOW,HIGH) with two finite numbers")
    if whole and max(len(str(abs(number))) for number in numbers) > _MOST_DIGITS:
        raise ValueError("the numbers are too large")
    return numbers


def _stepped(low: float, high: float, text: str, whole: bool, number: type) -> Range:
    """Returns a range with steps; its upper bound is the last number that they reach."""
    try:
        step = int(text) if whole else float(text)
    except ValueError:
        raise ValueError(f"step={text} must be a {'whole ' if whole else ''}number") from None
    if not 0 < step < math.inf or _exact(step) > _exact(high) - _exact(low):
        raise ValueError(f"step={text} must be above 0, and at most the width of the range")
    found = Range(low, high, False, whole, number, step)
    if found.count > 10**_MOST_DIGITS:
        raise ValueError(f"step={text} is too small for the range")
    return Range(low, found.at(int(found.count) - 1), False, whole, number, step)


def _exact(number: float) -> Decimal:
    """Returns a number as it is written, so that sums of written numbers are exact."""
    return Decimal(repr(number))
