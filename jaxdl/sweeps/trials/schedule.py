"""The order of trials: first those that an earlier process did not finish, then new ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import show
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.space.sampling import draw, grid_values
from jaxdl.sweeps.space.space import Values, apply
from jaxdl.sweeps.trials.pruning import Rivals
from jaxdl.sweeps.trials.table import Table
from jaxdl.sweeps.trials.trial import Job, Outcome, Trial, trial_dir
from jaxdl.training.programs import program_key

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_MOST_CHECKED = 1000


def planned_values(definition: Definition) -> list[Values] | None:
    """Returns the values of all trials by number, None if results of earlier trials decide about later ones."""
    if definition.mode == "grid":
        return grid_values([*definition.grids, definition.space])[: definition.trials]
    if definition.mode == "random":
        return [draw(definition, number) for number in range(definition.trials)]
    return None


def with_waiting(trials: Sequence[Trial], definition: Definition) -> list[Trial]:
    """Returns the trials of a table in order, and then the planned ones that have no row yet."""
    planned = planned_values(definition) or []
    waiting = range(len(trials), len(planned))
    return [*trials, *(Trial(number, planned[number], "waiting") for number in waiting)]


class Schedule:
    """Provides the jobs of a sweep, one for each trial.

    Trials with the same compiled programs run one after another, unless something else decides the order.

    Args:
        definition: the sweep.
        table: its trials so far. A trial is added when it begins, or one with a larger number does, so that the first
            trial need not wait until hundreds of rows are written.
        sweep_dir: the sweep directory, absolute.
        data_dir: folder of prepared data sets, absolute.
        command: the command line of the recipe without the sweep.
    """

    def __init__(self, definition: Definition, table: Table, sweep_dir: Path, data_dir: Path, command: Sequence[str]):
        self._definition = definition
        self._table = table
        self._sweep_dir = sweep_dir
        self._data_dir = data_dir
        self._command = tuple(command)
        self._rivals: Rivals | None = None
        in_table = table.trials()
        self._rows = len(in_table)
        self._trials: dict[int, Trial] = {trial.number: trial for trial in with_waiting(in_table, definition)}
        if not definition.adaptive:
            self._queue = self._by_program()
        else:
            self._queue = sorted(number for number, trial in self._trials.items() if trial.outcome is None)
        self._queue += range(len(self._trials), definition.trials)  # those of TPE

    def _by_program(self) -> list[int]:
        """Returns the trials to run: first those already started, then the others, grouped by their programs."""
        left = [trial for trial in self._trials.values() if trial.outcome is None]
        keys = {trial.number: program_key(self.experiment(trial.values)) for trial in left}
        first = {key: number for number, key in sorted(keys.items(), reverse=True)}
        order = sorted(left, key=lambda trial: (trial.state != "running", first[keys[trial.number]], trial.number))
        return [trial.number for trial in order]

    @property
    def trials(self) -> list[Trial]:
        """All trials whose values are known, by number."""
        return [self._trials[number] for number in sorted(self._trials)]

    @property
    def left(self) -> int:
        """Number of trials that still have to be started."""
        return len(self._queue)

    def next(self, under_way: Sequence[int]) -> Job | None:
        """Returns the next trial to start; None if there is none, or if it has to wait for running ones."""
        if not self._queue:
            return None
        number = self._queue[0]
        known = self._known(number)
        if self._definition.adaptive and any(other < known for other in under_way):
            return None
        del self._queue[0]
        if number not in self._trials:
            values = draw(self._definition, number, self._table.history(known))
            self._trials[number] = Trial(number, values, "waiting")
        trial = self._trials[number]
        for each in range(self._rows, number + 1):
            self._table.add(self._trials[each].values)
            self._rows += 1
        self._trials[number] = self._table.begin(trial)
        return self._job(trial, known)

    def _known(self, number: int) -> int:
        """Returns how many of the first trials must end before this one begins; they decide about its values.

        The number is the same for all seeds of one combination, so that they draw the same combination.
        """
        of_one = len(self._definition.seeds) or 1
        return max(0, number - number % of_one - self._definition.lag + 1)

    def take(self, number: int, outcome: Outcome) -> Trial:
        """Records the outcome of a trial."""
        self._trials[number] = self._table.finish(self._trials[number], outcome)
        return self._trials[number]

    def again(self, number: int) -> None:
        """Puts a trial that failed first in the queue."""
        self._queue.insert(0, number)

    def experiment(self, values: Values) -> Experiment:
        """Returns the recipe with a trial's values."""
        return apply(self._definition.experiment, values)

    def _job(self, trial: Trial, known: int) -> Job:
        definition = self._definition
        run_dir = trial_dir(self._sweep_dir, trial.number)
        values = [f"--{path}={show(value)}" for path, value in trial.values.items()]
        rivals: tuple[FrozenTrial, ...] = ()
        if definition.prune != "none":
            if self._rivals is None:
                self._rivals = Rivals(definition.prune, definition.direction, definition.most_epochs)
            rivals = self._rivals.of([self._trials[number] for number in range(known)])
        return Job(
            trial.number,
            self.experiment(trial.values),
            run_dir,
            self._data_dir,
            (*self._command, *values, f"--run_dir={run_dir}") if self._command else (),
            definition.objective,
            definition.direction,
            definition.prune,
            definition.most_epochs,
            rivals,
        )


def check_values(definition: Definition) -> None:
    """Makes all experiments of a sweep once, so that invalid combinations are reported before anything starts.

    With TPE, whose values depend on results, random ones are checked instead.

    Raises:
        UserError: a combination of values is not a valid experiment.
    """
    planned = planned_values(definition) or planned_values(dataclasses.replace(definition, mode="random")) or []
    # For a very large sweep only an evenly spread part, so that it does not take long.
    for values in planned[:: max(1, len(planned) // _MOST_CHECKED)]:
        try:
            apply(definition.experiment, values)
        except (ValueError, TypeError) as error:
            shown = ", ".join(f"{path}={show(value)}" for path, value in values.items())
            raise UserError(f"--sweep: {shown} is not a valid experiment: {' '.join(str(error).split())}.") from error
