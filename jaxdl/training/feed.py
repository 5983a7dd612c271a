"""The examples of each train step: a pure function of the seed and the number of the step."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.mesh import placed
from jaxdl.data.chunks import InParts
from jaxdl.data.resident import Resident
from jaxdl.steps.functions import Batch
from jaxdl.steps.many import batch_of_step

Program = Callable[..., Any]
# Orders of at most so many visits are kept: 20 MB for 256 of them.
_SHORT = 20_000


def epoch_order(seed: int, epoch: int, count: int, passes: int = 1) -> np.ndarray:
    """Returns the order in which an epoch visits the train split; it depends only on (seed, epoch).

    Computed on the host: for 55,000 examples that takes 1 to 4 ms, while a sort in the compiled program takes 5 to 30
    ms. It uses `RandomState`, whose stream NumPy never changes, so that all versions give the same order. Short orders
    are kept, since the trials of a sweep visit the examples in the same ones.

    Args:
        seed: the experiment's seed.
        epoch: 0 for the first.
        count: number of train examples.
        passes: passes over the train split in one epoch.

    Returns:
        (passes * count,) int32, which must not be changed: permutations of ``range(count)``, one after another.
    """
    return (_kept_order if passes * count <= _SHORT else _order)(seed, epoch, count, passes)


@functools.lru_cache(maxsize=256)
def _kept_order(seed: int, epoch: int, count: int, passes: int) -> np.ndarray:
    order = _order(seed, epoch, count, passes)
    order.flags.writeable = False
    return order


def _order(seed: int, epoch: int, count: int, passes: int) -> np.ndarray:
    numbers = range(epoch * passes, (epoch + 1) * passes)
    orders = [np.random.RandomState([seed, number]).permutation(count) for number in numbers]
    return np.concatenate(orders).astype(np.int32)


def order_by_length(
    order: np.ndarray, buckets: np.ndarray, batch_size: int, random: np.random.RandomState
) -> np.ndarray:
    """Returns an order in which the examples of a batch have the same bucket, so that none waits for a longer one.

    Within a bucket the examples keep their order. What does not fill a batch goes to the next longer bucket; what does
    not fill one of the last bucket comes at the end. The full batches come in random order.

    Args:
        order: (visits,) int32.
        buckets: (examples,) integers, the bucket of each example; 0 for the shortest.
        batch_size: examples in a batch.
        random: where the order of the batches comes from.
    """
    full, rest, of_visits = [], order[:0], buckets[order]
    for bucket in range(int(buckets.max(initial=0)) + 1):
        rest = np.concatenate([rest, order[of_visits == bucket]])
        count = len(rest) // batch_size * batch_size
        full.append(rest[:count].reshape(-1, batch_size))
        rest = rest[count:]
    batches = np.concatenate(full)
    return np.concatenate([batches[random.permutation(len(batches))].reshape(-1), rest])


@dataclasses.dataclass(frozen=True)
class Visits:
    """Which train examples the epochs of a training visit, in which order and batches; the base of both feeds.

    Attributes:
        data: the examples.
        batch_size: examples in one train step.
        seed: the experiment's seed.
        passes: passes over the train split in one epoch.
        buckets: the lengths to which batches are cut, of each input that has lengths; see `train_buckets`.
        bucket_of: (train examples,) integers, the bucket of each example; None: there are fewer than two, and the order
            is that of `epoch_order`. Otherwise a batch has examples of one bucket, see `order_by_length`.
    """

    data: Resident | InParts
    batch_size: int
    seed: int
    passes: int = 1
    buckets: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    bucket_of: np.ndarray | None = None

    @property
    def examples_per_epoch(self) -> int:
        return (self.data.visits or self.data.size("train")) * self.passes

    @property
    def steps_per_epoch(self) -> int:
        """Number of train steps of an epoch; the last batch is filled up."""
        return -(-self.examples_per_epoch // self.batch_size)

    @property
    def _count(self) -> int:
        """The number of examples to train on."""
        return self.data.size("train") if self.data.selected is None else len(self.data.selected)

    def visits(self, epoch: int) -> np.ndarray:
        """Returns the order of an epoch, 0 for the first: (examples_per_epoch,) int32."""
        order = epoch_order(self.seed, epoch, self._count, self.passes)
        if self.data.selected is not None:
            return np.resize(self.data.selected[order], self.examples_per_epoch)
        if self.bucket_of is None:
            return order
        return order_by_length(order, self.bucket_of, self.batch_size, np.random.RandomState([self.seed, epoch, 1]))


@dataclasses.dataclass(frozen=True)
class Feed(Visits):
    """The train examples in the order in which a training visits them, all of them on the device; see `Visits`."""

    data: Resident

    @property
    def waited(self) -> float:
        """How long the device waited for examples, in seconds: it has them all."""
        return 0.0

    def order(self, epoch: int) -> np.ndarray | jax.Array:
        """Returns the order of an epoch, 0 for the first: (examples_per_epoch,) int32, where programs take it from."""
        visits = self.visits(epoch)
        if self.data.sharding is None and jax.default_backend() == "cpu":
            return visits  # placing it takes longer than a train step of a small model, and it is in the same memory
        on_device: jax.Array = placed(visits, self.data.sharding)
        return on_device

    def program(self, run: Program) -> tuple[Program, tuple[Any, ...]]:
        """Returns the train program, and the shapes of its `arguments`, without state and hparams.

        Args:
            run: `jaxdl.steps.many.run_train_steps` of the recipe.
        """
        order = jax.ShapeDtypeStruct((self.examples_per_epoch,), jnp.int32, sharding=self.data.sharding)
        return run, (self.data.arrays, order, np.int32(0), np.int32(0))

    def arguments(self, order: Any, first: int, steps: int, running: Any) -> tuple[Any, Any, tuple[Any, ...], int]:
        """Returns what a call of the train program takes: the examples, their order, and which steps it runs.

        Args:
            order: what `order` returned.
            first: number in the epoch of the first step.
            steps: how many steps are wanted.
            running: what the device is still working on.

        Returns:
            The examples, their order, the numbers that say which steps are run, and how many these are.
        """
        return self.data.arrays, order, (np.int32(first), np.int32(steps)), steps

    def close(self) -> None:
        """Does nothing: all is on the device."""

    def batch(self, step: int) -> Batch:
        """Returns the examples of the train step after `step` steps, by name, (batch_size, ...)."""
        epoch, number = divmod(step, self.steps_per_epoch)
        return batch_of_step(self.data.arrays, jnp.asarray(self.order(epoch)), number, self.batch_size)
