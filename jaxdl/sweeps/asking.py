"""Ask and tell: a search with a loop of one's own, which trains and measures as it likes."""

from __future__ import annotations

import dataclasses
import itertools
import math
import numbers
import types
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from jaxdl.errors import UserError, brief
from jaxdl.experiment import Experiment
from jaxdl.sweeps.api import make_definition
from jaxdl.sweeps.definition import LEARNING, Definition
from jaxdl.sweeps.selection import Selection
from jaxdl.sweeps.space.cmaes import CmaEs
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.reading import make_space
from jaxdl.sweeps.space.sampling import draw, key_of
from jaxdl.sweeps.space.space import apply
from jaxdl.sweeps.space.suggested import SpaceFunction, read_function
from jaxdl.sweeps.trials.cohorts import in_optunas_terms
from jaxdl.sweeps.trials.schedule import planned_values
from jaxdl.sweeps.trials.trial import Outcome, Trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# So many settings are drawn where nobody says how many are wanted; those that do not depend on results, all at once.
_MOST, _MOST_AHEAD = 20_000, 1000


class Asked(NamedTuple):
    """A setting to try.

    Attributes:
        number: its number, from 0, by which its figure is told.
        values: the values of the varied fields, by dotted path.
        experiment: the recipe with them.
    """

    number: int
    values: Mapping[str, Any]
    experiment: Experiment


class Search:
    """Asks for settings, and is told what came of them.

    With the same arguments, and told the same figures between the same questions, it asks for the same settings.

    Args:
        experiment: the recipe.
        space: the values of each field, or a function of a trial, as in `jaxdl.sweep`.
        mode: ``sweep_mode`` of `jaxdl.sweeps.selection.Selection`; TPE if not given.
        trials: how many settings are drawn at most; 0: all of a grid, 1,000 random ones, otherwise 20,000.
        sweep_objective: the figure that is told, such as ``validation/accuracy``; one of the recipe if not given.
        direction: whether smaller or larger values are better, where its name does not say it.
        sweep_seed: seed of the values that are drawn.
        sweep_if: conditions, as in `jaxdl.sweep`.
        enqueue: known settings that are asked first.

    Raises:
        UserError: as `jaxdl.sweep`; or the search needs one program, or stops trials early.
    """

    def __init__(
        self,
        experiment: Experiment,
        space: Mapping[str, Any] | SpaceFunction,
        *,
        mode: Literal["grid", "random", "sobol", "tpe", "cmaes"] = "tpe",
        trials: int = 0,
        sweep_objective: str = "",
        direction: Literal["", "minimize", "maximize"] = "",
        sweep_seed: int = 0,
        sweep_if: str | Callable[[Experiment], bool] | Sequence[str | Callable[[Experiment], bool]] = (),
        enqueue: Sequence[Mapping[str, Any]] = (),
    ):
        if str(mode) == "pbt":
            raise UserError("a population trains in one program: jaxdl.sweep(..., mode='pbt').")
        limits = [sweep_if] if isinstance(sweep_if, str) or callable(sweep_if) else list(sweep_if)
        fields, pairs = read_function(space) if callable(space) else (space, [])
        made = make_space(experiment, fields, limits, pairs)
        most = trials or (0 if mode == "grid" else int(min(made.size, _MOST if mode in LEARNING else _MOST_AHEAD)))
        selection = Selection(mode, most, sweep_objective, direction, sweep_seed=sweep_seed)
        self._definition: Definition = make_definition(experiment, made, selection, enqueue=enqueue)
        if self._definition.bounds:
            raise UserError("a search is told one figure; tell None of a setting that does not keep a bound.")
        self._planned = planned_values(self._definition)
        self._cmaes: CmaEs | None = None
        self._known = 0
        self._trials: list[Trial] = []
        self._history: dict[int, FrozenTrial] = {}  # what was told, by number

    @property
    def trials(self) -> Sequence[Trial]:
        """What was asked for, with the outcome of each that was told."""
        return tuple(self._trials)

    @property
    def best(self) -> Trial | None:
        """The best one that was told; None before the first."""
        told = [trial for trial in self._trials if trial.objective is not None]
        return min(told, key=lambda trial: self._definition.loss(trial.objective or 0.0), default=None)

    def ask(self) -> Asked:
        """Returns the next setting to try; others may be asked for before its figure is told.

        Raises:
            UserError: there is none left.
        """
        number = len(self._trials)
        if number >= self._definition.trials:
            raise UserError(f"all {number} settings were asked for; give more values, or a larger number of trials.")
        values = self._planned[number] if self._planned is not None else self._drawn(number)
        self._trials.append(Trial(number, values, "running", 1))
        return Asked(number, types.MappingProxyType(values), apply(self._definition.experiment, values))

    def tell(self, asked: Asked | int, figure: float | Mapping[str, Any] | None) -> None:
        """Takes note of what came of a setting.

        Args:
            asked: what `ask` returned, or its number.
            figure: the compared figure; or the summary that `jaxdl.train` returns, which has it; None or NaN where
                there is none, because the training failed: later settings then avoid such values.

        Raises:
            UserError: it was not asked for, was told before, or the summary has no such figure.
        """
        number = asked if isinstance(asked, int) else asked.number
        if not 0 <= number < len(self._trials):
            raise UserError(f"tell({number}): it was not asked for; the last one is {len(self._trials) - 1}.")
        if self._trials[number].outcome is not None:
            raise UserError(f"tell({number}): its figure was told before.")
        value = self._figure(figure)
        state: Literal["completed", "failed"] = "failed" if value is None or not math.isfinite(value) else "completed"
        outcome = Outcome(state, value if state == "completed" else None)
        self._trials[number] = dataclasses.replace(self._trials[number], state=state, outcome=outcome)

    def _figure(self, figure: Any) -> float | None:
        if isinstance(figure, Mapping):
            metrics = figure.get("metrics", figure)
            if self._definition.objective not in metrics and figure.get("status", "completed") == "completed":
                raise UserError(
                    f"tell: the summary has no {self._definition.objective}, by which settings are compared."
                )
            figure = metrics.get(self._definition.objective)
        if figure is not None and not isinstance(figure, numbers.Real):
            raise UserError(f"tell: a number, the summary of a training or None, not {brief(figure)}.")
        return None if figure is None else float(figure)

    def _drawn(self, number: int) -> Values:
        assert self._definition.mode in LEARNING
        for trial in self._trials:
            if trial.outcome is not None and trial.number not in self._history:
                self._history[trial.number] = in_optunas_terms(trial, self._definition)
        history = [over for _, over in sorted(self._history.items())]
        if self._definition.mode == "cmaes":
            # It learns in the order of the numbers.
            first = list(itertools.takewhile(lambda trial: trial.outcome is not None, self._trials))
            self._cmaes = self._cmaes or CmaEs(self._definition, lambda place: self._known)
            self._known = len(first)
            return self._cmaes.combination(number, history[: len(first)])
        earlier = frozenset(key_of(trial.values) for trial in self._trials)
        return draw(self._definition, number, history, earlier)
