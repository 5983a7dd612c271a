"""Population-based training: trainings side by side in one program, of which the worst take over from the best.

Every few epochs all members of the population wait for one another. Those in the last fifth by the compared figure go
on from a copy of the state of one in the first fifth, drawn at random, with its values changed a little: a number times
0.8 or 1.2, a listed value by one place (Jaderberg et al. 2017, "Population based training of neural networks",
arXiv:1711.09846, section 4). What was decided is written to ``schedule.json`` before anyone goes on. A decision that
stands there is taken as it is, so that a sweep that was killed, or one with the schedule of another, does the same.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.signals import StopSignals
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.load import shortened as shortened_run
from jaxdl.fields import show
from jaxdl.files.atomic import replace_file
from jaxdl.steps.functions import TrainState
from jaxdl.sweeps.definition import SCHEDULE, Definition
from jaxdl.sweeps.space.axis import Axis, Choices
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.sampling import shortened
from jaxdl.sweeps.space.space import apply
from jaxdl.training.programs import program_key

_SHARE = 0.2  # of the members that are replaced, and of those that they are replaced by
_FACTORS = (0.8, 1.2)
_MOST_DRAWS = 20
_SECONDS_BETWEEN_LOOKS = 0.2


class MemberLeft(Exception):
    """A member of a population has failed, so that the others cannot go on until it does."""


class Population:
    """The members of one population while they train in threads of one process.

    Args:
        definition: the sweep; trial 0 is member 0, and so on.
        sweep_dir: where the schedule is kept.
        values: what each member begins with.

    Raises:
        UserError: the schedule is damaged.
    """

    def __init__(self, definition: Definition, sweep_dir: Path, values: Sequence[Values]):
        self._definition = definition
        self._path = sweep_dir / SCHEDULE
        self._key = program_key(apply(definition.experiment, values[0]))
        self._decided = {int(each["epoch"]): each["members"] for each in read_schedule(sweep_dir)}
        self._lines = read_schedule(sweep_dir)
        self._first = list(values)
        self._changed = threading.Condition()
        self._here: dict[int, tuple[TrainState, float]] = {}
        self._handed: dict[int, TrainState] = {}
        self._exchanges = 0
        self._left: set[int] = set()

    def due(self, epoch: int) -> bool:
        """Returns whether members are exchanged after so many epochs; not after the last one."""
        epochs = shortened_run(self._definition.experiment).training.epochs
        return epoch % self._definition.exchange_every == 0 and 0 < epoch < epochs

    def experiment(self, member: int, epoch: int) -> Experiment:
        """Returns the recipe with the values that a member has after so many epochs and the exchange there."""
        return shortened_run(apply(self._definition.experiment, self.values(member, epoch)))

    def values(self, member: int, epoch: int) -> Values:
        """Returns the values of a member after so many epochs and the exchange there."""
        found = dict(self._first[member])
        for decided in sorted(each for each in self._decided if each <= epoch):
            change = self._decided[decided].get(str(member))
            if change is not None:
                axes = {axis.path: axis for axis in self._definition.space.axes}
                found = {path: axes[path].read(value) for path, value in change["values"].items()}
        return found

    def join(self, member: int) -> None:
        """Takes a member in, also one that has left before."""
        with self._changed:
            self._left.discard(member)

    def leave(self, member: int) -> None:
        """Takes a member out: no exchange can be made without it."""
        with self._changed:
            self._left.add(member)
            self._changed.notify_all()

    def exchange(
        self, member: int, epoch: int, state: TrainState, figure: float, signals: StopSignals | None = None
    ) -> TrainState:
        """Waits for all members, and returns the state with which this one goes on.

        Args:
            member: its number.
            epoch: epochs done.
            state: its state, which stays its own.
            figure: the compared figure after this epoch.
            signals: asks to stop; what was saved before stays.

        Raises:
            MemberLeft: a member has left meanwhile.
            KeyboardInterrupt: a signal came.
        """
        with self._changed:
            before = self._exchanges
            self._here[member] = (state, figure)
            if len(self._here) == len(self._first):
                self._handed = self._exchanged(epoch)
                self._here, self._exchanges = {}, before + 1
                self._changed.notify_all()
            while self._exchanges == before:
                if signals is not None and signals.received is not None:
                    self._here.pop(member, None)
                    signals.raise_received()
                if self._left:
                    self._here.pop(member, None)
                    raise MemberLeft(f"member {min(self._left)} has left before the exchange after epoch {epoch}")
                self._changed.wait(_SECONDS_BETWEEN_LOOKS)
            return self._handed.pop(member, state)

    def _exchanged(self, epoch: int) -> dict[int, TrainState]:
        """Returns the states of those members that take over another's; writes down what was decided."""
        if epoch not in self._decided:
            figures = [self._here[member][1] for member in range(len(self._first))]
            self._decided[epoch] = self._decide(epoch, figures)
            line = {"epoch": epoch, "figures": figures, "members": self._decided[epoch]}
            self._lines = [*self._lines, line]
            replace_file(self._path, json.dumps(self._lines, indent=1) + "\n")
        # All copies are made before any member goes on, in the memory of its state.
        return {
            int(member): jax.tree.map(_copy, self._here[change["from"]][0])
            for member, change in self._decided[epoch].items()
        }

    def _decide(self, epoch: int, figures: Sequence[float]) -> dict[str, Any]:
        losses = [self._definition.loss(figure) if math.isfinite(figure) else math.inf for figure in figures]
        order = sorted(range(len(losses)), key=lambda member: (losses[member], member))
        count = max(1, int(len(order) * _SHARE))
        best, worst = order[:count], order[-count:]
        found = {}
        for member in sorted(worst):
            random = np.random.RandomState([self._definition.sweep_seed, epoch, member])
            source = best[random.randint(count)]
            if losses[source] < losses[member]:
                values = self._changed_values(self.values(source, epoch - 1), random)
                found[str(member)] = {"from": source, "values": {path: _plain(value) for path, value in values.items()}}
        return found

    def _changed_values(self, values: Values, random: np.random.RandomState) -> Values:
        """Returns values near those of another member; the same where none of several draws is allowed."""
        for _ in range(_MOST_DRAWS):
            near = {axis.path: _near(axis, values[axis.path], random) for axis in self._definition.space.axes}
            allowed = self._definition.space.allows(near)
            if allowed and program_key(apply(self._definition.experiment, near)) == self._key:
                return near
        return values


class Member:
    """One member of a population; a `jaxdl.training.hooks.Exchange`.

    Args:
        population: all of them.
        number: its number.
        objective: the compared figure.
        signals: asks to stop.
    """

    def __init__(self, population: Population, number: int, objective: str, signals: StopSignals | None):
        self._population = population
        self._number = number
        self._objective = objective
        self._signals = signals

    def due(self, epoch: int) -> bool:
        return self._population.due(epoch)

    def experiment(self, epoch: int) -> Experiment:
        return self._population.experiment(self._number, epoch)

    def state(self, epoch: int, state: TrainState, figures: Mapping[str, Any]) -> TrainState:
        figure = float(figures[self._objective])
        return self._population.exchange(self._number, epoch, state, figure, self._signals)


def read_schedule(sweep_dir: Path) -> list[dict[str, Any]]:
    """Returns what was decided in a sweep, in the order of the epochs; empty without a population.

    Raises:
        UserError: the file is damaged.
    """
    path = sweep_dir / SCHEDULE
    if not path.exists():
        return []
    try:
        lines = json.loads(path.read_text())
        for line in lines:
            for member, change in line["members"].items():
                int(line["epoch"]), int(member), int(change["from"]), dict(change["values"])
        return list(lines)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is damaged ({type(error).__name__}): remove it, or give another --sweep_dir."
        ) from error


def checked_population(definition: Definition, values: Sequence[Values]) -> None:
    """Checks that the trials of a sweep can be one population.

    Raises:
        UserError: there are too few, they do not have the same programs, or the recipe ends or ranks them otherwise.
    """
    training = definition.experiment.training
    if len(values) < 2:
        raise UserError("--sweep_mode=pbt: a population has at least two members; give --trials=8.")
    for axis in definition.space.axes:
        if axis.path == "seed" or axis.only_if is not None:
            raise UserError(f"--sweep_mode=pbt changes numbers of a training as it goes on; leave {axis.path} out.")
    keys = [program_key(apply(definition.experiment, each)) for each in values]
    for each, key in zip(values, keys, strict=True):
        if key != keys[0]:
            shown = ", ".join(f"{path}={show(value)}" for path, value in each.items())
            raise UserError(
                f"--sweep_mode=pbt: the members share one program, and {shown} needs another one; sweep numbers that "
                "enter it as data, such as learning_rate, and no 0 for what 0 leaves out."
            )
    for name, fine in (("final", training.final == "last"), ("patience", training.patience is None)):
        if not fine:
            raise UserError(f"--sweep_mode=pbt trains every member to its end; leave --{name} out.")
    if definition.experiment.data.folds:
        raise UserError("--sweep_mode=pbt compares members on the same examples; leave --folds out.")
    if definition.prune != "none" or definition.others or definition.bounds:
        raise UserError(
            "--sweep_mode=pbt replaces the worst members by one figure; leave --prune, other aims and bounds out."
        )


def _copy(leaf: Any) -> Any:
    return leaf.copy() if isinstance(leaf, np.ndarray) else jnp.copy(leaf)


def _near(axis: Axis, value: Any, random: np.random.RandomState) -> Any:
    """Returns a value of an axis near another one."""
    if isinstance(axis.values, Choices):
        place = axis.values.values.index(value) + (1 if random.randint(2) else -1)
        return axis.values.values[min(max(place, 0), len(axis.values.values) - 1)]
    number = value[0] if axis.listed else value
    moved = number * _FACTORS[random.randint(2)]
    if axis.values.whole and round(moved) == number:
        moved = number + (1 if moved > number else -1)
    moved = min(max(moved, axis.values.low), axis.values.high)
    return axis.value(shortened(axis, axis.values.nearest(round(moved) if axis.values.whole else float(moved))))


def _plain(value: Any) -> Any:
    return show(value) if isinstance(value, tuple) else value
