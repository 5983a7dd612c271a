"""The train examples in the order of a training, brought to the device a chunk of steps at a time.

The same train program runs over a chunk as over a whole set. The examples of a chunk lie in the order in which its
steps visit them, so a step takes the same examples, and ends with the same bits, as where all are on the device. Which
examples these are depends only on seed and step: a training that resumes anywhere reads on from there.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.mesh import placed
from jaxdl.data import Dataset
from jaxdl.data.chunks import InParts, Prefetcher
from jaxdl.data.lengths import bucket_of_each, train_buckets
from jaxdl.data.resident import Resident
from jaxdl.experiment.recipe import Training
from jaxdl.steps.functions import Batch, TrainState
from jaxdl.steps.many import Rows
from jaxdl.training.feed import Feed, Program, Visits


@dataclasses.dataclass(frozen=True)
class StreamedFeed(Visits):
    """The train examples in the order in which a training visits them, read in chunks.

    The counterpart of `jaxdl.training.feed.Feed`.

    Attributes:
        epochs: of the training, after which nothing is read.
    """

    data: InParts
    epochs: int = 1

    @functools.cached_property
    def steps_per_chunk(self) -> int:
        return self.data.batches(self.batch_size, self.steps_per_epoch)

    @property
    def bytes_beside(self) -> int:
        """Size of the chunks beside the one that a call takes: the last one, still in use, and those read ahead."""
        count = self.steps_per_chunk * self.batch_size
        of_chunk: int = sum(shape.size * shape.dtype.itemsize for shape in self.data.shapes(count).values())
        return of_chunk * (1 + self.data.ahead(count))

    @property
    def waited(self) -> float:
        """How long the device waited for examples so far, in seconds."""
        return self._prefetcher.waited

    def order(self, epoch: int) -> int:
        """Returns the number of an epoch, by which `arguments` knows its order."""
        return epoch

    def batch(self, step: int) -> Batch:
        """Returns the examples of the train step after `step` steps, by name, (batch_size, ...)."""
        epoch, number = divmod(step, self.steps_per_epoch)
        found: Batch = jax.device_put(self._read(epoch, number, 1, self.batch_size))
        return found

    def program(self, run: Program) -> tuple[Program, tuple[Any, ...]]:
        """Returns the train program, and the shapes of its `arguments`, without state and hparams.

        Args:
            run: `jaxdl.steps.many.run_train_steps` of the recipe.
        """
        count = self.steps_per_chunk * self.batch_size
        positions = jax.ShapeDtypeStruct((count,), jnp.int32, sharding=self.data.sharding)
        program = functools.partial(run_steps_of_chunk, run, self.steps_per_epoch)
        return program, (self.data.shapes(count), positions, np.int32(0), np.int32(0), np.int32(0))

    def arguments(self, epoch: int, first: int, steps: int, running: Any) -> tuple[Any, Any, tuple[Any, ...], int]:
        """Returns what a call of the train program takes: the examples, their order, and which steps it runs.

        Args:
            epoch: what `order` returned.
            first: number in the epoch of the first step.
            steps: how many steps are wanted.
            running: what the device is still working on.

        Returns:
            The examples of a chunk, their positions, the three numbers of `run_steps_of_chunk`, and the number of steps
            that it runs: fewer than wanted at the end of the chunk.
        """
        chunk = first // self.steps_per_chunk
        before = chunk * self.steps_per_chunk
        steps = min(steps, before + self.steps_per_chunk - first)
        arrays = self._prefetcher.get((epoch, chunk), running)
        return arrays, self._positions, (np.int32(first), np.int32(steps), np.int32(before)), steps

    def close(self) -> None:
        """Ends the thread that reads ahead; a later call begins it again."""
        self._prefetcher.close()

    @functools.cached_property
    def _positions(self) -> jax.Array:
        positions = jnp.arange(self.steps_per_chunk * self.batch_size, dtype=jnp.int32)
        return positions if self.data.sharding is None else placed(positions, self.data.sharding)

    @functools.cached_property
    def _prefetcher(self) -> Prefetcher:
        ahead = self.data.ahead(self.steps_per_chunk * self.batch_size)
        return Prefetcher(self._read_chunk, self._following, ahead, self.data.sharding)

    def _following(self, key: tuple[int, int]) -> tuple[int, int] | None:
        epoch, chunk = key
        if (chunk + 1) * self.steps_per_chunk < self.steps_per_epoch:
            return epoch, chunk + 1
        return (epoch + 1, 0) if epoch + 1 < self.epochs else None

    def _read_chunk(self, key: tuple[int, int]) -> Mapping[str, np.ndarray]:
        epoch, chunk = key
        first = chunk * self.steps_per_chunk
        count = min(self.steps_per_chunk, self.steps_per_epoch - first)
        return self._read(epoch, first, count, self.steps_per_chunk * self.batch_size)

    def _read(self, epoch: int, first: int, count: int, room: int) -> Mapping[str, np.ndarray]:
        # As `jaxdl.steps.many.batch_of_step` takes them: the last batch is filled up with the epoch's first examples.
        positions = np.arange(first * self.batch_size, (first + count) * self.batch_size) % self.examples_per_epoch
        return self.data.read("train", self._visits(epoch)[positions], room)

    def _visits(self, epoch: int) -> np.ndarray:
        # Of a set of ten million examples an order takes a second, and 40 MB.
        visits = self._kept_visits.get(epoch)
        if visits is None:
            visits = self.visits(epoch)
            self._kept_visits.clear()
            self._kept_visits[epoch] = visits
        return visits

    @functools.cached_property
    def _kept_visits(self) -> dict[int, np.ndarray]:
        return {}


AnyFeed = Feed | StreamedFeed


def feed_of(
    data: Resident | InParts,
    training: Training,
    seed: int,
    dataset: Dataset,
) -> AnyFeed:
    """Returns the train examples of a training in the order in which it visits them; see `Feed`.

    Args:
        data: the examples, on the device or brought there in parts.
        training: the batch size and the like.
        seed: of the order.
        dataset: where they come from.
    """
    buckets = train_buckets(dataset, training.buckets)
    bucket_of = bucket_of_each(dataset.splits["train"], buckets)
    visits = (training.batch_size, seed, dataset.passes, buckets, bucket_of)
    return StreamedFeed(data, *visits, training.epochs) if isinstance(data, InParts) else Feed(data, *visits)


def run_steps_of_chunk(
    run: Program,
    steps_per_epoch: int,
    state: TrainState,
    arrays: Batch,
    positions: jax.Array,
    hparams: Mapping[str, Any],
    first: jax.Array,
    count: jax.Array,
    before: jax.Array,
) -> tuple[TrainState, Rows]:
    """Runs `count` train steps of an epoch whose examples are in one chunk; see `jaxdl.steps.many.run_train_steps`.

    Args:
        run: `jaxdl.steps.many.run_train_steps` of the recipe.
        steps_per_epoch: steps of the whole epoch.
        state: the state before the first of these steps.
        arrays: the examples of the chunk in the order in which its steps visit them, (examples, ...).
        positions: (examples,) int32, 0, 1, 2, and so on.
        hparams: the numbers that enter the step as data, by path.
        first: () int32, number in the epoch of the first step to run.
        count: () int32, how many steps to run.
        before: () int32, number in the epoch of the chunk's first step.

    Returns:
        The state after the steps, and the metrics of each step of the epoch, zero for steps that were not run here.
    """
    state, rows = run(state, arrays, positions, hparams, first - before, count)

    def placed(row: jax.Array) -> jax.Array:
        room = jnp.zeros((steps_per_epoch + row.shape[0], *row.shape[1:]), row.dtype)
        return jax.lax.dynamic_update_slice_in_dim(room, row, before, axis=0)[:steps_per_epoch]

    return state, jax.tree.map(placed, rows)
