"""What the compiled programs of a training do: many steps in one call, over data that lie on the device as stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.compiler import compiler_options
from jaxdl.data import Dataset, examples
from jaxdl.steps.functions import INPUT_SCOPE, Batch, Steps, Sums, TrainState


@dataclasses.dataclass(frozen=True)
class DeviceData:
    """Every split of a data set in one set of arrays on the device, as stored, so that one program serves all splits.

    Attributes:
        arrays: ``inputs`` (examples, ...), ``targets`` (examples, ...) and the like.
        ranges: first and one past the last example of each split, by name.
    """

    arrays: dict[str, jax.Array]
    ranges: Mapping[str, tuple[int, int]]

    def size(self, split: str) -> int:
        """Returns the number of examples in a split, 0 where there is none of that name."""
        start, stop = self.ranges.get(split, (0, 0))
        return stop - start


def put_on_device(dataset: Dataset) -> DeviceData:
    """Copies all splits to the default device, train first."""
    names = ("train", *(name for name in dataset.splits if name != "train"))
    bounds = np.cumsum([0, *(examples(dataset.splits[name]) for name in names)]).tolist()
    keys = dataset.splits["train"].keys()
    joined = {key: np.concatenate([dataset.splits[name][key] for name in names]) for key in keys}
    ranges = {name: (bounds[i], bounds[i + 1]) for i, name in enumerate(names)}
    return DeviceData(jax.device_put(joined), ranges)


def epoch_order(seed: int, epoch: int, count: int, passes: int = 1) -> np.ndarray:
    """Returns the order in which an epoch visits the train split, of (seed, epoch) alone.

    Made on the host: at 55,000 examples that takes 1 to 4 ms, where a sort in the compiled program takes 5 to 30 ms.
    By `RandomState`, because NumPy froze its stream for good, so that other versions give the same order.

    Returns:
        (passes * count,) int32: one permutation of ``range(count)`` after the other.
    """
    numbers = range(epoch * passes, (epoch + 1) * passes)
    orders = [np.random.RandomState([seed, number]).permutation(count) for number in numbers]
    return np.concatenate(orders).astype(np.int32)


def compiled(traced: Any) -> tuple[Any, dict[str, str]]:
    """Compiles a traced program with the options that are measured to be faster for what it computes; returns both."""
    options = compiler_options(traced.jaxpr.jaxpr)
    return traced.lower().compile(options), options


def take(arrays: Mapping[str, jax.Array], index: jax.Array) -> dict[str, jax.Array]:
    """Copies examples as flat rows: on the CPU that takes a tenth of what a gather of images takes."""

    def rows(array: jax.Array) -> jax.Array:
        taken = array.reshape(array.shape[0], -1).at[index].get(mode="promise_in_bounds")
        return taken.reshape(*index.shape, *array.shape[1:])

    return {key: rows(value) for key, value in arrays.items()}


def batch_of_step(
    arrays: Mapping[str, jax.Array], order: jax.Array, number: Any, batch_size: int
) -> dict[str, jax.Array]:
    """Returns the examples of one train step of an epoch.

    The last batch of an epoch is filled up with the epoch's first examples: each example is used at least once.

    Args:
        arrays: all examples, (examples, ...).
        order: (visits,) int32, the examples in the order of the epoch.
        number: number of the step in the epoch, 0 for the first.
        batch_size: examples in a batch.
    """
    positions = (number * batch_size + jnp.arange(batch_size, dtype=jnp.int32)) % order.shape[0]
    return take(arrays, order[positions])


def run_train_steps(
    steps: Steps,
    batch_size: int,
    state: TrainState,
    arrays: Batch,
    order: jax.Array,
    hparams: Mapping[str, Any],
    first: jax.Array,
    count: jax.Array,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Runs train steps `first` to ``first + count`` of one epoch; the numbers are traced, so one program serves all.

    Returns:
        The new state, and the metrics of each step of the epoch, (steps,) float32 each, zero for those not run here.
        They are added on the host in double precision, so that figures do not depend on how an epoch is cut into calls.
    """

    def body(i: jax.Array, carry: tuple[TrainState, dict[str, jax.Array]]) -> tuple[TrainState, dict[str, jax.Array]]:
        state, rows = carry
        with jax.named_scope(INPUT_SCOPE):
            batch = batch_of_step(arrays, order, i, batch_size)
        state, metrics = steps.train_step(state, batch, hparams)
        return state, jax.tree.map(lambda row, value: row.at[i].set(value), rows, metrics)

    first_batch = batch_of_step(arrays, order, 0, batch_size)
    shapes = jax.eval_shape(steps.train_step, state, first_batch, hparams)[1]
    steps_per_epoch = -(-order.shape[0] // batch_size)
    rows = jax.tree.map(lambda shape: jnp.zeros((steps_per_epoch, *shape.shape), shape.dtype), shapes)
    return jax.lax.fori_loop(first, first + count, body, (state, rows))


def run_train_steps_together(
    steps: Steps,
    batch_size: int,
    states: TrainState,
    arrays: Batch,
    orders: jax.Array,
    hparams: Mapping[str, Any],
    firsts: jax.Array,
    count: jax.Array,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Runs `count` train steps of several trainings side by side; see `run_train_steps`.

    All but `arrays` and `count` have a first axis of the trainings. They may be at different steps of their epochs.
    """

    def step(
        state: TrainState, rows: dict[str, jax.Array], order: jax.Array, hparams: Mapping[str, Any], number: jax.Array
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        batch = batch_of_step(arrays, order, number, batch_size)
        state, metrics = steps.train_step(state, batch, hparams)
        return state, jax.tree.map(lambda row, value: row.at[number].set(value), rows, metrics)

    def body(i: jax.Array, carry: tuple[TrainState, dict[str, jax.Array]]) -> tuple[TrainState, dict[str, jax.Array]]:
        return jax.vmap(step)(*carry, orders, hparams, firsts + i)

    one = jax.tree.map(lambda array: array[0], (states, orders, hparams))
    first_batch = batch_of_step(arrays, one[1], 0, batch_size)
    shapes = jax.eval_shape(steps.train_step, one[0], first_batch, one[2])[1]
    steps_per_epoch = -(-orders.shape[1] // batch_size)
    rows = jax.tree.map(lambda shape: jnp.zeros((len(orders), steps_per_epoch), shape.dtype), shapes)
    return jax.lax.fori_loop(0, count, body, (states, rows))


def run_eval_steps(
    steps: Steps,
    batch_size: int,
    most_batches: int,
    state: TrainState,
    arrays: Batch,
    hparams: Mapping[str, Any],
    start: jax.Array,
    stop: jax.Array,
) -> Sums:
    """Evaluates the examples ``start`` to ``stop`` once each; the last batch is masked.

    Returns:
        The partial sums of each batch, with one leading axis of `most_batches`; those past the last are zero. They are
        added on the host in double precision, so that figures do not depend on the batch size.
    """

    def sums_of(i: jax.Array) -> Sums:
        positions = start + i * batch_size + jnp.arange(batch_size, dtype=jnp.int32)
        batch = take(arrays, jnp.minimum(positions, stop - 1))
        return steps.eval_step(state, batch | {"mask": positions < stop}, hparams)

    shapes = jax.eval_shape(sums_of, jax.ShapeDtypeStruct((), jnp.int32))
    buffers = jax.tree.map(lambda s: jnp.zeros((most_batches, *s.shape), s.dtype), shapes)
    batches = (stop - start + batch_size - 1) // batch_size

    def body(i: jax.Array, buffers: Sums) -> Sums:
        return jax.tree.map(lambda buffer, value: buffer.at[i].set(value), buffers, sums_of(i))

    return jax.lax.fori_loop(0, batches, body, buffers)
