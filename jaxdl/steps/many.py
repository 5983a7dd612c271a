"""Many steps in one call, over examples on the device as they are stored: the content of the compiled programs.

All functions here are pure; they become programs in `jaxdl.training.programs` and `jaxdl.inference.evaluation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.steps.buckets import Buckets
from jaxdl.steps.functions import INPUT_SCOPE, Batch, Steps, Sums, TrainState
from jaxdl.steps.layout import TRAININGS, Layout, known

Rows = dict[str, jax.Array]


def take(arrays: Mapping[str, jax.Array], index: jax.Array) -> dict[str, jax.Array]:
    """Returns the examples at the given positions.

    They are copied as flat rows: on the CPU that takes a tenth of the time of a gather of images.

    Args:
        arrays: all examples, (examples, ...).
        index: positions, (...) int32, each in range.
    """

    def rows(array: jax.Array) -> jax.Array:
        taken = array.reshape(array.shape[0], -1).at[index].get(mode="promise_in_bounds")
        return taken.reshape(*index.shape, *array.shape[1:])

    return {key: rows(value) for key, value in arrays.items()}


def batch_of_step(
    arrays: Mapping[str, jax.Array],
    order: jax.Array,
    number: Any,
    batch_size: int,
    layout: Layout | None = None,
) -> dict[str, jax.Array]:
    """Returns the examples of one train step of an epoch.

    The last batch of an epoch is filled up with the epoch's first examples: each example is used at least once.

    Args:
        arrays: all examples, (examples, ...).
        order: (visits,) int32, the examples in the order of the epoch.
        number: number of the step in the epoch, 0 for the first.
        batch_size: examples in a batch.
        layout: where the rows of the batch lie on several devices, each of which has all examples; None: there is one.
    """
    positions = (number * batch_size + jnp.arange(batch_size, dtype=jnp.int32)) % order.shape[0]
    if layout is None:
        return take(arrays, order[positions])
    return layout.batch(take(arrays, order[layout.batch(positions)]))


def run_train_steps(
    steps: Steps,
    batch_size: int,
    buckets: Buckets,
    stacked: bool,
    state: TrainState,
    arrays: Batch,
    order: jax.Array,
    hparams: Mapping[str, Any],
    first: jax.Array,
    count: jax.Array,
    *,
    layout: Layout | None = None,
) -> tuple[TrainState, Rows]:
    """Runs `count` train steps of one epoch; the numbers are traced, so that one program works for all calls.

    Args:
        steps: the pure functions.
        batch_size: examples in one step.
        buckets: the lengths to which batches of sequences are cut.
        stacked: several trainings at once: `state`, `order`, `hparams` and `first` then have an additional first axis,
            the trainings. They may be at different steps of their epochs.
        state: the state before the first of these steps.
        arrays: all examples, (examples, ...), shared by all trainings.
        order: (visits,) int32, the order in which the epoch visits the train split.
        hparams: the numbers that enter the step as data, by path.
        first: () int32, number in the epoch of the first step to run.
        count: () int32, how many steps to run.
        layout: where arrays lie on several devices; None: there is one.

    Returns:
        The state after the steps, and the metrics of each step of the epoch, (steps of an epoch,) float32 by name, zero
        for steps that were not run here. They are averaged on the host in double precision, so that figures do not
        depend on how an epoch is divided into calls.
    """

    def step(
        state: TrainState, rows: Rows, order: jax.Array, hparams: Any, number: jax.Array
    ) -> tuple[TrainState, Rows]:
        with jax.named_scope(INPUT_SCOPE):
            batch = batch_of_step(arrays, order, number, batch_size, layout)
        with known(layout):
            state, metrics = buckets.run(lambda batch: steps.train_step(state, batch, hparams), batch)
        state = state if layout is None else layout.state(state)
        return state, jax.tree.map(lambda row, value: row.at[number].set(value), rows, metrics)

    each = step
    if stacked:
        each = jax.vmap(step, spmd_axis_name=None if layout is None else TRAININGS)

    def body(i: jax.Array, carry: tuple[TrainState, Rows]) -> tuple[TrainState, Rows]:
        return each(*carry, order, hparams, first + i)

    rows = _empty_rows(steps, batch_size, stacked, state, arrays, order, hparams)
    after: tuple[TrainState, Rows] = jax.lax.fori_loop(0, count, body, (state, rows))
    return after


def _empty_rows(
    steps: Steps, batch_size: int, stacked: bool, state: Any, arrays: Batch, order: Any, hparams: Any
) -> Rows:
    """Returns the rows of metrics of an epoch before its first step."""
    trainings = order.shape[:1] if stacked else ()
    if stacked:
        state, order, hparams = jax.tree.map(lambda array: array[0], (state, order, hparams))
    batch = batch_of_step(arrays, order, 0, batch_size)
    shapes = jax.eval_shape(steps.train_step, state, batch, hparams)[1]
    steps_per_epoch = -(-order.shape[0] // batch_size)
    return {name: jnp.zeros((*trainings, steps_per_epoch, *shape.shape), shape.dtype) for name, shape in shapes.items()}


def run_eval_steps(
    steps: Steps,
    batch_size: int,
    buckets: Buckets,
    most_batches: int,
    state: TrainState,
    arrays: Batch,
    hparams: Mapping[str, Any],
    start: jax.Array,
    stop: jax.Array,
    *,
    layout: Layout | None = None,
) -> Sums:
    """Evaluates the examples `start` to `stop`, each once; the last batch is masked.

    Args:
        steps: the pure functions.
        batch_size: examples in one step.
        buckets: the lengths to which batches of sequences are cut.
        most_batches: number of batches of the largest split.
        state: the state to evaluate.
        arrays: all examples, (examples, ...).
        hparams: the numbers that enter the step as data, by path.
        start: () int32, the first example.
        stop: () int32, one past the last.
        layout: as there.

    Returns:
        The partial sums of each batch, with one leading axis of `most_batches`; entries past the last batch are zero.
        They are added on the host in double precision, so that figures do not depend on the batch size.
    """

    def sums_of(i: jax.Array) -> Sums:
        positions = start + i * batch_size + jnp.arange(batch_size, dtype=jnp.int32)
        positions = positions if layout is None else layout.batch(positions)
        batch = take(arrays, jnp.minimum(positions, stop - 1))
        batch = batch if layout is None else layout.batch(batch)
        with known(layout):
            return buckets.run(lambda batch: steps.eval_step(state, batch, hparams), batch | {"mask": positions < stop})

    shapes = jax.eval_shape(sums_of, jax.ShapeDtypeStruct((), jnp.int32))
    buffers = jax.tree.map(lambda s: jnp.zeros((most_batches, *s.shape), s.dtype), shapes)
    batches = (stop - start + batch_size - 1) // batch_size

    def body(i: jax.Array, buffers: Sums) -> Sums:
        filled: Sums = jax.tree.map(lambda buffer, value: buffer.at[i].set(value), buffers, sums_of(i))
        return filled

    sums: Sums = jax.lax.fori_loop(0, batches, body, buffers)
    return sums
