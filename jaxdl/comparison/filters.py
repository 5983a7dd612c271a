"""Conditions on runs, as a user writes them: ``experiment=mnist_cnn test/accuracy>0.99``; nothing is evaluated."""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jaxdl.comparison.runs import Run
from jaxdl.errors import UserError, did_you_mean
from jaxdl.fields import show
from jaxdl.record.notes import Tags

_TERM = re.compile(r"([^\s=<>!]+)(!=|>=|<=|=|>|<)(\S*)")
_ORDER: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


@dataclasses.dataclass(frozen=True)
class Condition:
    """One condition on a run.

    Attributes:
        name: of a fact (``status``), a figure (``test/accuracy``) or a field (``learning_rate``).
        sign: ``=``, ``!=``, ``>``, ``<``, ``>=`` or ``<=``.
        value: what it is compared with, as text.
    """

    name: str
    sign: str
    value: str

    def holds(self, run: Run) -> bool:
        """Returns whether it holds; a run that has nothing of that name only fulfils ``!=``."""
        found = run.value(self.name)
        if self.sign in ("=", "!="):
            return (found is not None and _same(found, self.value)) is (self.sign == "=")
        wanted, there = _as_number(self.value), _as_number(found)
        return wanted is not None and there is not None and _ORDER[self.sign](there, wanted)


def parse_conditions(text: str) -> list[Condition]:
    """Reads conditions that are separated by spaces; all of them must hold.

    Raises:
        UserError: one of them is none, or it orders by something that is no number.
    """
    found = []
    for term in text.split():
        match = _TERM.fullmatch(term)
        if match is None:
            raise UserError(
                f"--filter: {term!r} is no condition; write NAME=VALUE, or another of != > < >= <= in the place of =, "
                "without spaces, such as test/accuracy>0.99"
            )
        condition = Condition(*match.groups())
        if condition.sign in _ORDER and _as_number(condition.value) is None:
            raise UserError(f"--filter: {term}: {condition.sign} compares numbers, and {condition.value!r} is none.")
        found.append(condition)
    return found


def chosen(runs: Iterable[Run], conditions: Sequence[Condition]) -> list[Run]:
    """Returns the runs for which all conditions hold.

    Raises:
        UserError: no run has anything of a condition's name; the nearest one is told.
    """
    runs = list(runs)
    for condition in conditions:
        if runs and all(run.value(condition.name) is None for run in runs):
            raise _unknown(condition.name, runs)
    # What asks for a field comes last: the recipe is read only of the runs that are left.
    in_turn = (
        sorted(conditions, key=lambda each: "/" not in each.name and each.name not in runs[0].facts) if runs else []
    )
    return [run for run in runs if all(condition.holds(run) for condition in in_turn)]


def in_order(runs: Sequence[Run], name: str) -> list[Run]:
    """Returns runs sorted by a fact, a figure or a field; those that do not have it come last.

    Args:
        runs: the runs.
        name: what to sort by, ascending; with a minus in front descending.

    Raises:
        UserError: no run has anything of that name.
    """
    name, descending = name.removeprefix("-"), name.startswith("-")
    values = [(run.value(name), run) for run in runs]
    if runs and all(value is None for value, _ in values):
        raise _unknown(name, runs)
    known = [(value, run) for value, run in values if value is not None and value == value]
    numbers = all(_as_number(value) is not None for value, _ in known)
    known.sort(key=lambda pair: _as_number(pair[0]) if numbers else str(pair[0]), reverse=descending)  # type: ignore[arg-type, return-value]
    return [run for _, run in known] + [run for value, run in values if value is None or value != value]


def _unknown(name: str, runs: Sequence[Run]) -> UserError:
    names = dict.fromkeys(known for run in runs[:50] for known in (*run.facts, *run.metrics, *run.config))
    return UserError(f"no run has anything of the name {name!r}.{did_you_mean(name, list(names))}")


def _same(found: Any, value: str) -> bool:
    if isinstance(found, Tags):
        return value in found
    one, other = _as_number(found), _as_number(value)
    if one is not None and other is not None:
        return one == other
    return show(found) == value or str(found) == value


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None or isinstance(value, tuple):
        return None
    try:
        return float(value)
    except ValueError:
        return None
