"""The trial table of a sweep: an Optuna storage in SQLite, so that Optuna's own tools open it, too."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from jaxdl.errors import UserError
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.sampling import distribution, from_optuna, quiet, to_optuna
from jaxdl.sweeps.space import Values
from jaxdl.sweeps.trial import Outcome, Trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TABLE = "study.db"
_ATTEMPTS, _OUTCOME = "attempts", "outcome"
# What of an outcome is stored in another field, or is of no use later.
_NOT_STORED = ("state", "again", "ends_sweep")


class Table:
    """The trials of one sweep; only one process writes it.

    Args:
        path: the SQLite file; made where there is none.
        definition: the sweep.

    Raises:
        UserError: the file cannot be written, or is damaged.
    """

    def __init__(self, path: Path, definition: Definition):
        self.path = path
        self._axes = {axis.path: axis for axis in definition.space.axes}
        self._name = definition.experiment.name
        self._direction = definition.direction
        self._history: list[FrozenTrial] = []
        with self._errors(), quiet():
            self._open()

    def _open(self) -> None:
        import optuna

        self._storage = optuna.storages.RDBStorage(_url(self.path))
        optuna.create_study(
            storage=self._storage, study_name=self._name, direction=self._direction, load_if_exists=True
        )
        self._study_id = self._storage.get_study_id_from_name(self._name)

    def widen(self) -> None:
        """Writes the table anew where a grid was extended: in Optuna the values to choose from are fixed."""
        with self._errors(), quiet():
            self._widen()

    def _widen(self) -> None:
        import optuna

        trials = self._frozen()
        now = {path: distribution(axis) for path, axis in self._axes.items()}
        if all(trial.distributions[path] == now[path] for trial in trials for path in trial.distributions):
            return
        draft = self.path.with_name(f".{self.path.name}.tmp")
        draft.unlink(missing_ok=True)
        study = optuna.create_study(storage=_url(draft), study_name=self._name, direction=self._direction)
        for trial in trials:
            trial = copy.copy(trial)
            trial.distributions = {path: now[path] for path in trial.distributions}
            study.add_trial(trial)
        draft.replace(self.path)
        self._open()

    def trials(self) -> list[Trial]:
        """Returns all trials in the order of their numbers."""
        return [self._trial(frozen) for frozen in self._frozen()]

    def add(self, values: Values) -> None:
        """Adds a trial that waits to be run; its number is the next one."""
        from optuna.trial import TrialState, create_trial

        template = create_trial(
            state=TrialState.WAITING,
            params={path: to_optuna(self._axes[path], value) for path, value in values.items()},
            distributions={path: distribution(self._axes[path]) for path in values},
        )
        with self._errors():
            self._storage.create_new_trial(self._study_id, template_trial=template)

    def begin(self, trial: Trial) -> Trial:
        """Takes note of an attempt at a trial."""
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
        """Takes note of what came of a trial; the state last, so that it is over only when all else is there."""
        from optuna.trial import TrialState

        states = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        value = [outcome.objective] if outcome.state == "completed" and outcome.objective is not None else None
        stored = {k: v for k, v in dataclasses.asdict(outcome).items() if k not in _NOT_STORED}
        with self._errors():
            trial_id = self._id(trial.number)
            for epoch, figure in outcome.curve.items():  # again, for Optuna's tools
                self._storage.set_trial_intermediate_value(trial_id, epoch, figure)
            self._storage.set_trial_user_attr(trial_id, _OUTCOME, stored)
            self._storage.set_trial_state_values(trial_id, states[outcome.state], value)
        return dataclasses.replace(trial, state=outcome.state, outcome=outcome)

    def history(self, before: int) -> list[FrozenTrial]:
        """Returns the trials numbered below `before`, which must be over, as Optuna's samplers learn from them.

        One that failed counts as the worst of all: the next ones should keep away from it.
        """
        from optuna.trial import TrialState, create_trial

        if len(self._history) < before:  # what is over changes no more
            for frozen in self._frozen()[len(self._history) : before]:
                if frozen.state == TrialState.FAIL:
                    params, distributions = frozen.params, frozen.distributions
                    frozen = create_trial(state=TrialState.PRUNED, params=params, distributions=distributions)
                self._history.append(frozen)
        return self._history[:before]

    def _frozen(self) -> list[FrozenTrial]:
        with self._errors():
            return sorted(self._storage.get_all_trials(self._study_id, deepcopy=False), key=lambda trial: trial.number)

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _trial(self, frozen: FrozenTrial) -> Trial:
        from optuna.trial import TrialState

        values = {
            path: from_optuna(axis, frozen.params[path]) for path, axis in self._axes.items() if path in frozen.params
        }
        attempts = int(frozen.user_attrs.get(_ATTEMPTS, frozen.state != TrialState.WAITING))
        if not frozen.state.is_finished():
            return Trial(
                frozen.number, values, "waiting" if frozen.state == TrialState.WAITING else "running", attempts
            )
        state = {TrialState.COMPLETE: "completed", TrialState.PRUNED: "pruned"}.get(frozen.state, "failed")
        stored = dict(frozen.user_attrs.get(_OUTCOME, {}))
        curve = {int(epoch): figure for epoch, figure in stored.pop("curve", {}).items()}  # JSON's keys are text
        return Trial(frozen.number, values, state, attempts, Outcome(state, curve=curve, **stored))  # type: ignore[arg-type]

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns what Optuna and SQLite say of the file into one line."""
        import sqlalchemy.exc
        from optuna.exceptions import OptunaError

        try:
            yield
        except (OptunaError, sqlalchemy.exc.SQLAlchemyError) as error:
            cause = " ".join(str(error.__cause__ or error).split())[:200]
            raise UserError(
                f"the trial table {self.path} cannot be used ({cause}): check the disk, or give another --sweep_dir."
            ) from error


def numbers_left(path: Path, before: Definition | None, definition: Definition) -> list[int]:
    """Returns the numbers of the trials that are not over.

    Args:
        path: the table's file; it need not be there.
        before: what the sweep was; None for a new one.
        definition: what it is from now on.
    """
    over: set[int] = set()
    if before is not None and path.exists():
        over = {trial.number for trial in Table(path, before).trials() if trial.outcome is not None}
    return [number for number in range(definition.trials) if number not in over]


def _url(path: Path) -> str:
    """Returns what SQLAlchemy calls a file; it would take ``?``, ``%`` and braces for its own."""
    return f"sqlite:///{quote(str(path.absolute()))}"
