"""The results of a sweep: its trials, statistics over the seeds, and the best trial."""

from __future__ import annotations

import dataclasses
import functools
import math
import shlex
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxdl.errors import UserError, check_installed, needed
from jaxdl.experiment import Experiment
from jaxdl.fields import show
from jaxdl.files.paths import expanded
from jaxdl.report.notebook import framed
from jaxdl.report.terminal import announce
from jaxdl.sweeps.aims import front
from jaxdl.sweeps.definition import FOLD, SEED, Definition
from jaxdl.sweeps.directory import read_definition
from jaxdl.sweeps.results.groups import Group, group_of, interval, repeat_of
from jaxdl.sweeps.results.luck import Luck, luck
from jaxdl.sweeps.space.consequences import also_changed
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.sampling import Key, combination_key, grid_values
from jaxdl.sweeps.trials.population import read_schedule
from jaxdl.sweeps.trials.schedule import planned_values, with_waiting
from jaxdl.sweeps.trials.table import TABLE, Table
from jaxdl.sweeps.trials.trial import Trial, as_row

if TYPE_CHECKING:
    import numpy as np
    import pandas
    from matplotlib.figure import Figure

    from jaxdl.sweeps.executors.execution import Execution


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

    def _repr_html_(self) -> str:
        """Returns the best combination, all of them and the learning curves, as a notebook shows them."""
        from jaxdl.sweeps.results.report import outcome_sections  # here, since it imports this module

        return framed(outcome_sections(self))

    def plot(self, *fields: str) -> Figure:
        """Returns the compared figure over the values of each field as a Matplotlib figure, a dot for each trial.

        Args:
            fields: which ones, by path or last name; none: all but the seed.

        Raises:
            UserError: the sweep does not vary such a field, or no trial was completed.
        """
        from jaxdl.sweeps.results.fields import fields_over

        return fields_over(self, fields)

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
        pandas = needed("pandas", "tables", "to_pandas()", "use the rows as they are (results.rows)")
        return pandas.DataFrame(self.rows).set_index("trial")

    @functools.cached_property
    def also(self) -> list[Values]:
        """What else differs between the trials; see `jaxdl.sweeps.space.consequences.also_changed`."""
        definition = self.definition
        return also_changed(definition.experiment, definition.space, [trial.values for trial in self.trials])

    @property
    def best(self) -> Trial | None:
        """The first completed trial of the best combination (see `groups`); None if none was completed in bounds."""
        best = self.groups[0] if self.trials else None
        if best is None or not best.trials or not self.keeps_bounds(best):
            return None
        return self.trials[best.trials[0]]

    def best_experiment(self, group: Group | None = None) -> Experiment:
        """Returns the recipe with the values of the best combination: what `jaxdl.train` takes.

        Its seed is the recipe's, and it has no folds: it trains on all of train.

        Args:
            group: another one of `groups`; None: the best.

        Raises:
            UserError: no combination was completed, or they are members of a population.
        """
        from jaxdl.sweeps.results.retraining import experiment_of

        return experiment_of(self, group)

    def retrain(
        self,
        seeds: int | Sequence[int] = 5,
        *,
        group: Group | None = None,
        sweep_dir: Path | str | None = None,
        data_dir: Path | str | None = None,
        execution: Execution | None = None,
        notify: Callable[[str], None] | None = announce,
    ) -> SweepResults:
        """Trains the best combination again with fresh seeds, which had no part in the choice.

        The best of many owes something to its seeds; the mean over fresh ones does not. An unfinished call is resumed
        by the same one.

        Args:
            seeds: how many; or the seeds themselves. By default those after all that the sweep has used.
            group: another one of `groups`; None: the best.
            sweep_dir: where the trainings lie; None: beside the sweep, with ``-retrained-<trial>`` behind its name.
            data_dir, execution, notify: as in `jaxdl.sweep`.

        Returns:
            A sweep over the seeds: ``groups[0]`` has the mean and its interval.

        Raises:
            UserError: as `best_experiment` and `jaxdl.sweep`.
        """
        from jaxdl.sweeps.results.retraining import retrained  # here, since sweeps import this module

        return retrained(self, seeds, group, sweep_dir, data_dir, execution, notify)

    def keeps_bounds(self, group: Group) -> bool:
        """Returns whether a combination keeps all bounds of the sweep, by means over its seeds."""
        return self.definition.keeps_bounds(group.others.get)

    @property
    def failed(self) -> list[Trial]:
        """The trials that failed for good, such as those that diverged; empty if the sweep is wholly well."""
        return [trial for trial in self.trials if trial.state == "failed"]

    @functools.cached_property
    def groups(self) -> list[Group]:
        """Statistics over the seeds, the best combination first; those that do not keep a bound come last.

        A combination with a missing seed, because its trial failed, was stopped early, has not run yet or is beyond
        ``--trials`` of a grid, comes after all complete ones: its other seeds may be the lucky ones. Trials with the
        same values, which were drawn twice, count once.
        """
        found: dict[Key, list[Trial]] = {}
        for trial in self.trials:
            found.setdefault(combination_key(trial.values), []).append(trial)
        definition, wanted = self.definition, self._seeds()
        aims = (*definition.others, *(bound.aim for bound in definition.bounds))
        groups = [
            group_of(trials, self.also[trials[0].number], aims, wanted[combination])
            for combination, trials in found.items()
        ]

        def rank(group: Group) -> tuple[bool, bool, float]:
            loses = not self.keeps_bounds(group), not group.complete
            return *loses, math.inf if group.mean is None else self.definition.loss(group.mean)

        return sorted(groups, key=rank)

    @functools.cached_property
    def front(self) -> list[Group]:
        """The combinations that no other one beats (Pareto), by means over seeds; the first aim's best comes first.

        With one aim it is the best one. A combination with a missing seed, or out of bounds, is left out.
        """
        whole = [each for each in self.groups if each.complete and each.mean is not None and self.keeps_bounds(each)]
        aims = [[group.mean, *(group.others.get(aim) for aim in self.definition.others)] for group in whole]
        places = front([self.definition.losses(figures) for figures in aims])
        return [whole[place] for place in (places if self.definition.others else places[:1])]

    @functools.cached_property
    def luck(self) -> Luck | None:
        """How far the best lies above the mean by chance alone; None with fewer than two seeds each."""
        whole = [group for group in self.groups if group.complete]
        return luck([self._losses_of_seeds(group) for group in whole])

    def _losses_of_seeds(self, group: Group) -> list[float]:
        """Returns for each seed of a combination what its training, or those of its folds on average, lost."""
        of_seed: dict[Any, list[float]] = {}
        for number in group.trials:
            if (figure := self.trials[number].objective) is not None:
                values = self.trials[number].values
                seed = values.get(SEED, 0) if FOLD in values else number
                of_seed.setdefault(seed, []).append(self.definition.loss(figure))
        return [statistics.fmean(each) for each in of_seed.values()]

    def mean_of(self, group: Group, name: str) -> tuple[float, float | None, int] | None:
        """Returns the mean of a metric over a combination's seeds, half the width of its interval, and their number.

        The interval is that of 95 %; None where the metric was not measured.
        """
        having = [trial for trial in self.trials_of(group) if trial.outcome and name in trial.outcome.metrics]
        figures = [trial.outcome.metrics[name] for trial in having if trial.outcome]
        return (statistics.fmean(figures), interval(having, figures), len(figures)) if figures else None

    def trials_of(self, group: Group) -> list[Trial]:
        """Returns the completed trials of a combination."""
        return [self.trials[number] for number in group.trials]

    def out_of_fold(self, group: Group | None = None) -> dict[str, np.ndarray]:
        """Returns what the models of the folds predict for the examples that each was validated on.

        Args:
            group: the combination; None: the best one.

        Returns:
            ``examples`` (examples,), their numbers in the source's train, rising; ``folds`` (examples,);
            ``predictions`` (examples, ...), means over the seeds, and ``targets`` (examples, ...). With several outputs
            ``predictions/NAME`` and ``targets/NAME``.

        Raises:
            UserError: the sweep has no folds, or what a fold has predicted cannot be read.
        """
        from jaxdl.sweeps.results.out_of_fold import out_of_fold

        group = group or (self.groups[0] if self.groups else None)
        trials = [] if group is None else self.trials_of(group)
        if not trials or any(FOLD not in trial.values for trial in trials):
            raise UserError("out-of-fold predictions need a finished sweep of a recipe with data.folds.")
        return out_of_fold(self.sweep_dir, trials)

    def _seeds(self) -> dict[Key, set[str]]:
        """Returns for each combination the seeds that it should be run with."""
        definition = self.definition
        listed_all = definition.mode == "grid" and definition.space.is_known
        grids = grid_values([*definition.grids, definition.space]) if listed_all else []
        listed = {repeat_of(values) for values in definition.repeats}
        seeds: dict[Key, set[str]] = {}
        for values in (*(trial.values for trial in self.trials), *grids):
            seeds.setdefault(combination_key(values), set(listed)).add(repeat_of(values))
        return seeds

    @functools.cached_property
    def schedule(self) -> list[dict[str, Any]]:
        """What was decided in a population, in the order of the epochs; empty without one.

        For each exchange ``epoch``, ``figures`` of all members, and ``members``: by the number of each that was
        replaced ``from`` which one, and its new ``values``.
        """
        return read_schedule(self.sweep_dir)

    def count(self, state: str) -> int:
        """Returns how many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)


def load_sweep(sweep_dir: Path | str, experiment: Experiment) -> SweepResults:
    """Returns the present content of a sweep directory's trial table, also of a running sweep.

    Args:
        sweep_dir: the sweep directory.
        experiment: the recipe of the sweep's experiment, as its file defines it.

    Raises:
        UserError: there is no sweep, it belongs to another experiment, a file is damaged, or a package is missing.
    """
    check_installed(["optuna"], "sweep", "reading a sweep")
    sweep_dir = expanded(sweep_dir)
    definition = read_definition(sweep_dir, experiment)
    trials = with_waiting(Table(sweep_dir / TABLE, definition).trials(), planned_values(definition))
    over = sum(trial.outcome is not None for trial in trials)
    return SweepResults(definition, sweep_dir, "completed" if over == definition.trials else "running", trials)


def summary(results: SweepResults, command: Sequence[str]) -> dict[str, Any]:
    """Returns the content of the sweep's ``summary.json``."""
    best = results.best
    definition = results.definition
    return {
        "experiment": definition.experiment.name,
        "status": results.status,
        "objective": definition.objective,
        "direction": definition.direction,
        "others": list(definition.others),
        "bounds": list(map(str, definition.bounds)),
        "front": [list(group.trials) for group in results.front],
        "luck": dataclasses.asdict(results.luck) if results.luck else None,
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
