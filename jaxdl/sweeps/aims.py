"""The aims of a sweep: the figure that ranks its trials, others beside it, and bounds that the best must keep."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jaxdl.errors import UserError
from jaxdl.objectives.metrics import direction

Direction = Literal["minimize", "maximize"]
# What each training costs; columns of every sweep's table.
COSTS: Mapping[str, Direction] = {
    "parameters": "minimize",
    "seconds": "minimize",
    "steps": "minimize",
    "examples_per_second": "maximize",
}
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_BOUND = re.compile(r"([^<>=]+)(<=|>=|<|>)([^<>=]+)")


@dataclass(frozen=True)
class Bound:
    """What a combination must keep to be the best, such as ``parameters<=100000``.

    Attributes:
        aim: the bounded figure, as an aim beside the first one.
        sign: ``<=``, ``>=``, ``<`` or ``>``.
        most: what it is compared with.
    """

    aim: str
    sign: str
    most: float

    def __str__(self) -> str:
        return f"{self.aim}{self.sign}{self.most:.17g}"

    def keeps(self, figure: float | None) -> bool:
        """Returns whether a figure keeps it; one that was not measured does not."""
        return figure is not None and _SIGNS[self.sign](figure, self.most)


def parse_bound(text: str) -> Bound:
    """Reads ``parameters<=100000``.

    Raises:
        UserError: it is no bound.
    """
    match = _BOUND.fullmatch(text)
    try:
        most = float(match[3]) if match else math.nan
    except ValueError:
        most = math.nan
    if match is None or not math.isfinite(most):
        raise UserError(f"--sweep_objective: {text!r} is no bound; write one such as parameters<=100000.")
    return Bound(match[1].strip(), match[2], most)


def direction_of(objective: str, measured: Sequence[str] = ()) -> Direction:
    """Returns whether smaller or larger values of a figure are better.

    Raises:
        UserError: it cannot be ranked, or it is a figure of the test split, which must not be used for tuning.
    """
    split, _, name = objective.partition("/")
    if split == "test":
        raise UserError(
            f"--sweep_objective={objective}: selecting by the test split leaves no data to measure the selected trial; "
            f"give validation/{name or 'loss'}."
        )
    if split not in ("train", "validation") or not name:
        raise UserError(f"--sweep_objective={objective}: write SPLIT/METRIC, such as validation/accuracy.")
    better = direction(objective, measured)
    if better is None:
        raise UserError(f"--sweep_objective={objective}: {name} cannot be ranked.")
    return better


def split_aims(text: str) -> tuple[str, tuple[str, ...], tuple[Bound, ...]]:
    """Returns the first aim of ``validation/accuracy,parameters,seconds<60``, the others, and the bounds.

    Raises:
        UserError: one is given twice, a bound cannot be read, or the first is a bound, or a cost, by which the smallest
            model would be the best.
    """
    items = [item.strip() for item in text.split(",")]
    bounds = tuple(parse_bound(item) for item in items if set(item) & set("<>="))
    first, *others = [item for item in items if not set(item) & set("<>=")] or [""]
    if not first:
        raise UserError(f"--sweep_objective={text}: name the figure to rank by before the bounds.")
    if first in COSTS:
        raise UserError(
            f"--sweep_objective={text}: {first} alone ranks no training; name a figure before it, such as "
            f"validation/loss,{first}."
        )
    if len({first, *others}) <= len(others):
        raise UserError(f"--sweep_objective={text}: an aim is given twice.")
    return first, tuple(others), bounds


def direction_of_aim(aim: str, measured: Sequence[str] = ()) -> Direction:
    """Returns whether smaller or larger values of an aim beside the first one are better.

    Raises:
        UserError: as `direction_of`.
    """
    if "/" not in aim and aim not in COSTS:
        raise UserError(f"--sweep_objective: {aim!r} is no aim; write SPLIT/METRIC, or one of {', '.join(COSTS)}.")
    return COSTS[aim] if aim in COSTS else direction_of(aim, measured)


def front(losses: Sequence[Sequence[float]]) -> list[int]:
    """Returns the places of the points that no other one beats: as good in every aim, and better in one (Pareto).

    Args:
        losses: for each point a value for each aim, smaller is better; a point with one that is not finite is left out.
    """
    finite = [place for place, point in enumerate(losses) if all(map(math.isfinite, point))]

    def beaten(place: int) -> bool:
        mine = losses[place]
        return any(
            all(a <= b for a, b in zip(losses[other], mine, strict=True)) and list(losses[other]) != list(mine)
            for other in finite
        )

    return [place for place in finite if not beaten(place)]
