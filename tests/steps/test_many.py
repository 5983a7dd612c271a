"""Many steps in one call, against the same steps one by one."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

import jaxdl
from jaxdl.data.resident import put_on_device
from jaxdl.inference.evaluation import device_hparams
from jaxdl.steps.many import batch_of_step, run_eval_steps, run_train_steps, take
from tests.small import blobs


def test_examples_are_taken_by_their_positions() -> None:
    array = jnp.arange(24).reshape(6, 2, 2)
    index = jnp.array([[5, 0], [3, 3]])
    np.testing.assert_array_equal(take({"inputs": array}, index)["inputs"], np.asarray(array)[np.asarray(index)])


def test_the_last_batch_is_filled_with_the_first_examples_of_the_order() -> None:
    order = jnp.array([4, 2, 0, 1, 3])
    batch = batch_of_step({"inputs": jnp.arange(10, 15)}, order, 1, 3)
    np.testing.assert_array_equal(batch["inputs"], [11, 13, 14])


def test_steps_in_one_call_equal_single_steps_alone_and_stacked(recipe: jaxdl.Experiment) -> None:
    dataset = blobs(train=40)
    fitted = jaxdl.replace(recipe, {"training.batch_size": 8}).for_spec(dataset.spec)
    steps = jaxdl.make_steps(fitted, dataset.spec, 10)
    arrays, hparams = put_on_device(dataset).arrays, device_hparams(fitted)
    order = jnp.array(np.random.RandomState(0).permutation(40), jnp.int32)
    state, losses = steps.init_state(0), []
    for number in (1, 2, 3):
        state, metrics = steps.train_step(state, batch_of_step(arrays, order, number, 8), hparams)
        losses.append(float(metrics["loss"]))
    run = jax.jit(functools.partial(run_train_steps, steps, 8, False))
    after, rows = run(steps.init_state(0), arrays, order, hparams, np.int32(1), np.int32(3))
    assert int(after.step) == 3
    np.testing.assert_allclose(rows["loss"], [0, *losses, 0], rtol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), after.params, state.params)

    two = jax.vmap(steps.init_state)(np.uint32([0, 1]))
    stacked = jax.jit(functools.partial(run_train_steps, steps, 8, True))
    numbers = {name: np.stack([value, value]) for name, value in hparams.items()}
    both, rows = stacked(two, arrays, jnp.stack([order, order]), numbers, np.int32([1, 0]), np.int32(3))
    np.testing.assert_allclose(rows["loss"][0], [0, *losses, 0], rtol=1e-4)
    assert rows["loss"].shape == (2, 5) and rows["loss"][1, 0] > 0 == rows["loss"][1, 3]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-3, atol=1e-5), both.params, state.params)


def test_each_example_of_a_range_is_evaluated_once_and_unused_batches_are_zero(recipe: jaxdl.Experiment) -> None:
    dataset = blobs(train=10, test=7)
    fitted = recipe.for_spec(dataset.spec)
    steps = jaxdl.make_steps(fitted, dataset.spec, 1)
    data = put_on_device(dataset)
    start, stop = data.ranges["test"]
    run = jax.jit(functools.partial(run_eval_steps, steps, 3, 5))
    sums = run(steps.init_state(0), data.arrays, device_hparams(fitted), np.int32(start), np.int32(stop))
    np.testing.assert_array_equal(sums["count"], [3, 3, 1, 0, 0])
