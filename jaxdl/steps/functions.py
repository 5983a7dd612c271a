"""The three pure functions of training: make a state, train on one batch, evaluate one batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.errors import ScopeParamShapeError

from jaxdl.backend.debugging import users_line
from jaxdl.data import Spec
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.weights import ClassWeights
from jaxdl.fields import enabled, traced_values
from jaxdl.objectives.metrics import training_metrics
from jaxdl.steps import averages, scaling
from jaxdl.steps.at_once import differentiate_batch, figures_of
from jaxdl.steps.averages import AVERAGE, prefix_of
from jaxdl.steps.collections import sown_metrics, split
from jaxdl.steps.elements import Batch as Batch
from jaxdl.steps.figures import eval_metrics
from jaxdl.steps.forward import INPUT_SCOPE as INPUT_SCOPE
from jaxdl.steps.forward import Forward
from jaxdl.steps.gradients import Differentiated
from jaxdl.steps.layout import Layout
from jaxdl.steps.state import TrainState as TrainState
from jaxdl.steps.state import parted, with_others
from jaxdl.steps.statistics import with_batch
from jaxdl.steps.update import updated

Hyperparameters = Mapping[str, jax.Array | float]
Sums = dict[str, jax.Array]
# Name of operations in a profile, as `INPUT_SCOPE`.
OPTIMIZER_SCOPE = "optimizer_update"
SKIPPED, LOSS_SCALE = "skipped", "loss_scale"
# Folded into a state's key for augmentation. For dropout the number of the step is folded in, which is never as large.
_AUGMENTATION = 2**31


class Steps(NamedTuple):
    """The pure functions of one experiment, jitted; they work with vmap, shardings and jit like any others.

    Attributes:
        init_state: ``(seed) -> TrainState``; seed () uint32.
        train_step: ``(state, batch, hparams) -> (state, metrics)``; metrics are () float32: ``loss``, the experiment's
            metrics that are measured in training (`training_metrics`: accuracy), with ``nan="skip"`` or in float16
            also ``skipped``, 1 for a dropped update, and in float16 ``loss_scale``.
        eval_step: ``(state, batch, hparams={}) -> sums``, the partial sums of `eval_metrics`, whose ``result`` turns
            the sums of all batches into figures (see `jaxdl.objectives.metrics`); hparams only if they differ from the
            experiment's own. Of a state with an average of its parameters also those of the average, with ``ema_`` or
            ``swa_`` before their names.
        predict_step: ``(state, batch, hparams={}) -> predictions``: probabilities for classes, values for regression;
            it reads only ``inputs`` and ``lengths`` of the batch, and takes the average of the parameters where there
            is one. Of several outputs they are by name.
    """

    init_state: Callable[[Any], TrainState]
    train_step: Callable[[TrainState, Batch, Hyperparameters], tuple[TrainState, dict[str, jax.Array]]]
    eval_step: Callable[..., Sums]
    predict_step: Callable[..., Any]


class BesideSteps(NamedTuple):
    """The pure functions that a training needs before its first step and between epochs, jitted as those of `Steps`.

    Attributes:
        begin_with: ``(state, params, model_state) -> TrainState``: a state before the first step with other parameters
            and variables of the model in the place of its own.
        add_to_average: ``(state) -> state``, whose equal average (``training.swa``) has the parameters, too.
        measure_step: ``(state, batch, hparams) -> (state, {})``: with batch statistics of the average measured on one
            more batch, which ``step`` counts, too; the first of them at the end of an epoch.
    """

    begin_with: Callable[[TrainState, Any, Any], TrainState]
    add_to_average: Callable[[TrainState], TrainState]
    measure_step: Callable[[TrainState, Batch, Hyperparameters], tuple[TrainState, dict[str, jax.Array]]]


def hyperparameters(experiment: Experiment) -> dict[str, float]:
    """Returns the numbers that enter the train step as data, by dotted path (the seed enters through the state)."""
    return {path: value for path, value in traced_values(experiment).items() if path != "seed"}


@contextlib.contextmanager
def model_errors() -> Iterator[None]:
    """Turns a model's error about its inputs into a `UserError` of one line, which names the line of a user's model."""
    try:
        yield
    except (ValueError, ScopeParamShapeError) as error:
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


def make_steps(
    experiment: Experiment,
    spec: Spec,
    total_steps: int,
    class_weights: ClassWeights | None = None,
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
    functions = _Functions(experiment.for_spec(spec), spec, total_steps, class_weights, layout)
    return Steps(
        jax.jit(functions.init_state),
        jax.jit(functions.train_step),
        jax.jit(functions.eval_step),
        jax.jit(functions.predict_step),
    )


def make_beside_steps(
    experiment: Experiment, spec: Spec, total_steps: int, layout: Layout | None = None
) -> BesideSteps:
    """Returns what a training needs beside its steps; the arguments are those of `make_steps`."""
    functions = _Functions(experiment.for_spec(spec), spec, total_steps, None, layout)
    return BesideSteps(
        jax.jit(functions.begin_with), jax.jit(functions.add_to_average), jax.jit(functions.measure_step)
    )


def make_loss_and_gradients(
    experiment: Experiment, spec: Spec, total_steps: int, class_weights: ClassWeights | None = None
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

    def __init__(
        self,
        experiment: Experiment,
        spec: Spec,
        total_steps: int,
        class_weights: ClassWeights | None,
        layout: Layout | None = None,
    ):
        self._experiment = experiment
        self._spec = spec
        self._total_steps = total_steps
        self._layout = layout
        self._forward = Forward(experiment, spec, class_weights, layout)

    def init_state(self, seed: Any) -> TrainState:
        key = jax.random.key(seed)
        params_key, dropout_key, state_key = jax.random.split(key, 3)
        inputs, named = self._forward.examples()
        variables = self._experiment.model.init({"params": params_key, "dropout": dropout_key}, *inputs, **named)
        params, model_state, _ = split(variables)
        opt_state = self._first_opt_state(params, model_state)
        return TrainState(jnp.zeros((), jnp.int32), params, model_state, opt_state, state_key)

    def begin_with(self, state: TrainState, params: Any, model_state: Any) -> TrainState:
        # Copies: the train program takes over the memory of a state.
        params, model_state = jax.tree.map(jnp.copy, (params, model_state))
        opt_state = self._first_opt_state(params, model_state)
        return state.replace(params=params, model_state=model_state, opt_state=opt_state)

    def _first_opt_state(self, params: Any, model_state: Any) -> Any:
        """Returns the state of the optimizer, and of what else an update carries, before the first step."""
        opt_state = self._experiment.optimizer.transformation(self._total_steps).init(params)
        others: dict[str, Any] = {}
        if self._experiment.training.scales_loss:
            others[LOSS_SCALE] = scaling.first_scaling()
        if self._experiment.training.averages:
            others[AVERAGE] = averages.first_average(params, model_state)
        return with_others(opt_state, others)

    def train_step(
        self, state: TrainState, batch: Batch, hparams: Hyperparameters
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        recipe, forward = self._forward.with_numbers(hparams)
        found = self._differentiate(recipe, forward, state, batch)
        opt_state, others = parted(state.opt_state)
        with jax.named_scope(OPTIMIZER_SCOPE):
            given = (found.gradients, opt_state, state.params)
            params, opt_state, updates = updated(recipe, self._layout, *given, self._total_steps)
            if AVERAGE in others and enabled(recipe.training.ema):
                average = averages.following(others[AVERAGE], recipe.training.ema, params, found.model_state)
                others = others | {AVERAGE: average}
        metrics = {"loss": found.loss}
        if recipe.training.nan == "stop" and (recipe.optimizer.bounds_updates or LOSS_SCALE in others):
            # The optimizer's updates stay finite for any gradients, or are dropped, so only the gradients show the
            # problem. A smaller scale may still help.
            fine = _all_finite(found.gradients)
            if LOSS_SCALE in others:
                fine |= others[LOSS_SCALE]["scale"] > scaling.LEAST
            metrics["loss"] = jnp.where(fine, found.loss, jnp.nan)
        metrics |= found.parts
        sums = figures_of(forward, recipe, found)
        for figure in training_metrics(recipe.measured, recipe.objective):
            metrics[figure.name] = _float32(figure.of_batch(sums[figure.name]))
        if recipe.training.norms:
            of = {"gradient_norm": found.gradients, "update_norm": updates, "parameter_norm": params}
            metrics |= {name: _float32(optax.tree.norm(tree)) for name, tree in of.items()}
        metrics |= sown_metrics(found.sown, metrics)
        following = state.replace(
            step=state.step + 1,
            params=params,
            model_state=found.model_state,
            opt_state=with_others(opt_state, others),
        )
        if recipe.training.nan == "skip" or LOSS_SCALE in others:
            finite_loss, finite_gradients = jnp.isfinite(found.loss), _all_finite(found.gradients)
            finite = finite_loss & finite_gradients
            if recipe.training.nan == "skip":
                finite &= _all_finite(params)
            kept = state.replace(step=following.step)
            # Keys do not change, so both states have the same one.
            following = jax.tree.map(lambda new, old: jnp.where(finite, new, old), following, kept)
            metrics[SKIPPED] = 1.0 - finite
            if LOSS_SCALE in others:
                metrics[LOSS_SCALE] = others[LOSS_SCALE]["scale"]
                opt_state, kept_others = parted(following.opt_state)
                kept_others[LOSS_SCALE] = scaling.following(others[LOSS_SCALE], finite_loss, finite_gradients)
                following = following.replace(opt_state=with_others(opt_state, kept_others))
        return following, metrics

    def loss_and_gradients(self, state: TrainState, batch: Batch, hparams: Hyperparameters) -> tuple[jax.Array, Any]:
        found = self._differentiate(*self._forward.with_numbers(hparams), state, batch)
        return found.loss, found.gradients

    def eval_step(self, state: TrainState, batch: Batch, hparams: Hyperparameters | None = None) -> Sums:
        recipe, forward = self._forward.with_numbers(hparams)
        sums = self._sums(recipe, forward, state, batch)
        average = averages.averaged(state)
        if average is not None:
            prefix = prefix_of(recipe.training)
            sums |= {prefix + name: value for name, value in self._sums(recipe, forward, average, batch).items()}
        return sums

    def _sums(self, recipe: Experiment, forward: Forward, state: TrainState, batch: Batch) -> Sums:
        """Returns the partial sums of the metrics of a state."""
        batch = forward.preprocessed(batch)
        outputs = forward.apply(recipe, state, batch)
        forward.check_outputs(outputs)
        targets, standard, mask = forward.compared(recipe, batch, outputs)
        loss, *figures = eval_metrics(recipe)
        sums = loss.partial(outputs, standard, mask)
        outputs = forward.measured(outputs)
        for figure in figures:
            sums |= figure.partial(outputs, targets, mask)
        return sums

    def predict_step(self, state: TrainState, batch: Batch, hparams: Hyperparameters | None = None) -> Any:
        recipe, forward = self._forward.with_numbers(hparams)
        average = averages.averaged(state)
        state = state if average is None else average
        outputs = forward.apply(recipe, state, forward.preprocessed(batch))
        return self._experiment.objective.predictions(forward.in_unit(outputs))

    def add_to_average(self, state: TrainState) -> TrainState:
        opt_state, others = parted(state.opt_state)
        average = averages.joined(others[AVERAGE], state.params, state.model_state)
        return state.replace(opt_state=with_others(opt_state, others | {AVERAGE: average}))

    def measure_step(
        self, state: TrainState, batch: Batch, hparams: Hyperparameters
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        recipe, forward = self._forward.with_numbers(hparams)
        opt_state, others = parted(state.opt_state)
        number = state.step % (self._total_steps // recipe.training.epochs)
        batch, key = self._augmented(recipe, forward, state, batch)
        of_average = averages.averaged(state)
        assert of_average is not None
        measured = with_batch(forward, recipe, of_average.params, of_average.model_state, batch, key, number)
        average = others[AVERAGE] | {"model_state": jax.tree.map(averages.wide, measured)}
        opt_state = with_others(opt_state, others | {AVERAGE: average})
        return state.replace(step=state.step + 1, opt_state=opt_state), {}

    def _augmented(
        self, recipe: Experiment, forward: Forward, state: TrainState, batch: Batch
    ) -> tuple[Batch, jax.Array]:
        """Returns a batch as the model takes it in training, with targets, and the key of the step for dropout."""
        dropout_key = jax.random.fold_in(state.key, state.step)
        with jax.named_scope(INPUT_SCOPE):
            key = jax.random.fold_in(jax.random.fold_in(state.key, _AUGMENTATION), state.step)
            batch = forward.with_targets(forward.augmented(recipe, batch, key))
            return forward.with_inputs_in_precision(batch), dropout_key

    def _differentiate(self, recipe: Experiment, forward: Forward, state: TrainState, batch: Batch) -> Differentiated:
        """Returns the loss of a batch as stored, and its gradients."""
        batch, dropout_key = self._augmented(recipe, forward, state, batch)
        _, others = parted(state.opt_state)
        scale = others[LOSS_SCALE]["scale"] if LOSS_SCALE in others else None
        of_state = (state.params, state.model_state)
        return differentiate_batch(forward, recipe, self._layout, *of_state, batch, dropout_key, scale)


def _float32(number: Any) -> jax.Array:
    return jnp.asarray(number, jnp.float32)


def _all_finite(tree: Any) -> jax.Array:
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()
