"""The examples of each train step: a pure function of the seed and the number of the step."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from jaxdl.data.resident import Resident
from jaxdl.steps.functions import Batch
from jaxdl.steps.many import batch_of_step


def epoch_order(seed: int, epoch: int, count: int, passes: int = 1) -> np.ndarray:
    """Returns the order in which an epoch visits the train split; it depends only on (seed, epoch).

    Computed on the host: for 55,000 examples that takes 1 to 4 ms, while a sort in the compiled program takes 5 to 30
    ms. It uses `RandomState`, whose stream NumPy never changes, so that all versions give the same order.

    Args:
        seed: the experiment's seed.
        epoch: 0 for the first.
        count: number of train examples.
        passes: passes over the train split in one epoch.

    Returns:
        (passes * count,) int32: permutations of ``range(count)``, one after another.
    """
    numbers = range(epoch * passes, (epoch + 1) * passes)
    orders = [np.random.RandomState([seed, number]).permutation(count) for number in numbers]
    return np.concatenate(orders).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Feed:
    """The train examples in the order in which a training visits them, all of them on the device.

    Attributes:
        data: the examples.
        batch_size: examples in one train step.
        seed: the experiment's seed.
        passes: passes over the train split in one epoch.
    """

    data: Resident
    batch_size: int
    seed: int
    passes: int = 1

    @property
    def examples_per_epoch(self) -> int:
        return self.data.size("train") * self.passes

    @property
    def steps_per_epoch(self) -> int:
        """Number of train steps of an epoch; the last batch is filled up."""
        return -(-self.examples_per_epoch // self.batch_size)

    def order(self, epoch: int) -> jax.Array:
        """Returns the order of an epoch, 0 for the first: (examples_per_epoch,) int32 on the device."""
        order: jax.Array = jax.device_put(epoch_order(self.seed, epoch, self.data.size("train"), self.passes))
        return order

    def batch(self, step: int) -> Batch:
        """Returns the examples of the train step after `step` steps, by name, (batch_size, ...)."""
        epoch, number = divmod(step, self.steps_per_epoch)
        return batch_of_step(self.data.arrays, self.order(epoch), number, self.batch_size)
