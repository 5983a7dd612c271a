"""Stops worse trials early, with Optuna's pruners.

Each trial is compared only with trials that were over when it began. So decisions do not depend on which of several
trials runs faster, and a sweep that was stopped and resumed decides the same again.

The trials of one combination with several seeds pause at each rung until all of them have come so far, and then go on
or stop together, by the mean of their figures (see `is_behind`). One unlucky seed stops nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxdl.sweeps.aims import Direction
from jaxdl.sweeps.definition import Prune
from jaxdl.sweeps.space.sampling import quiet
from jaxdl.sweeps.trials.trial import Job, Trial

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as OptunaTrial

_KEPT_OF = 3  # one of so many continues at each rung, as in the papers' experiments
_FIRST_WHOLE = 5  # so many trials come to their end before others are compared with their median; Optuna's default
_NAME = "sweep"  # Hyperband deals trials into brackets by the study's name and their numbers


def _pruner(prune: Prune, epochs: int) -> BasePruner:
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner

    if prune == "median":
        return MedianPruner(n_startup_trials=_FIRST_WHOLE, n_warmup_steps=0)
    if prune == "asha":
        return SuccessiveHalvingPruner(min_resource=1, reduction_factor=_KEPT_OF)
    if prune == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=_KEPT_OF)
    return NopPruner()


def first_rung_after(epoch: int) -> int:
    """Returns the next epoch at which trials may be compared: 1, 3, 9, 27 and so on."""
    rung = 1
    while rung <= epoch:
        rung *= _KEPT_OF
    return rung


class Rivals:
    """The finished trials of a sweep for a pruner, with the rungs that each has reached.

    Several trials of one combination count as one; see `jaxdl.sweeps.trials.cohorts.combined`.

    Args:
        prune: how trials are stopped early.
        direction: whether smaller or larger values of the figure are better.
        epochs: epochs of the longest training.
    """

    def __init__(self, prune: Prune, direction: Direction, epochs: int):
        import optuna

        with quiet():
            self._study = optuna.create_study(study_name=_NAME, direction=direction, pruner=_pruner(prune, epochs))
        self._count = 0

    def of(self, trials: Sequence[Trial]) -> tuple[FrozenTrial, ...]:
        """Returns the rivals of the trial that starts when `trials`, the first ones of the sweep, are finished."""
        from optuna.trial import TrialState

        with quiet():
            for trial in trials[self._count :]:
                assert trial.outcome is not None
                replayed = self._study.ask()
                for epoch, figure in sorted(trial.outcome.curve.items()):
                    replayed.report(figure, epoch)
                    replayed.should_prune()  # records the rung; its result was used when the trial ran
                if trial.state == "completed":
                    self._study.tell(replayed, trial.objective)
                else:
                    self._study.tell(replayed, state=TrialState.PRUNED if trial.state == "pruned" else TrialState.FAIL)
                self._count += 1
        return tuple(self._study.get_trials(deepcopy=False)[: len(trials)])


class Pruning:
    """Says after each epoch of one trial whether the trial is stopped early; a `jaxdl.training.hooks.GiveUp`."""

    def __init__(self, job: Job):
        self._objective = job.objective
        self._pause_at = job.pause_at
        self._trial = None
        if job.prune != "none":
            self._trial = _compared(job.prune, job.direction, job.most_epochs, job.rivals, job.number)

    def __call__(self, epoch: int, figures: Mapping[str, Any]) -> bool:
        if self._pause_at:
            return epoch >= self._pause_at
        if self._trial is None:
            return False
        self._trial.report(float(figures[self._objective]), epoch)
        return self._trial.should_prune()


def is_behind(
    prune: Prune,
    direction: Direction,
    epochs: int,
    rivals: Sequence[FrozenTrial],
    number: int,
    curve: Mapping[int, float],
) -> bool:
    """Returns whether a combination is stopped early at the last epoch of its curve.

    Args:
        prune: how trials are stopped early.
        direction: whether smaller or larger values of the figure are better.
        epochs: epochs of the longest training.
        rivals: the combinations that it is compared with, of `Rivals`.
        number: its number among all combinations.
        curve: the means over its seeds, by number of epochs.
    """
    trial = _compared(prune, direction, epochs, rivals, number)
    behind = False
    for epoch, figure in sorted(curve.items()):
        trial.report(figure, epoch)
        behind = trial.should_prune()
    return behind


def _compared(
    prune: Prune, direction: Direction, epochs: int, rivals: Sequence[FrozenTrial], number: int
) -> OptunaTrial:
    """Returns a trial of Optuna that its pruner compares with rivals."""
    import optuna

    from jaxdl.sweeps.space.shared_trials import SharedTrials

    with quiet():
        storage, pruner = SharedTrials(rivals, number), _pruner(prune, epochs)
        study = optuna.create_study(study_name=_NAME, storage=storage, direction=direction, pruner=pruner)
        return study.ask()
