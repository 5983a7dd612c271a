"""The order of trials: first those that an earlier process did not finish, then new ones."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import show
from jaxdl.sweeps.definition import LEARNING, Definition
from jaxdl.sweeps.space.cmaes import CmaEs
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.sampling import Key, combination_key, draw, drawn_values, grid_values, with_seed
from jaxdl.sweeps.space.space import apply
from jaxdl.sweeps.trials.cohorts import Cohorts, combined, in_optunas_terms, mean_curve
from jaxdl.sweeps.trials.halving import Bracket, brackets_of, survivors
from jaxdl.sweeps.trials.pruning import Rivals, first_rung_after, is_behind
from jaxdl.sweeps.trials.table import Table
from jaxdl.sweeps.trials.trial import Job, Outcome, Trial, trial_dir
from jaxdl.training.programs import program_key

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# Of a larger sweep, so many evenly spread trials stand for all, so that the first of them begins soon.
_MOST_CHECKED = 1000


def planned_values(definition: Definition) -> list[Values] | None:
    """Returns the values of all trials by number, None if results of earlier trials decide about later ones.

    Also None if a function of Python restricts them that is not at hand.
    """
    if not definition.space.is_known:
        return None
    if definition.mode == "grid":
        together = definition.judges_seeds_together
        return grid_values([*definition.grids, definition.space], seeds_together=together)[: definition.trials]
    return None if definition.mode in LEARNING else drawn_values(definition)


def with_waiting(trials: Sequence[Trial], planned: Sequence[Values] | None) -> list[Trial]:
    """Returns the trials of a table in order, and then the planned ones that have no row yet."""
    planned = planned or []
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
        self._cmaes: CmaEs | None = None
        planned = planned_values(definition)
        self._cohorts = Cohorts(definition, planned)
        self._finished: list[Trial] = []  # the first combinations of the sweep, each as one trial
        self._history: list[FrozenTrial] = []
        self._earlier: list[Key] = []
        self._rungs: dict[int, int] = {}  # at which epoch a cohort's trials pause next, by the cohort's place
        self._paused: dict[int, Outcome] = {}
        self._before: dict[int, Outcome] = {}  # of the trials that go on after a pause
        count, epochs = self._cohorts.count, definition.most_epochs
        self._brackets = brackets_of(definition.prune, count, epochs) if definition.compares_at_rungs else []
        self._over = 0  # so many of the first trials are over, at least
        in_table = table.trials()
        self._rows = len(in_table)
        self._trials: dict[int, Trial] = {trial.number: trial for trial in with_waiting(in_table, planned)}
        self._made: dict[int, Experiment] = {}  # of the trials whose programs were looked at, until they begin
        if not definition.adaptive:
            self._queue = self._by_program()
        else:
            self._queue = sorted(number for number, trial in self._trials.items() if trial.outcome is None)
        self._queue += range(len(self._trials), definition.trials)  # those of TPE
        if self._brackets:
            self._take_up(table.paused())

    def _take_up(self, paused: Mapping[int, Outcome]) -> None:
        """Takes up what an earlier process left of trials that had paused; they need not run again up to there."""
        for number, outcome in paused.items():
            place = self._cohorts.place(number)
            # Of seeds that were on their way to the next rung, some have come there and some have not.
            self._paused[number], self._rungs[place] = outcome, min(outcome.epochs, self._rungs.get(place, sys.maxsize))
        self._queue = [number for number in self._queue if number not in paused]
        for bracket in self._brackets:
            self._compare(self._cohorts.at(bracket.places.start))

    def _by_program(self) -> list[int]:
        """Returns the trials to run: first those already started, then the others, grouped by their programs."""
        left = [trial for trial in self._trials.values() if trial.outcome is None]
        self._made = {trial.number: self.experiment(trial.values) for trial in left}
        keys = {number: program_key(experiment) for number, experiment in self._made.items()}
        first = {key: number for number, key in sorted(keys.items(), reverse=True)}
        order = sorted(left, key=lambda trial: (trial.state != "running", first[keys[trial.number]], trial.number))
        return [trial.number for trial in order]

    @property
    def trials(self) -> list[Trial]:
        """All trials whose values are known, by number."""
        return [self._trials[number] for number in sorted(self._trials)]

    @property
    def planned(self) -> list[Values]:
        """The values of the trials that still have to be started, as far as they are known, in their order."""
        return [self._trials[number].values for number in self._queue if number in self._trials]

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
        if self._definition.adaptive and not self._brackets and not self._are_over(known):
            return None
        del self._queue[0]
        if number not in self._trials:
            self._trials[number] = Trial(number, self._draw(number, known), "waiting")
        trial = self._trials[number]
        for each in range(self._rows, number + 1):
            self._table.add(self._trials[each].values)
            self._rows += 1
        if number not in self._before:
            self._trials[number] = self._table.begin(trial)
        return self._job(trial, known)

    def _known(self, number: int) -> int:
        """Returns how many of the first trials must end before this one begins; they decide about its values.

        The number is the same for all seeds of one combination, so that they draw the same combination.
        """
        repeats = self._definition.repeats
        first = number - number % len(repeats) if repeats else self._cohorts.of(number).start
        return max(0, first - self._definition.lag + 1)

    def _are_over(self, known: int) -> bool:
        """Returns whether the first `known` trials are over."""
        while self._over < known and self._trials[self._over].outcome is not None:
            self._over += 1
        return self._over >= known

    def _combinations(self, known: int) -> list[Trial]:
        """Returns the combinations of which all trials are among the first `known` ones, each as one trial."""
        cohorts = self._cohorts.within(known)
        for cohort in cohorts[len(self._finished) :]:  # finished trials do not change
            self._finished.append(combined([self._trials[number] for number in cohort]))
        return self._finished[: len(cohorts)]

    def _draw(self, number: int, known: int) -> Values:
        """Returns the values of a trial of TPE or CMA-ES."""
        combinations = self._combinations(known)
        for each in combinations[len(self._history) :]:
            self._history.append(in_optunas_terms(each, self._definition))
        first = self._cohorts.of(number).start
        for cohort in self._cohorts.within(first)[len(self._earlier) :]:
            self._earlier.append(combination_key(self._trials[cohort.start].values))
        history = self._history[: len(combinations)]
        if self._definition.mode != "cmaes":
            return draw(self._definition, number, history, frozenset(self._earlier))
        if self._cmaes is None:
            self._cmaes = CmaEs(self._definition, self._known_combinations)
        values = self._cmaes.combination(self._cohorts.place(number), history)
        return with_seed(self._definition, number, values)

    def _known_combinations(self, place: int) -> int:
        """Returns how many combinations are over when the one at a place begins."""
        return len(self._cohorts.within(self._known(self._cohorts.at(place).start)))

    def take(self, number: int, outcome: Outcome) -> list[Trial]:
        """Records the outcome of a job; returns the trials that are over by it.

        None is where the trial has paused; several, where they paused and are stopped early together.
        """
        before = self._before.pop(number, Outcome("running"))
        seconds, compiling = outcome.seconds + before.seconds, outcome.compile_seconds + before.compile_seconds
        outcome = dataclasses.replace(outcome, seconds=seconds, compile_seconds=compiling)
        if outcome.state == "pruned" and self._pause_at(number):
            self._paused[number] = outcome
            if self._brackets:
                self._table.pause(number, outcome)
            over = []
        else:
            over = [self._end(number, outcome)]
        judge = self._compare if self._brackets else self._judge
        return over + judge(self._cohorts.of(number))

    def _end(self, number: int, outcome: Outcome) -> Trial:
        self._trials[number] = self._table.finish(self._trials[number], outcome)
        return self._trials[number]

    def _pause_at(self, number: int) -> int:
        """Returns the epoch after which a trial pauses; 0 if it runs to its end, or is judged alone."""
        if self._definition.prune == "none" or not (self._cohorts.together or self._brackets):
            return 0
        place = self._cohorts.place(number)
        first = self._bracket(place).rung_after(0) if self._brackets else first_rung_after(0)
        rung = self._rungs.get(place, first)
        return rung if rung < self.experiment(self._trials[number].values).training.epochs else 0

    def _judge(self, cohort: range) -> list[Trial]:
        """Lets the trials of a combination go on if they have all paused or ended, or stops them early."""
        paused = [number for number in cohort if number in self._paused]
        left = [number for number in cohort if number not in self._trials or self._trials[number].outcome is None]
        if not paused or paused != left:
            return []
        place, rung = self._cohorts.place(cohort.start), self._pause_at(cohort.start)
        outcomes = [self._paused.get(number) or self._trials[number].outcome for number in cohort]
        curve = mean_curve([outcome for outcome in outcomes if outcome is not None])
        curve = {epoch: figure for epoch, figure in curve.items() if epoch <= rung}
        definition = self._definition
        rivals = self._rivals_of(self._known(cohort.start))
        if is_behind(definition.prune, definition.direction, definition.most_epochs, rivals, place, curve):
            return [self._end(number, self._paused.pop(number)) for number in paused]
        self._rungs[place] = first_rung_after(rung)
        self._before |= {number: self._paused.pop(number) for number in paused}
        self._queue[:0] = paused
        return []

    def _bracket(self, place: int) -> Bracket:
        return next(bracket for bracket in self._brackets if place in bracket.places)

    def _compare(self, cohort: range) -> list[Trial]:
        """Compares the combinations of a bracket once all that go on have come to the same rung, or have ended."""
        bracket = self._bracket(self._cohorts.place(cohort.start))
        members = [self._cohorts.at(place) for place in bracket.places]
        if any(number not in self._paused and self._trials[number].outcome is None for of in members for number in of):
            return []
        waiting = {self._cohorts.place(of.start): of for of in members if any(number in self._paused for number in of)}
        if not waiting:
            return []
        rung = min(self._pause_at(of.start) for of in waiting.values())
        here = {place: of for place, of in waiting.items() if self._pause_at(of.start) == rung}
        losses = {place: self._loss_at(of, rung) for place, of in here.items()}
        kept = survivors(losses, bracket.goes_on(rung))
        over: list[Trial] = []
        for place, of in here.items():
            paused = [number for number in of if number in self._paused]
            if place not in kept:
                over += [self._end(number, self._paused.pop(number)) for number in paused]
        for place in kept:
            paused = [number for number in here[place] if number in self._paused]
            self._rungs[place] = bracket.rung_after(rung) or self._definition.most_epochs
            self._before |= {number: self._paused.pop(number) for number in paused}
        self._queue[:0] = [number for place in kept for number in here[place] if number in self._before]
        return over

    def _loss_at(self, cohort: range, rung: int) -> float:
        """Returns what a combination is compared by at a rung, smaller is better; infinite where a seed has failed."""
        outcomes = [self._paused.get(number) or self._trials[number].outcome for number in cohort]
        curve = mean_curve([outcome for outcome in outcomes if outcome is not None])
        failed = any(outcome is not None and outcome.state == "failed" for outcome in outcomes)
        return math.inf if failed or rung not in curve else self._definition.loss(curve[rung])

    def again(self, number: int) -> None:
        """Puts a trial that failed first in the queue."""
        self._before.pop(number, None)
        self._queue.insert(0, number)

    def experiment(self, values: Values) -> Experiment:
        """Returns the recipe with a trial's values."""
        return apply(self._definition.experiment, values)

    def _job(self, trial: Trial, known: int) -> Job:
        definition = self._definition
        run_dir = trial_dir(self._sweep_dir, trial.number)
        values = [f"--{path}={show(value)}" for path, value in trial.values.items()]
        alone = not (self._cohorts.together or self._brackets)
        made = trial.number in self._made
        experiment = self._made.pop(trial.number) if made else self.experiment(trial.values)
        return Job(
            trial.number,
            experiment,
            run_dir,
            self._data_dir,
            (*self._command, *values, f"--run_dir={run_dir}") if self._command else (),
            definition.objective,
            definition.direction,
            definition.prune if alone else "none",
            definition.most_epochs,
            self._rivals_of(known) if alone else (),
            self._pause_at(trial.number),
        )

    def _rivals_of(self, known: int) -> tuple[FrozenTrial, ...]:
        """Returns what a trial is compared with that begins when the first `known` ones are over."""
        definition = self._definition
        if definition.prune == "none":
            return ()
        if self._rivals is None:
            self._rivals = Rivals(definition.prune, definition.direction, definition.most_epochs)
        return self._rivals.of(self._combinations(known))


def check_values(definition: Definition) -> None:
    """Makes all experiments of a sweep once, so that invalid combinations are reported before anything starts.

    With TPE, whose values depend on results, random ones are checked instead.

    Raises:
        UserError: a combination of values is not a valid experiment.
    """
    planned = planned_values(definition)
    if planned is None:
        few = min(definition.trials, _MOST_CHECKED)
        planned = planned_values(dataclasses.replace(definition, mode="random", trials=few)) or []
    for values in planned[:: -(-len(planned) // _MOST_CHECKED) or 1]:
        try:
            apply(definition.experiment, values)
        except (ValueError, TypeError) as error:
            shown = ", ".join(f"{path}={show(value)}" for path, value in values.items())
            raise UserError(f"--sweep: {shown} is not a valid experiment: {' '.join(str(error).split())}.") from error
