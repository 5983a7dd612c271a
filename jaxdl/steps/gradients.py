"""The loss of a train step and its gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdl.experiment import Experiment
from jaxdl.experiment.recipe import reads_targets
from jaxdl.objectives import masked_mean
from jaxdl.steps.collections import WRITABLE, added_loss, carried, split
from jaxdl.steps.elements import Batch, element_mask
from jaxdl.steps.forward import Forward


class Differentiated(NamedTuple):
    """What a train step computes before its update.

    Attributes:
        loss: () float32.
        gradients: of the loss by the parameters, in their structure.
        outputs: (batch, ...) float32, of the model.
        targets: (batch, ...), those of mixed examples mixed.
        mask: which elements count in metrics, or how much; see `jaxdl.steps.elements`.
        model_state: the model's other variables after the step.
        sown: what the model sowed, by collection.
    """

    loss: jax.Array
    gradients: Any
    outputs: jax.Array
    targets: jax.Array
    mask: jax.Array
    model_state: Any
    sown: Mapping[str, Any]


def differentiate(
    forward: Forward,
    recipe: Experiment,
    params: Any,
    model_state: Any,
    batch: Batch,
    dropout_key: jax.Array,
    scale: jax.Array | None = None,
) -> Differentiated:
    """Returns the loss of a batch and its gradients.

    Args:
        forward: the model and its loss.
        recipe: the recipe with the numbers of the step.
        params: the parameters.
        model_state: the model's other variables.
        batch: preprocessed and augmented, with targets; the inputs in the dtype of the computation.
        dropout_key: the key of the step.
        scale: () float32, by which the loss is multiplied in the backward pass; the gradients are divided by it
            afterwards. None: it is not.
    """

    def loss_of(params: Any) -> tuple[jax.Array, Any]:
        outputs, after, sown = _run(forward, recipe, params, model_state, batch, dropout_key)
        mixed = forward.with_mixed_targets(batch, outputs.shape[-1])
        losses = recipe.objective.losses(outputs, forward.standardized(outputs, mixed["targets"]))
        mask = element_mask(batch, losses.shape)
        weights = forward.weights(recipe, mixed, mask, losses.shape)
        loss, added = masked_mean(losses, weights), added_loss(sown)
        loss = loss if added is None else loss + added
        mask = weights if recipe.weighted_metrics else mask
        return loss if scale is None else loss * scale, (loss, outputs, mask, after, sown)

    gradients, (loss, outputs, mask, after, sown) = jax.grad(loss_of, has_aux=True)(params)
    targets = forward.with_mixed_targets(batch, outputs.shape[-1])["targets"]
    return Differentiated(loss, _divided(gradients, scale), outputs, targets, mask, after, sown)


def _run(
    forward: Forward, recipe: Experiment, params: Any, model_state: Any, batch: Batch, dropout_key: jax.Array
) -> tuple[jax.Array, Any, Mapping[str, Any]]:
    """Returns the model's outputs in training, float32, its state after it, and what it sowed."""
    # A model that answers in several steps reads the true answer in training, and otherwise its own.
    told: dict[str, Any] = {"targets": batch["targets"]} if reads_targets(recipe.model) else {}
    outputs, written = recipe.model.apply(
        forward.variables(params, model_state),
        batch["inputs"],
        train=True,
        lengths=batch.get("lengths"),
        **told,
        rngs={"dropout": dropout_key},
        mutable=WRITABLE,
    )
    _, after, sown = split(written)
    outputs = outputs.astype(jnp.float32)
    forward.check_outputs(outputs)
    return outputs, carried(model_state, after), sown


def _divided(gradients: Any, scale: jax.Array | None) -> Any:
    if scale is None:
        return gradients
    return jax.tree.map(lambda gradient: (gradient / scale).astype(gradient.dtype), gradients)
