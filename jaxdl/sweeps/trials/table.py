"""The trial table of a sweep: an Optuna storage, so that Optuna's own tools can open it, too.

It is a journal, to which a line is added for each change; this takes an eighth of the time of SQLite.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.sampling import distribution, from_optuna, quiet, to_optuna
from jaxdl.sweeps.trials.trial import Outcome, State, Trial

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from jaxdl.sweeps.trials.journal import Journal

TABLE = "study.log"
_ATTEMPTS, _OUTCOME, _PAUSED = "attempts", "outcome", "paused"
# What of an outcome is kept in another field, or is of no use later.
_LEFT_OUT = ("state", "again", "blameless", "ends_sweep")


class Table:
    """The trials of one sweep; only the process that has locked the sweep directory writes them.

    Args:
        path: the journal; without it there are no trials.
        definition: the sweep.
        check: called before each line is written; raises `UserError` if the sweep directory is no longer locked.

    Raises:
        UserError: the file cannot be read or written, or is damaged.
    """

    def __init__(self, path: Path, definition: Definition, check: Callable[[], None] = lambda: None):
        self.path = path
        self._check = check
        self._space = definition.space
        self._axes = {axis.name: axis for axis in definition.space.axes}
        self._name = definition.experiment.name
        self._directions = definition.directions
        self._others = definition.others
        self._study_id: int | None = None
        with self._errors():
            if path.exists():
                self._open()

    def _open(self) -> None:
        self._journal = _journal(self.path, self._check)
        self._storage = self._journal.storage()
        studies = self._storage.get_all_studies()
        self._study_id = next((study._study_id for study in studies if study.study_name == self._name), None)

    def prepare(self) -> None:
        """Prepares the table, before anything else is written to it.

        Removes an incomplete last line, left by a killed process or a full disk; creates the study if there is none;
        and writes the table again if a grid was extended: in Optuna the possible values are fixed.
        """
        with self._errors(), quiet():
            if self.path.exists():
                whole = self.path.read_bytes().rfind(b"\n") + 1
                if whole < self.path.stat().st_size:
                    os.truncate(self.path, whole)
            if self._study_id is None:
                self._study(self.path)
                self._open()
            self._widen()

    def _study(self, path: Path) -> Study:
        """Creates the study in a file without one."""
        import optuna

        storage = _journal(path, self._check).storage()
        return optuna.create_study(storage=storage, study_name=self._name, directions=self._directions)

    def _widen(self) -> None:
        trials = self._frozen()
        now = {name: distribution(axis) for name, axis in self._axes.items()}
        if all(trial.distributions[name] == now[name] for trial in trials for name in trial.distributions):
            return
        draft = self.path.with_name(f".{self.path.name}.tmp")
        draft.unlink(missing_ok=True)
        study = self._study(draft)
        for trial in trials:
            trial = copy.copy(trial)
            trial.distributions = {name: now[name] for name in trial.distributions}
            study.add_trial(trial)
        draft.replace(self.path)
        self._open()

    def trials(self) -> list[Trial]:
        """Returns all trials in the order of their numbers."""
        return [self._trial(frozen) for frozen in self._frozen()]

    def add(self, values: Values) -> None:
        """Adds a trial that waits to be run; its number is the next one."""
        from optuna.trial import TrialState, create_trial

        axes = self._space.axes_of(values)
        template = create_trial(
            state=TrialState.WAITING,
            params={axes[path].name: to_optuna(axes[path], value) for path, value in values.items()},
            distributions={axis.name: distribution(axis) for axis in axes.values()},
        )
        assert self._study_id is not None  # `prepare` has made it
        with self._errors():
            self._storage.create_new_trial(self._study_id, template_trial=template)

    def begin(self, trial: Trial) -> Trial:
        """Records an attempt at a trial."""
        from optuna.trial import TrialState

        begun = dataclasses.replace(trial, state="running", attempts=trial.attempts + 1)
        with self._errors():
            trial_id = self._id(trial.number)
            if trial.state == "waiting":
                self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)
            else:
                self._storage.set_trial_user_attr(trial_id, _ATTEMPTS, begun.attempts)
        return begun

    def finish(self, trial: Trial, outcome: Outcome) -> Trial:
        """Records the outcome of a trial; the state last, so that it is finished only when the rest is written."""
        from optuna.trial import TrialState

        states = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        value = None
        if outcome.state == "completed" and outcome.objective is not None:
            others = [outcome.figure(aim) for aim in self._others]
            value = [outcome.objective, *(math.nan if each is None else each for each in others)]
        plain = _plain(outcome)
        with self._errors():
            trial_id = self._id(trial.number)
            with self._journal.together():
                for epoch, figure in outcome.curve.items():  # again, for Optuna's tools
                    self._storage.set_trial_intermediate_value(trial_id, epoch, figure)
                self._storage.set_trial_user_attr(trial_id, _OUTCOME, plain)
                self._storage.set_trial_state_values(trial_id, states[outcome.state], value)
        return dataclasses.replace(trial, state=outcome.state, outcome=outcome)

    def pause(self, number: int, outcome: Outcome) -> None:
        """Records how far a trial has come that waits until it is compared with others."""
        with self._errors():
            self._storage.set_trial_user_attr(self._id(number), _PAUSED, _plain(outcome))

    def paused(self) -> dict[int, Outcome]:
        """Returns how far the trials without an outcome had come when they last paused, by number."""
        waiting = (frozen for frozen in self._frozen() if not frozen.state.is_finished())
        return {
            frozen.number: _outcome("pruned", frozen.user_attrs[_PAUSED])
            for frozen in waiting
            if _PAUSED in frozen.user_attrs
        }

    def _frozen(self) -> list[FrozenTrial]:
        if self._study_id is None:
            return []
        with self._errors():
            return sorted(self._storage.get_all_trials(self._study_id, deepcopy=False), key=lambda trial: trial.number)

    def _id(self, number: int) -> int:
        assert self._study_id is not None
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _trial(self, frozen: FrozenTrial) -> Trial:
        from optuna.trial import TrialState

        values = {
            axis.path: from_optuna(axis, frozen.params[name])
            for name, axis in self._axes.items()
            if name in frozen.params
        }
        attempts = int(frozen.user_attrs.get(_ATTEMPTS, frozen.state != TrialState.WAITING))
        if not frozen.state.is_finished():
            return Trial(
                frozen.number, values, "waiting" if frozen.state == TrialState.WAITING else "running", attempts
            )
        states: dict[TrialState, State] = {TrialState.COMPLETE: "completed", TrialState.PRUNED: "pruned"}
        state = states.get(frozen.state, "failed")
        return Trial(frozen.number, values, state, attempts, _outcome(state, frozen.user_attrs.get(_OUTCOME, {})))

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns an error about the file, or about a line in it, into a `UserError` of one line."""
        from optuna.exceptions import OptunaError

        try:
            with named_cause(self.path, "use the trial table"):
                yield
        except (OptunaError, ValueError, TypeError, LookupError, AssertionError) as error:
            cause = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise UserError(
                f"the trial table {self.path} cannot be used ({cause}): check the disk, or give another --sweep_dir."
            ) from error


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {k: v for k, v in dataclasses.asdict(outcome).items() if k not in _LEFT_OUT}


def _outcome(state: State, stored: Mapping[str, Any]) -> Outcome:
    plain = dict(stored)
    curve = {int(epoch): figure for epoch, figure in plain.pop("curve", {}).items()}  # JSON's keys are text
    return Outcome(state, curve=curve, **plain)


def numbers_left(path: Path, before: Definition | None, definition: Definition) -> list[int]:
    """Returns the numbers of the unfinished trials.

    Args:
        path: the table's file; it may not exist.
        before: the earlier definition; None for a new sweep.
        definition: the new definition.
    """
    over: set[int] = set()
    if before is not None and path.exists():
        over = {trial.number for trial in Table(path, before).trials() if trial.outcome is not None}
    return [number for number in range(definition.trials) if number not in over]


def _journal(path: Path, check: Callable[[], None]) -> Journal:
    """Returns the journal in a file; see `Table` for `check`."""
    from jaxdl.sweeps.trials.journal import Journal

    return Journal(path, check)
