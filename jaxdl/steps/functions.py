"""The three pure functions of training: make a state, train on one batch, evaluate one batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxdl.backend.debugging import users_line
from jaxdl.data import Preprocess, Spec
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.recipe import outputs_for, reads_targets
from jaxdl.fields import replace, traced_values
from jaxdl.objectives import masked_mean
from jaxdl.objectives.measures import Metric
from jaxdl.objectives.metrics import loss, metric, training_metrics
from jaxdl.steps.collections import WRITABLE, added_loss, carried, sown_metrics, split
from jaxdl.steps.elements import Batch as Batch
from jaxdl.steps.elements import element_mask, element_weights
from jaxdl.steps.layout import Layout

Hyperparameters = Mapping[str, jax.Array | float]
Sums = dict[str, jax.Array]
# Names of operations in a profile (see `jaxdl.profiling`); everything that makes a batch is under the first.
INPUT_SCOPE, OPTIMIZER_SCOPE = "input_pipeline", "optimizer_update"
SKIPPED = "skipped"
# Folded into a state's key for augmentation. For dropout the number of the step is folded in, which is never as large.
_AUGMENTATION = 2**31


class TrainState(struct.PyTreeNode):
    """The state that training carries from one step to the next; it holds nothing static.

    Attributes:
        step: () int32, number of train steps done.
        params: the model's parameters.
        model_state: its other variable collections, such as ``batch_stats``; may be empty.
        opt_state: the optax state.
        key: () typed PRNG key; never changed: each step folds its number in.
    """

    step: jax.Array
    params: Any
    model_state: Any
    opt_state: Any
    key: jax.Array


class Steps(NamedTuple):
    """The pure functions of one experiment, jitted; they work with vmap, shardings and jit like any others.

    Attributes:
        init_state: ``(seed) -> TrainState``; seed () uint32.
        train_step: ``(state, batch, hparams) -> (state, metrics)``; metrics are () float32: ``loss``, the experiment's
            metrics that are measured in training (`training_metrics`: accuracy), and with ``nan="skip"`` also
            ``skipped``, 1 for a dropped update.
        eval_step: ``(state, batch, hparams={}) -> sums``, the partial sums of `eval_metrics`, whose ``result`` turns
            the sums of all batches into figures (see `jaxdl.objectives.metrics`); hparams only if they differ from the
            experiment's own.
        predict_step: ``(state, batch) -> predictions``: probabilities for classes, values for regression; it reads only
            ``inputs`` and ``lengths`` of the batch.
    """

    init_state: Callable[[Any], TrainState]
    train_step: Callable[[TrainState, Batch, Hyperparameters], tuple[TrainState, dict[str, jax.Array]]]
    eval_step: Callable[..., Sums]
    predict_step: Callable[[TrainState, Batch], jax.Array]


def hyperparameters(experiment: Experiment) -> dict[str, float]:
    """Returns the numbers that enter the train step as data, by dotted path (the seed enters through the state)."""
    return {path: value for path, value in traced_values(experiment).items() if path != "seed"}


@contextlib.contextmanager
def model_errors() -> Iterator[None]:
    """Turns a model's error about its inputs into a `UserError` of one line, which names the line of a user's model."""
    try:
        yield
    except ValueError as error:
        line = users_line(error)
        place = "" if line is None else f" (at {line})"
        raise UserError(f"the model does not fit the data: {' '.join(str(error).split())}{place}") from error
    except TypeError as error:
        if "__call__() " not in str(error):
            raise
        raise UserError(
            f"the model cannot be called as model.apply(variables, inputs, train=..., lengths=...): {error}. Give its "
            "__call__ the arguments (self, inputs, *, train=False, lengths=None)."
        ) from error
    except OverflowError as error:
        raise UserError(f"the model is too large ({' '.join(str(error).split())}): lower its sizes.") from error


def state_shapes(steps: Steps) -> TrainState:
    """Returns the shapes and dtypes of a state; computes nothing.

    Raises:
        UserError: the model does not fit the data, or has more parameters than XLA can count.
    """
    with model_errors():
        shapes: TrainState = jax.eval_shape(steps.init_state, np.uint32(0))
    leaves = jax.tree.leaves(shapes.params)
    if any(leaf.size * leaf.dtype.itemsize >= 2**63 for leaf in leaves):  # it would end the process
        count = sum(leaf.size for leaf in leaves)
        raise UserError(f"the model is too large ({count:,} parameters): lower its sizes.")
    return shapes


def eval_metrics(experiment: Experiment) -> list[Metric]:
    """Returns the loss and the experiment's metrics for evaluation.

    The loss is measured against the labels without smoothing: figures of different runs can be compared, and one
    compiled program evaluates them all.
    """
    objective = experiment.objective.for_evaluation()
    return [loss(objective), *(metric(name, objective) for name in experiment.measured)]


def make_steps(
    experiment: Experiment,
    spec: Spec,
    total_steps: int,
    class_weights: Sequence[float] | None = None,
    layout: Layout | None = None,
) -> Steps:
    """Returns the pure step functions of an experiment on data of the given spec.

    Args:
        experiment: the recipe.
        spec: describes one example.
        total_steps: train steps of the whole training, the length of the learning-rate schedule.
        class_weights: what the recipe's ``class_weight`` comes to, see `jaxdl.experiment.weights.class_weights`; needed
            only where it is ``balanced``, since this depends on the data.
        layout: where the parameters lie on several devices; None: there is one.
    """
    functions = _Functions(experiment.for_spec(spec), spec, total_steps, class_weights)
    functions.layout = layout
    return Steps(
        jax.jit(functions.init_state),
        jax.jit(functions.train_step),
        jax.jit(functions.eval_step),
        jax.jit(functions.predict_step),
    )


def make_loss_and_gradients(
    experiment: Experiment, spec: Spec, total_steps: int, class_weights: Sequence[float] | None = None
) -> Callable[[TrainState, Batch, Hyperparameters], tuple[jax.Array, Any]]:
    """Returns ``(state, batch, hparams) -> (loss, gradients)``, jitted: the gradients of a train step, before clipping.

    Args:
        experiment: the recipe.
        spec: describes one example.
        total_steps: train steps of the whole training.
        class_weights: as for `make_steps`.
    """
    return jax.jit(_Functions(experiment.for_spec(spec), spec, total_steps, class_weights).loss_and_gradients)


class _Functions:
    """The functions of `Steps` before jit; they treat the attributes of this object as constants."""

    layout: Layout | None = None

    def __init__(self, experiment: Experiment, spec: Spec, total_steps: int, class_weights: Sequence[float] | None):
        self._experiment = experiment
        self._class_weights = class_weights
        self._spec = spec
        self._total_steps = total_steps
        self._precision = jnp.dtype(experiment.training.precision)
        # Numbers to be predicted are standardised for the loss; labels and probabilities are not.
        self._target = spec.target if experiment.objective.kind == "values" else Preprocess()
        if experiment.objective.of_inputs:
            self._target = Preprocess(mean=spec.preprocess.mean, deviation=spec.preprocess.deviation)

    def init_state(self, seed: Any) -> TrainState:
        key = jax.random.key(seed)
        params_key, dropout_key, state_key = jax.random.split(key, 3)
        example = jnp.zeros((1, *self._spec.model_shape), self._spec.model_dtype)
        variables = self._experiment.model.init({"params": params_key, "dropout": dropout_key}, example)
        params, model_state, _ = split(variables)
        opt_state = self._experiment.optimizer.transformation(self._total_steps).init(params)
        return TrainState(jnp.zeros((), jnp.int32), params, model_state, opt_state, state_key)

    def train_step(
        self, state: TrainState, batch: Batch, hparams: Hyperparameters
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        recipe = replace(self._experiment, hparams)
        loss, (outputs, mask, model_state, sown), gradients, targets = self._differentiate(recipe, state, batch)
        with jax.named_scope(OPTIMIZER_SCOPE):
            transformation = recipe.optimizer.transformation(self._total_steps)
            updates, opt_state = transformation.update(gradients, state.opt_state, state.params)
            params = jax.tree.map(lambda param, update: param + update.astype(param.dtype), state.params, updates)
        metrics = {"loss": loss}
        if recipe.training.nan == "stop" and recipe.optimizer.bounds_updates:
            # The optimizer's updates stay finite for any gradients, so only the gradients show the problem.
            metrics["loss"] = jnp.where(_all_finite(gradients), loss, jnp.nan)
        outputs = self._in_unit(outputs)
        for figure in training_metrics(recipe.measured, recipe.objective):
            metrics[figure.name] = _float32(figure.of_batch(figure.partial(outputs, targets, mask)))
        metrics |= sown_metrics(sown, metrics)
        following = state.replace(step=state.step + 1, params=params, model_state=model_state, opt_state=opt_state)
        if recipe.training.nan == "skip":
            finite = jnp.isfinite(loss) & _all_finite(gradients) & _all_finite(params)
            kept = state.replace(step=following.step)
            # Keys do not change, so both states have the same one.
            following = jax.tree.map(lambda new, old: jnp.where(finite, new, old), following, kept)
            metrics[SKIPPED] = 1.0 - finite
        return following, metrics

    def loss_and_gradients(self, state: TrainState, batch: Batch, hparams: Hyperparameters) -> tuple[jax.Array, Any]:
        loss, _, gradients, _ = self._differentiate(replace(self._experiment, hparams), state, batch)
        return loss, gradients

    def eval_step(self, state: TrainState, batch: Batch, hparams: Hyperparameters | None = None) -> Sums:
        recipe = replace(self._experiment, hparams or {})
        batch = self._preprocessed(batch)
        outputs = self._apply(recipe, state, batch)
        self._check_outputs(outputs)
        targets = self._with_targets(batch)["targets"]
        standard = self._standardized(outputs, targets)
        shape = jax.eval_shape(recipe.objective.losses, outputs, standard).shape
        mask = element_mask(batch, shape)
        mask = self._weights(recipe, batch, mask, shape) if recipe.weighted_metrics else mask
        loss, *figures = eval_metrics(recipe)
        sums = loss.partial(outputs, standard, mask)
        outputs = self._in_unit(outputs)
        for figure in figures:
            sums |= figure.partial(outputs, targets, mask)
        return sums

    def predict_step(self, state: TrainState, batch: Batch) -> jax.Array:
        outputs = self._in_unit(self._apply(self._experiment, state, self._preprocessed(batch)))
        return self._experiment.objective.predictions(outputs)

    def _differentiate(self, recipe: Experiment, state: TrainState, batch: Batch) -> tuple[jax.Array, Any, Any, Any]:
        """Returns the loss; outputs, mask, the model's new state, what it sowed; the gradients; and the targets."""
        dropout_key = jax.random.fold_in(state.key, state.step)
        with jax.named_scope(INPUT_SCOPE):
            key = jax.random.fold_in(jax.random.fold_in(state.key, _AUGMENTATION), state.step)
            batch = self._with_targets(recipe.augmentation.apply(batch, self._spec.preprocess, key))
            inputs = self._in_precision(batch["inputs"])

        # A model that answers in several steps reads the true answer in training, and otherwise its own.
        told: dict[str, Any] = {"targets": batch["targets"]} if reads_targets(recipe.model) else {}

        def loss_of(params: Any) -> tuple[jax.Array, Any]:
            outputs, written = recipe.model.apply(
                self._variables(params, state.model_state),
                inputs,
                train=True,
                lengths=batch.get("lengths"),
                **told,
                rngs={"dropout": dropout_key},
                mutable=WRITABLE,
            )
            _, model_state, sown = split(written)
            outputs = outputs.astype(jnp.float32)
            self._check_outputs(outputs)
            mixed = self._with_mixed_targets(batch, outputs.shape[-1])
            losses = recipe.objective.losses(outputs, self._standardized(outputs, mixed["targets"]))
            mask = element_mask(batch, losses.shape)
            weights = self._weights(recipe, mixed, mask, losses.shape)
            loss, added = masked_mean(losses, weights), added_loss(sown)
            mask = weights if recipe.weighted_metrics else mask
            more = (outputs, mask, carried(state.model_state, model_state), sown)
            return loss if added is None else loss + added, more

        (loss, more), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        return loss, more, gradients, self._with_mixed_targets(batch, more[0].shape[-1])["targets"]

    def _with_mixed_targets(self, batch: Batch, outputs: int) -> Batch:
        """Mixes the targets where the augmentation has mixed examples."""
        if "share" not in batch:
            return batch
        given = batch["targets"], batch["other_targets"], batch["share"]
        return {**batch, "targets": self._experiment.objective.mixed(*given, outputs)}

    def _weights(self, recipe: Experiment, batch: Batch, mask: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Returns how much each element counts in the loss of training."""
        given = self._class_weights if self._class_weights is not None else recipe.training.class_weight
        if isinstance(given, str):
            raise UserError(
                f"training.class_weight={given}: its numbers follow from the data, from which jaxdl.Trainer takes "
                "them; give a number for each class."
            )
        return element_weights(batch, mask, shape, given)

    def _preprocessed(self, batch: Batch) -> Batch:
        with jax.named_scope(INPUT_SCOPE):
            return self._spec.preprocess.of_batch(batch)

    def _apply(self, recipe: Experiment, state: TrainState, batch: Batch) -> jax.Array:
        """Returns the model's outputs for a preprocessed batch, in float32."""
        variables = self._variables(state.params, state.model_state)
        model: Any = recipe.model
        with jax.named_scope(INPUT_SCOPE):
            inputs = self._in_precision(batch["inputs"])
        outputs, _ = model.apply(variables, inputs, train=False, lengths=batch.get("lengths"), mutable=WRITABLE)
        wide: jax.Array = outputs.astype(jnp.float32)
        return wide

    def _with_targets(self, batch: Batch) -> Batch:
        """Returns a batch with preprocessed inputs and its targets, which for a reconstruction are the inputs."""
        if not self._experiment.objective.of_inputs:
            return batch
        return {**batch, "targets": self._spec.preprocess.restored(batch["inputs"])}

    def _standardized(self, outputs: jax.Array, targets: jax.Array) -> jax.Array:
        """Returns targets as the loss compares them with outputs; see `Spec.target`."""
        if not self._target.mean:
            return targets
        if targets.shape != outputs.shape:  # a single output has no last axis
            return self._target.standardized(targets[..., None])[..., 0]
        return self._target.standardized(targets)

    def _in_unit(self, outputs: jax.Array) -> jax.Array:
        """Returns outputs in the unit of the targets."""
        return self._target.restored(outputs)

    def _check_outputs(self, outputs: jax.Array) -> None:
        """Raises `UserError` if a model has fewer outputs than classes: JAX would take another one for the missing."""
        needed = outputs_for(self._experiment.objective, self._spec)
        if self._spec.class_names and outputs.shape[-1] < needed:
            raise UserError(f"the model has {outputs.shape[-1]} outputs, but these data have {needed} classes.")

    def _in_precision(self, inputs: jax.Array) -> jax.Array:
        return inputs.astype(self._precision) if jnp.issubdtype(inputs.dtype, jnp.floating) else inputs  # ids stay

    def _variables(self, params: Any, model_state: Any) -> dict[str, Any]:
        # Values that the model itself stores in another dtype than float32 are not converted.
        cast = lambda param: param.astype(self._precision) if param.dtype == jnp.float32 else param  # noqa: E731
        params = jax.tree.map(cast, params)
        params = params if self.layout is None else self.layout.collected(params)
        return {"params": params, **model_state}


def _float32(number: Any) -> jax.Array:
    return jnp.asarray(number, jnp.float32)


def _all_finite(tree: Any) -> jax.Array:
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()
