"""Many steps in one program, against NumPy and against single steps."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.steps.buckets import Buckets
from jaxdl.steps.many import batch_of_step, run_eval_steps, run_train_steps, take
from tests.small import blobs

DATASET = blobs(train=11, validation=4, test=7)
ARRAYS = DATASET.splits["train"]
BATCH = 4  # three steps an epoch, the last of which is filled up


@given(shape=st.sampled_from([(), (3,), (2, 3, 1)]), index=st.lists(st.integers(0, 10), min_size=1, max_size=12))
def test_examples_are_taken_as_numpy_takes_them(shape: tuple[int, ...], index: list[int]) -> None:
    array = np.random.RandomState(0).randint(256, size=(11, *shape)).astype(np.uint8)
    for positions in (np.array(index), np.array(index)[:, None]):
        taken = take({"a": jnp.array(array)}, jnp.array(positions))["a"]
        np.testing.assert_array_equal(taken, array[positions])
        assert taken.dtype == np.uint8


@pytest.mark.parametrize(("number", "expected"), [(0, [0, 1, 2, 3]), (1, [4, 5, 6, 7]), (2, [8, 9, 10, 0])])
def test_the_last_batch_is_filled_up_with_the_epochs_first_examples(number: int, expected: list[int]) -> None:
    order = np.random.RandomState(1).permutation(11).astype(np.int32)
    batch = batch_of_step(jax.device_put(ARRAYS), jnp.array(order), number, BATCH)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(batch[name], array[order[expected]])


def recipe() -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="many",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(5,), dropout=0.2),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        metrics=("accuracy", "confusion"),
    )


STEPS = jaxdl.make_steps(recipe(), DATASET.spec, total_steps=6)
HPARAMS = {name: np.float32(value) for name, value in jaxdl.hyperparameters(recipe()).items()}
RUN = {
    stacked: jax.jit(functools.partial(run_train_steps, STEPS, BATCH, Buckets(), stacked)) for stacked in (False, True)
}


def one_by_one(seed: int, order: np.ndarray, hparams: dict[str, Any], first: int, count: int) -> tuple[Any, np.ndarray]:
    """Takes the same steps one by one; returns the state, and the loss of each step."""
    state, losses = STEPS.init_state(seed), np.zeros(3, np.float32)
    filled = np.resize(order, 3 * BATCH)
    for number in range(first, first + count):
        index = filled[number * BATCH : (number + 1) * BATCH]
        state, metrics = STEPS.train_step(
            state, {name: jnp.asarray(array[index]) for name, array in ARRAYS.items()}, hparams
        )
        losses[number] = metrics["loss"]
    return state, losses


@pytest.mark.slow
@pytest.mark.parametrize(("first", "count"), [(0, 3), (0, 1), (1, 1), (1, 2), (2, 1), (1, 0)])
def test_many_steps_are_the_single_steps_in_a_row(first: int, count: int) -> None:
    order = np.random.RandomState(2).permutation(11).astype(np.int32)
    state, rows = RUN[False](STEPS.init_state(0), ARRAYS, order, HPARAMS, np.int32(first), np.int32(count))
    expected, losses = one_by_one(0, order, HPARAMS, first, count)
    assert int(state.step) == count and rows.keys() == {"loss", "accuracy"}
    np.testing.assert_allclose(rows["loss"], losses, rtol=1e-5)  # zero where no step was run
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), state.params, expected.params)


@pytest.mark.slow
def test_several_trainings_in_one_program_may_be_at_different_steps_of_their_epochs() -> None:
    orders = np.stack([np.random.RandomState(seed).permutation(11) for seed in range(3)]).astype(np.int32)
    rates = np.array([1e-3, 1e-2, 3e-2], np.float32)
    hparams = {name: np.full(3, value) for name, value in HPARAMS.items()} | {"optimizer.learning_rate": rates}
    first = np.array([0, 1, 1], np.int32)
    states = jax.vmap(STEPS.init_state)(np.arange(3, dtype=np.uint32))
    states, rows = RUN[True](states, ARRAYS, orders, hparams, first, np.int32(2))
    assert rows["loss"].shape == (3, 3)
    for place in range(3):
        own = {name: values[place] for name, values in hparams.items()}
        state, losses = one_by_one(place, orders[place], own, int(first[place]), 2)
        np.testing.assert_allclose(rows["loss"][place], losses, rtol=1e-4)
        jax.tree.map(
            lambda a, b, place=place: np.testing.assert_allclose(a[place], b, rtol=1e-3, atol=1e-5),
            states.params,
            state.params,
        )


@pytest.mark.parametrize("batch_size", [1, 3, 4, 9])
@pytest.mark.parametrize(("start", "stop"), [(0, 11), (2, 9), (5, 6)])
def test_partial_sums_are_those_of_each_batch_and_count_every_example_once(
    batch_size: int, start: int, stop: int
) -> None:
    state, most = STEPS.init_state(0), -(-11 // batch_size)
    sums = run_eval_steps(STEPS, batch_size, Buckets(), most, state, jax.device_put(ARRAYS), HPARAMS, start, stop)
    inputs, targets = ARRAYS["inputs"], ARRAYS["targets"]
    predictions = np.asarray(STEPS.predict_step(state, {"inputs": jnp.asarray(inputs)}), np.float64)
    losses = -np.log(predictions[np.arange(11), targets])
    for number in range(most):
        low = min(start + number * batch_size, stop)
        these = slice(low, min(low + batch_size, stop))
        np.testing.assert_allclose(sums["loss"][number], losses[these].sum(), rtol=1e-5)
        assert sums["count"][number] == len(targets[these])
        assert np.sum(sums["confusion"][number]) == len(targets[these])
    assert np.sum(sums["count"]) == stop - start
