"""The results of a sweep: its trials, statistics over the seeds, and the best trial."""

from __future__ import annotations

import dataclasses
import functools
import math
import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import show
from jaxdl.files.paths import expanded
from jaxdl.sweeps.definition import SEED, Definition
from jaxdl.sweeps.directory import read_definition
from jaxdl.sweeps.space.consequences import also_changed
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.sampling import Key, combination_key, grid_values
from jaxdl.sweeps.trials.schedule import planned_values, with_waiting
from jaxdl.sweeps.trials.table import TABLE, Table
from jaxdl.sweeps.trials.trial import Trial, as_row

if TYPE_CHECKING:
    import pandas


@dataclasses.dataclass(frozen=True)
class Group:
    """Trials that differ only in their seed.

    Attributes:
        values: their common values, by dotted path.
        also: what else differs from other groups; see `jaxdl.sweeps.space.consequences.also_changed`.
        trials: numbers of the completed trials.
        of: number of trials in all.
        mean: mean of the compared figure, each seed once; None if no trial was completed.
        std: its standard deviation over the seeds, with n - 1 in the denominator; None for fewer than two.
        ci95: half the width of the mean's confidence interval of 95 %, from Student's t; None for fewer than two.
    """

    values: Mapping[str, Any]
    also: Mapping[str, Any]
    trials: tuple[int, ...]
    of: int
    mean: float | None
    std: float | None
    ci95: float | None


@dataclasses.dataclass(frozen=True)
class SweepResults:
    """The results of a sweep.

    Attributes:
        definition: definition of the sweep.
        sweep_dir: its directory.
        status: ``completed``; ``preempted`` if some trials remain; ``failed`` if a trial failed and, with
            ``on_failure="stop"``, ended the sweep.
        trials: all trials, by number.
        wall_seconds: time of the command, in seconds.
        compiled: how many train and eval programs this process compiled, or read from the cache.
    """

    definition: Definition
    sweep_dir: Path
    status: str
    trials: Sequence[Trial]
    wall_seconds: float = 0.0
    compiled: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat row for each trial, with the same keys: ready for ``pandas.DataFrame(results.rows)``."""
        rows = [as_row(trial, also) for trial, also in zip(self.trials, self.also, strict=True)]
        keys = dict.fromkeys(key for row in rows for key in row)
        return [{key: row.get(key) for key in keys} for row in rows]

    def to_pandas(self) -> pandas.DataFrame:
        """Returns the rows as a data frame, indexed by trial.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UserError(
                "to_pandas() needs pandas, which is not installed: pip install pandas, or use the rows as they are "
                "(results.rows)."
            ) from None
        return pandas.DataFrame(self.rows).set_index("trial")

    @functools.cached_property
    def also(self) -> list[Values]:
        """What else differs between the trials; see `jaxdl.sweeps.space.consequences.also_changed`."""
        definition = self.definition
        return also_changed(definition.experiment, definition.space, [trial.values for trial in self.trials])

    @property
    def best(self) -> Trial | None:
        """The first completed trial of the best combination (see `groups`); None if none was completed."""
        best = self.groups[0] if self.trials else None
        return self.trials[best.trials[0]] if best is not None and best.trials else None

    @property
    def failed(self) -> list[Trial]:
        """The trials that failed for good, such as those that diverged; empty if the sweep is wholly well."""
        return [trial for trial in self.trials if trial.state == "failed"]

    @functools.cached_property
    def groups(self) -> list[Group]:
        """Statistics over the seeds, the best combination first.

        A combination with a missing seed, because its trial failed, was stopped early, has not run yet or is beyond
        ``--trials`` of a grid, comes after all complete ones: its other seeds may be the lucky ones. Trials with the
        same values, which were drawn twice, count once.
        """
        found: dict[Key, list[Trial]] = {}
        for trial in self.trials:
            found.setdefault(combination_key(trial.values), []).append(trial)
        groups = [_group(trials, self.also[trials[0].number]) for trials in found.values()]
        wanted = self._seeds()

        def rank(group: Group) -> tuple[bool, float]:
            done = {_seed(self.trials[number].values) for number in group.trials}
            lacks = not wanted[combination_key(dict(group.values))] <= done
            return lacks, math.inf if group.mean is None else self.definition.loss(group.mean)

        return sorted(groups, key=rank)

    def _seeds(self) -> dict[Key, set[str]]:
        """Returns for each combination the seeds that it should be run with."""
        definition = self.definition
        listed_all = definition.mode == "grid" and definition.space.is_known
        grids = grid_values([*definition.grids, definition.space]) if listed_all else []
        listed = {show(seed) for seed in definition.seeds}
        seeds: dict[Key, set[str]] = {}
        for values in (*(trial.values for trial in self.trials), *grids):
            seeds.setdefault(combination_key(values), set(listed)).add(_seed(values))
        return seeds

    def count(self, state: str) -> int:
        """Returns how many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)


def load_sweep(sweep_dir: Path | str, experiment: Experiment) -> SweepResults:
    """Returns the present content of a sweep directory's trial table, also of a running sweep.

    Args:
        sweep_dir: the sweep directory.
        experiment: the recipe of the sweep's experiment, as its file defines it.

    Raises:
        UserError: there is no sweep, it belongs to another experiment, or a file is damaged.
    """
    sweep_dir = expanded(sweep_dir)
    definition = read_definition(sweep_dir, experiment)
    trials = with_waiting(Table(sweep_dir / TABLE, definition).trials(), planned_values(definition))
    over = sum(trial.outcome is not None for trial in trials)
    return SweepResults(definition, sweep_dir, "completed" if over == definition.trials else "running", trials)


def _seed(values: Mapping[str, Any]) -> str:
    """Returns a trial's seed; empty if it is not varied."""
    return show(values[SEED]) if SEED in values else ""


def _group(trials: Sequence[Trial], also: Mapping[str, Any]) -> Group:
    done = [trial for trial in trials if trial.completed]
    by_seed = {_seed(trial.values): trial.objective for trial in done if trial.objective is not None}
    figures = list(by_seed.values())
    std = statistics.stdev(figures) if len(figures) > 1 else None
    ci95 = None
    if std is not None:
        from scipy.special import stdtrit  # the quantile of Student's t, without the second that scipy.stats takes

        ci95 = float(stdtrit(len(figures) - 1, 0.975)) * std / math.sqrt(len(figures))
    values = {path: value for path, value in trials[0].values.items() if path != SEED}
    mean = statistics.fmean(figures) if figures else None
    return Group(values, also, tuple(trial.number for trial in done), len(trials), mean, std, ci95)


def summary(results: SweepResults, command: Sequence[str]) -> dict[str, Any]:
    """Returns the content of the sweep's ``summary.json``."""
    best = results.best
    definition = results.definition
    return {
        "experiment": definition.experiment.name,
        "status": results.status,
        "objective": definition.objective,
        "direction": definition.direction,
        "trials": {state: results.count(state) for state in ("completed", "pruned", "failed", "running", "waiting")},
        "best": None
        if best is None
        else {
            "trial": best.number,
            "values": {path: show(value) for path, value in best.values.items()},
            "objective": best.objective,
            "metrics": dict(best.outcome.metrics) if best.outcome else {},
            "data": best.outcome.data if best.outcome else "",
            "command": best_command(best, command) if command else None,
        },
        "groups": [
            {
                **dataclasses.asdict(group),
                "values": {path: show(value) for path, value in group.values.items()},
                "also": {path: show(value) for path, value in group.also.items()},
            }
            for group in results.groups
        ],
        "compiled": dict(results.compiled),
        "wall_seconds": results.wall_seconds,
    }


def best_command(trial: Trial, command: Sequence[str]) -> str:
    """Returns a command line that runs a trial again."""
    values = [f"--{path}={show(value)}" for path, value in trial.values.items()]
    return shlex.join(["python", *command, *values])
