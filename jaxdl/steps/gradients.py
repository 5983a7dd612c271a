"""The loss of a train step and its gradients."""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxdl.backend.compiler import without_jit
from jaxdl.backend.recompute import recomputed
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.recipe import reads_targets
from jaxdl.ops.library import computed_by
from jaxdl.steps.collections import WRITABLE, added_loss, carried, split
from jaxdl.steps.elements import Batch
from jaxdl.steps.forward import Forward
from jaxdl.steps.freezing import frozen_statistics
from jaxdl.steps.penalty import penalty


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
        parts: of several outputs the loss of each, () float32, by ``OUTPUT/loss``; their outputs, targets and masks are
            dictionaries.
        sums: the partial sums of the figures of training, by figure and name, in the place of outputs, targets and
            mask; see `jaxdl.steps.at_once`.
    """

    loss: jax.Array
    gradients: Any
    outputs: Any
    targets: Any
    mask: Any
    model_state: Any
    sown: Mapping[str, Any]
    parts: Mapping[str, jax.Array] = types.MappingProxyType({})
    sums: Mapping[str, Mapping[str, jax.Array]] | None = None


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

    With ``training.accumulate`` they are those of the whole batch, computed from one part after the other: part i has
    the examples i, i + parts, i + 2 parts and so on, so that of a batch that is sharded over devices each device
    computes its own examples. Only dropout (each part has a key of its own) and what the model itself computes over a
    batch (statistics, added losses) depend on the parts.

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

    if recipe.training.accumulate > 1:
        return _in_parts(forward, recipe, params, model_state, batch, dropout_key, scale)

    def loss_of(params: Any) -> tuple[jax.Array, Any]:
        outputs, after, sown = run_model(forward, recipe, params, model_state, batch, dropout_key)
        loss, mask, parts = forward.loss(recipe, batch, outputs)
        for added in (added_loss(sown), penalty(recipe.training, recipe.optimizer.held(params))):
            loss = loss if added is None else loss + added
        return loss if scale is None else loss * scale, (loss, outputs, mask, parts, after, sown)

    gradients, (loss, outputs, mask, parts, after, sown) = jax.grad(loss_of, has_aux=True)(params)
    targets = forward.targets(batch, outputs)
    return Differentiated(loss, _divided(gradients, scale), outputs, targets, mask, after, sown, parts)


def _in_parts(
    forward: Forward,
    recipe: Experiment,
    params: Any,
    model_state: Any,
    batch: Batch,
    dropout_key: jax.Array,
    scale: jax.Array | None,
) -> Differentiated:
    """`differentiate` with gradients that are summed over the parts of a batch."""
    parts = recipe.training.accumulate
    of_parts = {name: _apart(array, parts) for name, array in batch.items()}
    one = {name: array[0] for name, array in of_parts.items()}
    outputs = jax.eval_shape(lambda: run_model(forward, recipe, params, model_state, one, dropout_key)[0])
    whole = jax.tree.map(
        lambda each: jax.ShapeDtypeStruct((each.shape[0] * parts, *each.shape[1:]), each.dtype), outputs
    )
    targets, shares, mask, _ = forward.shares(recipe, batch, whole)
    of_targets, of_shares = (jax.tree.map(lambda array: _apart(array, parts), each) for each in (targets, shares))

    def loss_of(
        params: Any, model_state: Any, part: Batch, targets: Any, shares: Any, key: jax.Array
    ) -> tuple[jax.Array, Any]:
        outputs, after, sown = run_model(forward, recipe, params, model_state, part, key)
        loss, of_outputs = forward.summed(recipe, outputs, targets, shares)
        for added in (added_loss(sown), penalty(recipe.training, recipe.optimizer.held(params))):
            loss = loss if added is None else loss + added / parts
        return loss if scale is None else loss * scale, (loss, outputs, of_outputs, after, sown)

    def body(carry: tuple[Any, Any, jax.Array], given: Any) -> tuple[tuple[Any, Any, jax.Array], Any]:
        model_state, sums, loss_sum = carry
        number, part, targets, shares = given
        key = jax.random.fold_in(dropout_key, number)
        gradients, (loss, outputs, of_outputs, after, sown) = jax.grad(loss_of, has_aux=True)(
            params, model_state, part, targets, shares, key
        )
        sums = jax.tree.map(lambda sum, gradient: sum + gradient.astype(sum.dtype), sums, gradients)
        return (after, sums, loss_sum + loss), (outputs, of_outputs, sown)

    wide = lambda param: jnp.zeros(param.shape, jnp.promote_types(param.dtype, jnp.float32))  # noqa: E731
    zeros = jax.tree.map(wide, params), jnp.zeros((), jnp.float32)
    given = jnp.arange(parts), of_parts, of_targets, of_shares
    (after, gradients, loss), (outputs, of_outputs, sown) = jax.lax.scan(body, (model_state, *zeros), given)
    gradients = jax.tree.map(lambda sum, param: sum.astype(param.dtype), gradients, params)
    outputs = jax.tree.map(_together, outputs)
    losses = {name: each.sum() for name, each in of_outputs.items()}
    sown = jax.tree.map(lambda values: values.astype(jnp.float32).mean(0), sown)
    return Differentiated(loss, _divided(gradients, scale), outputs, targets, mask, after, sown, losses)


def _apart(array: jax.Array, parts: int) -> jax.Array:
    """Returns (parts, batch / parts, ...) of (batch, ...): part i has the rows i, i + parts and so on."""
    return array.reshape(-1, parts, *array.shape[1:]).swapaxes(0, 1)


def _together(array: jax.Array) -> jax.Array:
    """Undoes `_apart`."""
    return array.swapaxes(0, 1).reshape(-1, *array.shape[2:])


def run_model(
    forward: Forward, recipe: Experiment, params: Any, model_state: Any, batch: Batch, dropout_key: jax.Array
) -> tuple[jax.Array, Any, Mapping[str, Any]]:
    """Returns the model's outputs in training, float32, its state after it, and what it sowed.

    Args:
        forward: the model.
        recipe: the recipe with the numbers of the step.
        params: the parameters; frozen ones get no gradient.
        model_state: the model's other variables.
        batch: as for `differentiate`.
        dropout_key: the key of the step.
    """
    # A model that answers in several steps reads the true answer in training, and otherwise its own.
    told: dict[str, Any] = {"targets": batch["targets"]} if reads_targets(recipe.model) else {}

    def apply(variables: Any, inputs: Any, told: Any, key: jax.Array) -> Any:
        return recipe.model.apply(variables, *inputs, train=True, **told, rngs={"dropout": key}, mutable=WRITABLE)

    variables = forward.variables(recipe.optimizer.held(params), model_state)
    inputs, named = forward.called_with(batch)
    told = {**named, **told}
    run = functools.partial(recomputed, apply) if recipe.training.remat and not without_jit() else apply
    with frozen_statistics(recipe.optimizer.freeze), computed_by(recipe.training.library):
        outputs, written = run(variables, inputs, told, dropout_key)
    _, after, sown = split(written)
    outputs = forward.wide(outputs, batch)
    forward.check_outputs(outputs)
    return outputs, carried(model_state, after), sown


def _divided(gradients: Any, scale: jax.Array | None) -> Any:
    if scale is None:
        return gradients
    return jax.tree.map(lambda gradient: (gradient / scale).astype(gradient.dtype), gradients)


@contextlib.contextmanager
def update_errors() -> Iterator[None]:
    """Turns the error of a transformation of optax that needs more than gradients and parameters into a `UserError`."""
    try:
        yield
    except TypeError as error:
        if "required keyword-only argument" not in str(error):
            raise
        needs = str(error).partition("argument")[2].lstrip("s: ")
        raise UserError(
            f"the optimizer needs {needs} beside gradients and parameters, as a line search does, and a training gives "
            "it these two alone: take another one, such as adam."
        ) from error
