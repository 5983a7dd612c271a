"""Stochastic weight averaging between the epochs (``training.swa``): what happens to a state after each of the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import numpy as np

from jaxdl.backend.mesh import placed
from jaxdl.steps.functions import TrainState
from jaxdl.steps.statistics import BATCH_STATISTICS

if TYPE_CHECKING:
    from jaxdl.training.loop import Trainer

# A layer of batch normalisation needs no more to know its statistics, and a stop has to wait for them.
_MOST_BATCHES = 512


def after_epoch(trainer: Trainer, state: TrainState, epoch: int) -> TrainState:
    """Returns the state after an epoch, whose parameters enter the average if it is one of the last ``training.swa``.

    The batch statistics of the average are then measured anew, on the batches of that epoch, at most the first 512.

    Args:
        trainer: the training.
        state: after the last step of the epoch; its memory is reused.
        epoch: 0 for the first.
    """
    training = trainer.experiment.training
    if epoch < training.epochs - training.swa:
        return state
    step = np.int32(state.step)
    state = trainer.placed(trainer.programs.beside.add_to_average(state))
    if BATCH_STATISTICS not in state.model_state:
        return state
    order, done, most = trainer.feed.order(epoch), 0, min(trainer.steps_per_epoch, _MOST_BATCHES)
    while done < most:
        with trainer.watch(f"batch statistics of the average after epoch {epoch + 1}"):
            state, done = trainer.measure(state, order, done, min(trainer.pace.steps, most - done))
            jax.block_until_ready(state.step)
    return trainer.placed(state.replace(step=placed(step, state.step.sharding)))
