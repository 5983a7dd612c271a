"""A finished run that goes on for more epochs, where that gives the bits of a run that was that long from the start.

Order of the examples, augmentation and dropout depend on seed and step alone, so only what depends on the length of the
training stands against it: a schedule whose learning rates were others in the steps that are done, and an average over
the last epochs.
"""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import replace
from jaxdl.optim import Optimizer
from jaxdl.optim.schedules import SCHEDULES
from jaxdl.record import read_record

_EPOCHS = "training.epochs"


def is_longer(experiment: Experiment, before: Experiment) -> bool:
    """Returns whether a recipe has more epochs than another; whether they differ in anything else is not asked."""
    return experiment.training.epochs > before.training.epochs


def as_long_as(experiment: Experiment, other: Experiment) -> Experiment:
    """Returns a recipe with the number of epochs of another."""
    return replace(experiment, {_EPOCHS: other.training.epochs})


def check_goes_on(run_dir: Path, experiment: Experiment, before: Experiment) -> None:
    """Checks that a run of fewer epochs can go on to the bits of a longer one.

    Args:
        run_dir: the run directory.
        experiment: the recipe, with more epochs.
        before: the recipe of the run.

    Raises:
        UserError: its steps had other learning rates than those of the longer training; the message says what to do.
    """
    epochs, longer = before.training.epochs, experiment.training.epochs
    if experiment.training.swa:
        raise UserError(
            f"{run_dir} has a run of {_counted(epochs)} with an average over the last {experiment.training.swa} "
            f"(training.swa), which are other ones with {longer}. Train with another --run_dir."
        )
    steps_per_epoch = read_record(run_dir).get("steps_per_epoch")
    why = "its record does not say how many steps an epoch has"
    if isinstance(steps_per_epoch, int):
        found = first_other_rate(experiment.optimizer, epochs * steps_per_epoch, longer * steps_per_epoch)
        if found is None:
            return
        schedule = experiment.optimizer.schedule
        warmup = f" with warmup={schedule.warmup:g}, a fraction of all steps," if schedule.warmup else ""
        why = (
            f"schedule={SCHEDULES.name_of(schedule)}{warmup} depends on the number of all steps, so the learning rates "
            f"were others from step {found + 1:,} on"
        )
    raise UserError(
        f"{run_dir} has a run of {_counted(epochs)}, which cannot go on to the bits of one of {longer}: {why}. Train "
        f"{longer} epochs with another --run_dir; or begin a new run of {_counted(longer - epochs)} with its weights: "
        f"--init_from={run_dir} --epochs={longer - epochs} (the optimizer's state and the schedule begin anew)."
    )


def _counted(epochs: int) -> str:
    return f"{epochs} epoch" if epochs == 1 else f"{epochs} epochs"


def first_other_rate(optimizer: Optimizer, steps: int, more_steps: int) -> int | None:
    """Returns how many steps come before the first whose learning rate depends on the length; None: none does.

    Args:
        optimizer: has the schedule.
        steps: train steps of a training; all of them are compared.
        more_steps: train steps of a longer one.
    """
    counts = np.arange(steps, dtype=np.int32)
    factors = [jax.jit(jax.vmap(optimizer.schedule.factor(length)))(counts) for length in (steps, more_steps)]
    other = np.flatnonzero(np.asarray(factors[0]) != np.asarray(factors[1]))
    return int(other[0]) if other.size else None
