"""The three pure functions of training: make a state, train on one batch, evaluate one batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxdl.data import Spec
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.fields import replace, traced_values
from jaxdl.metrics import Mean, Metric, metric
from jaxdl.objectives import masked_mean

Batch = Mapping[str, jax.Array]
Hyperparameters = Mapping[str, jax.Array | float]
Sums = dict[str, jax.Array]
# Names by which a profile knows operations (see `jaxdl.profiling`); all that makes a batch belongs under the first.
INPUT_SCOPE, OPTIMIZER_SCOPE = "input_pipeline", "optimizer_update"


class TrainState(struct.PyTreeNode):
    """All that training carries from one step to the next; nothing static inside.

    Attributes:
        step: () int32, number of train steps done.
        params: the model's parameters.
        model_state: its other variable collections, such as ``batch_stats``; may be empty.
        opt_state: the optax state.
        key: () typed PRNG key; never advanced: each step folds its number in.
    """

    step: jax.Array
    params: Any
    model_state: Any
    opt_state: Any
    key: jax.Array


class Steps(NamedTuple):
    """The pure functions of one experiment, jitted; vmap, shard or jit them into larger programs as any other.

    Attributes:
        init_state: ``(seed) -> TrainState``; seed () uint32.
        train_step: ``(state, batch, hparams) -> (state, metrics)``; metrics are () float32: ``loss``, and ``accuracy``
            where the experiment measures it.
        eval_step: ``(state, batch) -> sums``, the partial sums of `eval_metrics`, whose ``result`` turns those of all
            batches into figures (see `jaxdl.metrics`).
        predict_step: ``(state, batch) -> predictions``: probabilities for classes, values for regression; of the batch
            only ``inputs`` and ``lengths`` are read.
    """

    init_state: Callable[[Any], TrainState]
    train_step: Callable[[TrainState, Batch, Hyperparameters], tuple[TrainState, dict[str, jax.Array]]]
    eval_step: Callable[[TrainState, Batch], Sums]
    predict_step: Callable[[TrainState, Batch], jax.Array]


def hyperparameters(experiment: Experiment) -> dict[str, float]:
    """Returns the numbers that enter the train step as data, by dotted path (the seed enters through the state)."""
    return {path: value for path, value in traced_values(experiment).items() if path != "seed"}


def element_mask(batch: Batch, shape: tuple[int, ...]) -> jax.Array:
    """Returns which losses count: (batch,), or (batch, time) for one loss a step, where those past `lengths` do not.

    A batch is ``inputs`` (batch, ...), ``targets`` (batch, ...), and optionally ``mask`` (batch,) bool, False for
    padding examples, and ``lengths`` (batch,) int32, the valid time steps of each sequence.

    Args:
        batch: the batch.
        shape: shape of the losses, (batch,) or (batch, time).
    """
    mask = batch.get("mask")
    if mask is None:
        mask = jnp.ones(shape[:1], bool)
    if "lengths" in batch and len(shape) >= 2:
        return mask[:, None] & (jnp.arange(shape[1]) < batch["lengths"][:, None])
    return mask


@contextlib.contextmanager
def model_errors() -> Iterator[None]:
    """Turns what a model says of inputs that it cannot take into a `UserError` of one line."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"the model does not fit the data: {' '.join(str(error).split())}") from error


def state_shapes(steps: Steps) -> TrainState:
    """Returns the shapes and dtypes of a state; computes nothing.

    Raises:
        UserError: the model does not fit the data.
    """
    with model_errors():
        return jax.eval_shape(steps.init_state, np.uint32(0))


def eval_metrics(experiment: Experiment) -> list[Metric]:
    """Returns the loss and the experiment's metrics, as evaluation measures them.

    The loss is measured against the labels as they are, without smoothing: figures of different runs compare, and one
    compiled program evaluates them all.
    """
    objective = experiment.objective.for_evaluation()
    return [Mean("loss", False, objective.losses, "loss"), *map(metric, experiment.metrics)]


def make_steps(experiment: Experiment, spec: Spec, total_steps: int) -> Steps:
    """Returns the pure step functions of an experiment on data of the given spec.

    Args:
        experiment: the recipe.
        spec: what one example is.
        total_steps: train steps of the whole training, which the learning-rate schedule is stretched over.
    """
    experiment = experiment.for_spec(spec)
    measures_accuracy = "accuracy" in experiment.metrics
    precision = jnp.dtype(experiment.training.precision)

    def inputs_of(batch: Batch) -> jax.Array:
        with jax.named_scope(INPUT_SCOPE):
            return (batch["inputs"].astype(jnp.float32) * spec.scale).astype(precision)

    def variables_of(params: Any, model_state: Any) -> dict[str, Any]:
        # What a model itself keeps in another dtype than float32 is its own choice.
        cast = lambda param: param.astype(precision) if param.dtype == jnp.float32 else param  # noqa: E731
        return {"params": jax.tree.map(cast, params), **model_state}

    def init_state(seed: Any) -> TrainState:
        key = jax.random.key(seed)
        params_key, dropout_key, state_key = jax.random.split(key, 3)
        example = jnp.zeros((1, *spec.input_shape), jnp.float32)
        variables = experiment.model.init({"params": params_key, "dropout": dropout_key}, example)
        model_state = {name: value for name, value in variables.items() if name != "params"}
        params = variables["params"]
        opt_state = experiment.optimizer.transformation(total_steps).init(params)
        return TrainState(jnp.zeros((), jnp.int32), params, model_state, opt_state, state_key)

    def apply(model: Any, state: TrainState, batch: Batch) -> jax.Array:
        variables = variables_of(state.params, state.model_state)
        outputs = model.apply(variables, inputs_of(batch), train=False, lengths=batch.get("lengths"))
        return outputs.astype(jnp.float32)

    def train_step(
        state: TrainState, batch: Batch, hparams: Hyperparameters
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        recipe = replace(experiment, hparams)
        targets = batch["targets"]
        dropout_key = jax.random.fold_in(state.key, state.step)

        def loss_of(params: Any) -> tuple[jax.Array, Any]:
            outputs, model_state = recipe.model.apply(
                variables_of(params, state.model_state),
                inputs_of(batch),
                train=True,
                lengths=batch.get("lengths"),
                rngs={"dropout": dropout_key},
                mutable=list(state.model_state),
            )
            outputs = outputs.astype(jnp.float32)
            losses = recipe.objective.losses(outputs, targets)
            mask = element_mask(batch, losses.shape)
            return masked_mean(losses, mask), (outputs, mask, model_state)

        (loss, (outputs, mask, model_state)), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        with jax.named_scope(OPTIMIZER_SCOPE):
            transformation = recipe.optimizer.transformation(total_steps)
            updates, opt_state = transformation.update(gradients, state.opt_state, state.params)
            params = jax.tree.map(lambda param, update: param + update.astype(param.dtype), state.params, updates)
        metrics = {"loss": loss}
        if measures_accuracy:
            sums = metric("accuracy").partial(outputs, targets, mask)
            metrics["accuracy"] = sums["correct"] / jnp.maximum(sums["count"], 1)
        return state.replace(step=state.step + 1, params=params, model_state=model_state, opt_state=opt_state), metrics

    def eval_step(state: TrainState, batch: Batch) -> Sums:
        outputs = apply(experiment.model, state, batch)
        targets = batch["targets"]
        mask = element_mask(batch, jax.eval_shape(experiment.objective.losses, outputs, targets).shape)
        sums: Sums = {}
        for figure in eval_metrics(experiment):
            sums |= figure.partial(outputs, targets, mask)
        return sums

    def predict_step(state: TrainState, batch: Batch) -> jax.Array:
        return experiment.objective.predictions(apply(experiment.model, state, batch))

    return Steps(jax.jit(init_state), jax.jit(train_step), jax.jit(eval_step), jax.jit(predict_step))
