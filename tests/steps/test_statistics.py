"""Batch statistics that are measured anew, against NumPy."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.steps.functions import make_beside_steps
from tests.small import blobs
from tests.steps.test_functions import SPEC, experiment


class Network(nn.Module):
    """Two normalised layers, of jaxdl and of Flax, which keep different shares of their running averages."""

    outputs: int | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: Any = None) -> jax.Array:
        hidden = nn.Dense(3, name="dense")(inputs.reshape(len(inputs), -1))
        hidden = jaxdl.models.layers.BatchNorm(name="first")(hidden, train)
        hidden = nn.BatchNorm(momentum=0.5, use_running_average=not train, name="second")(nn.relu(hidden))
        assert self.outputs is not None
        return nn.Dense(self.outputs, name="output")(hidden)


def batches(count: int) -> list[dict[str, np.ndarray]]:
    train = blobs().splits["train"]
    return [{name: array[8 * n : 8 * n + 8] for name, array in train.items()} for n in range(count)]


@pytest.mark.parametrize("freeze", ["", "first|dense"])
def test_they_are_the_means_of_those_of_the_batches(freeze: str) -> None:
    recipe = experiment(model=Network(), **{"training.swa": 1, "training.epochs": 1, "optimizer.freeze": freeze})
    steps, hparams = jaxdl.make_steps(recipe, SPEC, 10), jaxdl.hyperparameters(recipe)
    beside = make_beside_steps(recipe, SPEC, 10)
    first = steps.init_state(0)
    state = beside.add_to_average(steps.train_step(first, batches(1)[0], hparams)[0])
    state = state.replace(step=np.int32(10))  # as at the end of the only epoch
    params, own = state.params, state.model_state
    for batch in batches(4):
        state, metrics = beside.measure_step(state, batch, hparams)
        assert metrics == {}
    found = state.opt_state["average"]["model_state"]["batch_stats"]
    assert state.step == 14
    expected: dict[str, list[Any]] = {"first": [], "second": []}
    for batch in batches(4):
        x = batch["inputs"].reshape(8, -1) / 255 @ np.float64(params["dense"]["kernel"]) + params["dense"]["bias"]
        expected["first"].append((x.mean(0), x.var(0)))
        mean, variance = (0.0, 1.0) if freeze else expected["first"][-1]  # of a frozen layer those that it began with
        x = (x - mean) / np.sqrt(variance + 1e-5) * params["first"]["scale"] + params["first"]["bias"]
        x = np.maximum(x, 0)
        expected["second"].append((x.mean(0), x.var(0)))
    for layer in ("second",) if freeze else ("first", "second"):
        means, variances = (np.mean(each, 0) for each in zip(*expected[layer], strict=True))
        np.testing.assert_allclose(found[layer]["mean"], means, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[layer]["var"], variances, rtol=1e-3, atol=1e-5)
    if freeze:
        jax.tree.map(np.testing.assert_array_equal, found["first"], first.model_state["batch_stats"]["first"])
    jax.tree.map(np.testing.assert_array_equal, state.model_state, own)
