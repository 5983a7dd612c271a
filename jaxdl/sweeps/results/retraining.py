"""The best combination of a sweep trained again, with seeds that had no part in the choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import replace
from jaxdl.files.paths import expanded
from jaxdl.sweeps.definition import SEED
from jaxdl.sweeps.executors.execution import Execution
from jaxdl.sweeps.results.groups import Group
from jaxdl.sweeps.space.space import apply

if TYPE_CHECKING:
    from jaxdl.sweeps.results.results import SweepResults


def experiment_of(results: SweepResults, group: Group | None = None) -> Experiment:
    """Returns the recipe with the values of a combination; see `SweepResults.best_experiment`."""
    definition = results.definition
    if definition.mode == "pbt":
        raise UserError(
            "the members of a population change their values while they train, so none has a recipe of its own; "
            "results.schedule says how they changed."
        )
    if group is None and results.best is None:
        raise UserError("no combination of the sweep was completed within its bounds: there is no best one.")
    chosen = group or results.groups[0]
    experiment = apply(definition.experiment, chosen.values)
    # Folds are for the choice; who goes on with the best one wants all of train.
    return replace(experiment, {"data.folds": 0, "data.fold": None}) if experiment.data.folds else experiment


def fresh_seeds(results: SweepResults, count: int) -> list[int]:
    """Returns the first seeds after all that the sweep has trained with."""
    used = [results.definition.experiment.seed, *(t.values[SEED] for t in results.trials if SEED in t.values)]
    first = max(used) + 1
    return list(range(first, first + count))


def retrained(
    results: SweepResults,
    seeds: int | Sequence[int],
    group: Group | None,
    sweep_dir: Path | str | None,
    data_dir: Path | str | None,
    execution: Execution | None,
    notify: Callable[[str], None] | None,
) -> SweepResults:
    """Trains a combination again; see `SweepResults.retrain`."""
    from jaxdl.sweeps.api import sweep  # here, since it imports the results

    experiment = experiment_of(results, group)
    chosen = fresh_seeds(results, seeds) if isinstance(seeds, int) else list(seeds)
    if not chosen:
        raise UserError("retrain: give one seed or more, or how many.")
    number = (group or results.groups[0]).trials[0]
    beside = results.sweep_dir.with_name(f"{results.sweep_dir.name}-retrained-{number}")
    return sweep(
        experiment,
        {SEED: chosen},
        sweep_dir=expanded(sweep_dir) if sweep_dir else beside,
        data_dir=data_dir,
        mode="grid",
        sweep_objective=results.definition.objective,
        direction=results.definition.direction,
        execution=execution,
        notify=notify,
    )
