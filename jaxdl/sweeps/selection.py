"""What a user says of how the trials of a sweep are chosen and compared; flags, files and Python follow it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jaxdl.fields import at_least, described, static


@described
@dataclasses.dataclass(frozen=True)
class Selection:
    """How the trials of a sweep are chosen and compared."""

    sweep_mode: Literal["", "grid", "random", "tpe"] = static(
        "",
        "how values are chosen: all combinations, combinations drawn at random, or drawn by what earlier trials gave "
        "(TPE: Bergstra et al. 2011, Algorithms for hyper-parameter optimization); where not given, a grid if every "
        "field has a list, else random",
    )
    trials: int = static(
        0, "trainings of a sweep in all; for a grid all combinations where not given", check=at_least(0)
    )
    sweep_objective: str = static(
        "", "figure by which trials are compared, such as validation/accuracy; --watch where not given"
    )
    direction: Literal["", "minimize", "maximize"] = static(
        "", "whether less or more of that figure is better; what its name says where not given"
    )
    prune: Literal["none", "asha", "hyperband"] = static(
        "none",
        "how trials that fall behind are stopped early: not at all, by asynchronous successive halving (Li et al. "
        "2020, arXiv:1810.05934), or by Hyperband (Li et al. 2018, arXiv:1603.06560)",
    )
    sweep_seed: int = static(0, "seed of the values that are drawn", check=at_least(0))
