"""The aims of a sweep: the figure that ranks its trials, and others beside it, such as the number of parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


def split_aims(text: str) -> tuple[str, tuple[str, ...]]:
    """Returns the first aim of ``validation/accuracy,parameters``, and the others.

    Raises:
        UserError: one is given twice, or the first is a cost, by which the smallest model would be the best.
    """
    first, *others = (aim.strip() for aim in text.split(","))
    if first in COSTS:
        raise UserError(
            f"--sweep_objective={text}: {first} alone ranks no training; name a figure before it, such as "
            f"validation/loss,{first}."
        )
    if len({first, *others}) <= len(others):
        raise UserError(f"--sweep_objective={text}: an aim is given twice.")
    return first, tuple(others)


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
