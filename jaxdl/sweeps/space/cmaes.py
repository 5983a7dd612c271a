"""CMA-ES (Hansen 2016, arXiv:1604.00772) as Optuna has it, replayed, so that a sweep resumes where it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxdl.errors import UserError, check_installed
from jaxdl.sweeps.definition import Definition
from jaxdl.sweeps.space.axis import Choices
from jaxdl.sweeps.space.limits import Values
from jaxdl.sweeps.space.sampling import distribution, from_optuna, key_of, new_combination, quiet, shortened
from jaxdl.sweeps.space.space import Space

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_MOST_REDRAWS = 20


def check_cmaes(definition: Definition) -> None:
    """Raises `UserError` for a sweep that CMA-ES cannot do, or without the package.

    Raises:
        UserError: there are fewer than two ranges, or several aims, or the package is missing.
    """
    ranges = [axis for axis in definition.space.dimensions if not isinstance(axis.values, Choices)]
    if len(ranges) < 2:
        raise UserError("--sweep_mode=cmaes needs two ranges of numbers or more; give them, or --sweep_mode=tpe.")
    if definition.others:
        raise UserError("--sweep_mode=cmaes has one aim; give one --sweep_objective, or --sweep_mode=tpe.")
    check_installed(["cmaes"], "sweep", "--sweep_mode=cmaes", "give --sweep_mode=tpe")


class CmaEs:
    """Draws the combinations of a sweep one after another; a pure function of the definition and the results.

    CMA-ES has a state that each result moves. The results are told in the order of the combinations, and of each
    combination those are told that were known when it was drawn. So a process that resumes a sweep comes to the same
    state, whatever finished first.

    Args:
        definition: the sweep.
        known: returns how many of the first combinations were over when a combination was drawn.
    """

    def __init__(self, definition: Definition, known: Callable[[int], int]):
        import optuna

        self._definition = definition
        self._known = known
        self._space: Space = definition.drawn_space
        self._distributions = {axis.name: distribution(axis) for axis in self._space.dimensions}
        seed = int(np.random.SeedSequence(definition.sweep_seed).generate_state(1)[0])
        sampler = optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        with quiet():
            self._study = optuna.create_study(sampler=sampler, direction=definition.direction)
        self._asked: list[tuple[Values, Any]] = []  # each combination with its trial; None if it was not suggested
        self._told = 0

    def combination(self, number: int, history: Sequence[FrozenTrial]) -> Values:
        """Returns a combination without its seed.

        Args:
            number: its number, 0 for the first.
            history: the finished combinations, in the order of their numbers; at least those that it is drawn from.
        """
        with quiet():
            while len(self._asked) <= number:
                self._tell(history[: self._known(len(self._asked))])
                self._asked.append(self._ask(len(self._asked)))
        return self._asked[number][0]

    def _tell(self, history: Sequence[FrozenTrial]) -> None:
        from optuna.trial import TrialState

        for (_, asked), over in zip(self._asked[self._told : len(history)], history[self._told :], strict=True):
            if asked is not None and over.state == TrialState.COMPLETE:
                self._study.tell(asked, over.value)
            elif asked is not None:
                self._study.tell(asked, state=TrialState.FAIL)
        self._told = len(history)

    def _ask(self, number: int) -> tuple[Values, Any]:
        from optuna.trial import TrialState

        earlier = {key_of(values) for values, _ in self._asked}
        if number >= len(self._definition.enqueued):
            for _ in range(_MOST_REDRAWS):
                trial = self._study.ask(self._distributions)
                drawn = {a.name: from_optuna(a, shortened(a, trial.params[a.name])) for a in self._space.dimensions}
                values = self._space.made_of(drawn)
                if self._space.allows(values) and key_of(values) not in earlier:
                    return values, trial
                self._study.tell(trial, state=TrialState.FAIL)
        return new_combination(self._definition, number, earlier), None
