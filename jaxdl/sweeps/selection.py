"""Options for how the trials of a sweep are chosen and compared, for flags, files and Python."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jaxdl.fields import at_least, described, static


@described
@dataclasses.dataclass(frozen=True)
class Selection:
    """How the trials of a sweep are chosen and compared."""

    sweep_mode: Literal["", "grid", "random", "sobol", "tpe", "cmaes", "pbt"] = static(
        "",
        "how values are chosen: all combinations, combinations drawn at random or spread evenly (sobol), or drawn "
        "using earlier results (TPE: Bergstra et al. 2011, Algorithms for hyper-parameter optimization; CMA-ES: Hansen "
        "2016, arXiv:1604.00772), or those of a population whose worst members take over from the best while they "
        "train (pbt: Jaderberg et al. 2017, arXiv:1711.09846); by default, a grid if every field has a list, otherwise "
        "random",
    )
    trials: int = static(
        0, "number of trainings in a sweep; for a grid, by default all combinations", check=at_least(0), affects=()
    )
    sweep_objective: str = static(
        "",
        "figure by which trials are compared, such as validation/accuracy; by default --watch; several aims, such as "
        "validation/accuracy,parameters, give a front; with a bound, as in validation/accuracy,parameters<=100000, the "
        "best is one that keeps it",
    )
    direction: Literal["", "minimize", "maximize"] = static(
        "", "whether smaller or larger values of that figure are better; by default known from its name"
    )
    prune: Literal["none", "median", "asha", "halving", "hyperband"] = static(
        "none",
        "how worse trials are stopped early: not at all, where they are worse than the median of the earlier ones, by "
        "asynchronous successive halving (Li et al. 2020, arXiv:1810.05934), by successive halving, which compares all "
        "combinations at the same epochs (Jamieson and Talwalkar 2016, arXiv:1502.07943), or by Hyperband (Li et al. "
        "2018, arXiv:1603.06560)",
    )
    sweep_seed: int = static(0, "seed of the values that are drawn", check=at_least(0), affects=())
    exchange_every: int = static(
        1,
        "after how many epochs the worst members of a population take over from the best",
        check=at_least(1),
        only_with=("sweep_mode", ("pbt",)),
    )
    sweep_if: tuple[str, ...] = static(
        (), "repeatable: a condition on each combination, such as 'model.features[0] * batch_size <= 4096'"
    )
    sweep_pairs: str = static(
        "", "CSV file of combinations that are tried as they stand; its first line names the fields", path=True
    )
    enqueue: tuple[str, ...] = static(
        (), "repeatable: a known setting that is tried first, such as 'learning_rate=1e-3 batch_size=32'"
    )
