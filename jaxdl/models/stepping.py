"""A recurrent network run step by step, with its state carried, so that a step costs the same at any length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxdl.models.rnn import RNN, RecurrentLayer
from jaxdl.models.sequence import Embed

States = tuple[tuple[jax.Array, ...], ...]
"""The state of each layer; an LSTM has two arrays (batch, units), the others one."""


def cannot_step(model: nn.Module) -> str | None:
    """Returns why a model cannot be run step by step, None if it can."""
    if not isinstance(model, RNN):
        return f"{type(model).__name__} has no state to carry from step to step"
    if not model.every_step:
        return "it has no output for every step (model.every_step=false)"
    if model.bidirectional:
        return "its layers also run backward (model.bidirectional=true), from steps that do not exist yet"
    if model.attention:
        return f"its steps attend to all earlier ones (model.attention={model.attention})"
    return None


def first_states(model: RNN, batch: int, dtype: Any = jnp.float32) -> States:
    """Returns the states before the first step."""
    arrays = 2 if model.cell == "lstm" else 1
    return tuple((jnp.zeros((batch, units), dtype),) * arrays for units in model.features)


def advance(model: RNN, params: Mapping[str, Any], inputs: jax.Array, states: States) -> tuple[jax.Array, States]:
    """Runs steps from given states, without dropout.

    As many calls of one step each, from the states of the call before, give the outputs of one call of all steps.

    Args:
        model: a network for which `cannot_step` returns None.
        params: its parameters.
        inputs: (batch, steps, ...), or ids (batch, steps) for a model with `embed`.
        states: before the first of these steps, see `first_states`.

    Returns:
        The outputs of the steps, (batch, steps, outputs), and the states after the last one.
    """
    hidden: Any = inputs
    if model.embed:
        hidden = Embed(model.vocabulary or 0, model.embed).apply({"params": params["embed"]}, inputs)
    hidden = hidden.reshape(*inputs.shape[:2], -1)
    after: list[tuple[jax.Array, ...]] = []
    for number, (units, state) in enumerate(zip(model.features, states, strict=True), 1):
        layer = RecurrentLayer(units, model.cell, reset_after=model.reset_after)
        weights = {"params": params[f"forward_{number}"]}
        run: Any = layer.apply(weights, hidden, state, method=RecurrentLayer.advance)
        hidden = run[0]
        after.append(run[1])
    outputs: Any = nn.Dense(model.outputs or 0).apply({"params": params["output"]}, hidden)
    return outputs, tuple(after)
