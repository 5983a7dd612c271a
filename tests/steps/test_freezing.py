"""Frozen parameters in the train step: with averages, accumulation, skipping, and batch normalisation."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from tests.steps.test_functions import SPEC, batch, experiment

FROZEN = {"optimizer": jaxdl.Adam(learning_rate=0.1, weight_decay=0.1, freeze="(?!output).*")}
MORE = {"training.ema": 0.9, "training.accumulate": 2, "training.batch_size": 8, "training.nan": "skip"}


def bits(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf).tobytes(), tree)


@pytest.mark.parametrize("more", [{}, MORE], ids=["plain", "ema, accumulate and skip"])
def test_frozen_parameters_and_their_statistics_keep_their_bits(more: dict[str, Any]) -> None:
    recipe = experiment(model=jaxdl.MLP(features=(4,), normalization="batch"), **{**FROZEN, **more})
    steps, hparams = jaxdl.make_steps(recipe, SPEC, 10), jaxdl.hyperparameters(recipe)
    first = state = steps.init_state(0)
    for _ in range(3):
        state, metrics = steps.train_step(state, batch(), hparams)
    trained, frozen = "output", ("dense_1", "normalize_1")
    assert {*first.params} == {trained, *frozen}
    for name in frozen:
        assert bits(state.params[name]) == bits(first.params[name])
    assert bits(state.params[trained]) != bits(first.params[trained])
    assert bits(state.model_state) == bits(first.model_state)
    assert np.isfinite(metrics["loss"])


class Flaxs(nn.Module):
    """Batch normalisation as Flax has it, told in the one or the other place whether to take running averages."""

    outputs: int | None = None
    in_call: bool = False

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: Any = None) -> jax.Array:
        hidden = inputs.reshape(len(inputs), -1)
        for name in ("below", "above"):
            told = None if self.in_call else not train
            layer = nn.BatchNorm(use_running_average=told, name=name)
            hidden = layer(hidden, use_running_average=not train) if self.in_call else layer(hidden)
        assert self.outputs is not None
        return nn.Dense(self.outputs)(hidden)


@pytest.mark.parametrize("in_call", [False, True])
def test_only_the_statistics_of_frozen_layers_stay(in_call: bool) -> None:
    recipe = experiment(model=Flaxs(in_call=in_call), optimizer=jaxdl.SGD(freeze="below"))
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    first = steps.init_state(0)
    after, _ = steps.train_step(first, batch(), jaxdl.hyperparameters(recipe))
    before, now = first.model_state["batch_stats"], after.model_state["batch_stats"]
    assert bits(now["below"]) == bits(before["below"])
    assert bits(now["above"]) != bits(before["above"])


def test_what_is_frozen_is_not_computed() -> None:
    """Neither the gradient of the first layer, nor that of what it gives."""
    trained = experiment(model=jaxdl.MLP(features=(4,)))
    frozen = jaxdl.replace(trained, {"optimizer.freeze": "dense_1"})
    flops = []
    for recipe in (trained, frozen):
        steps = jaxdl.make_steps(recipe, SPEC, 10)
        lowered = steps.train_step.lower(steps.init_state(0), batch(), jaxdl.hyperparameters(recipe))  # type: ignore[attr-defined]
        flops.append(str(lowered.as_text()).count("dot_general"))
    assert flops == [5, 3]  # two forward, three backward; only the head's kernel stays


def test_a_frozen_network_is_computed_as_in_evaluation_up_to_its_head() -> None:
    """One step of gradient descent on the head, in NumPy, on activations normalised by the statistics of before."""
    model = jaxdl.MLP(features=(4,), normalization="batch")
    recipe = experiment(model=model, optimizer=jaxdl.SGD(learning_rate=0.1, freeze="(?!output).*"))
    steps, data = jaxdl.make_steps(recipe, SPEC, 10), batch()
    state = steps.init_state(0)
    mean, variance = np.linspace(-0.5, 0.5, 4), np.linspace(0.5, 2, 4)
    kept = {"mean": np.float32(mean), "var": np.float32(variance)}
    state = state.replace(model_state={"batch_stats": {"normalize_1": {"batch": kept}}})
    after, _ = steps.train_step(state, data, jaxdl.hyperparameters(recipe))
    params = jax.tree.map(np.float64, state.params)
    hidden = data["inputs"].reshape(8, -1) / 255 @ params["dense_1"]["kernel"] + params["dense_1"]["bias"]
    hidden = np.maximum((hidden - mean) / np.sqrt(variance + 1e-5), 0)
    logits = hidden @ params["output"]["kernel"] + params["output"]["bias"]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    off = (p - np.eye(3)[data["targets"]]) / 8
    np.testing.assert_allclose(
        after.params["output"]["kernel"], params["output"]["kernel"] - 0.1 * hidden.T @ off, rtol=1e-4, atol=1e-6
    )
