"""What training, evaluation and prediction share: a recipe's model, and its targets and weights, on data of a spec."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.augment import Augmentation
from jaxdl.augment.several import augmented
from jaxdl.data import Preprocess, Spec
from jaxdl.data.folded import parted, with_statistics
from jaxdl.data.named import put_back, view
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.fitting import objective_of, outputs_for
from jaxdl.experiment.weights import ClassWeights, weights_of_targets
from jaxdl.fields import replace
from jaxdl.objectives import broadcast_mask, masked_mean
from jaxdl.objectives.alignment import ended, only_blank_beyond
from jaxdl.objectives.counting import ratio, total
from jaxdl.ops.library import computed_by
from jaxdl.steps.collections import WRITABLE
from jaxdl.steps.elements import Batch, Compared, Losses, Shares, element_mask, element_weights
from jaxdl.steps.layout import Layout
from jaxdl.steps.state import TrainState

# Name of operations in a profile (see `jaxdl.profiling`); everything that makes a batch is under it.
INPUT_SCOPE = "input_pipeline"


class Forward:
    """From a batch to outputs, targets and weights.

    Args:
        experiment: the recipe, fitted to the spec.
        spec: describes one example.
        class_weights: see `jaxdl.steps.functions.make_steps`.
        layout: where the parameters lie on several devices; None: there is one.
    """

    def __init__(
        self,
        experiment: Experiment,
        spec: Spec,
        class_weights: ClassWeights | None,
        layout: Layout | None = None,
    ):
        self._layout = layout
        self._experiment = experiment
        self._class_weights = class_weights
        self._spec = spec
        self._precision = jnp.dtype(experiment.training.precision)
        # Numbers to be predicted are standardised for the loss; labels and probabilities are not.
        objective = experiment.objective
        self._target = spec.target if objective.kind == "values" and objective.standardizes else Preprocess()
        if objective.of_inputs:
            self._target = spec.preprocess.standardization()
        of_targets = weights_of_targets(experiment, spec, class_weights)
        self._of_outputs = {
            name: Forward(_of_output(experiment, name), dataclasses.replace(each, inputs=()), of_targets[name], layout)
            for name, each in spec.targets
        }

    def with_numbers(self, hparams: Mapping[str, Any] | None) -> tuple[Experiment, Forward]:
        """Returns the recipe with the numbers that enter as data, and this with the statistics among them, if any."""
        numbers, statistics = parted(hparams or {})
        if not statistics:
            return replace(self._experiment, numbers), self
        spec = with_statistics(self._spec, statistics)
        return replace(self._experiment, numbers), Forward(self._experiment, spec, self._class_weights, self._layout)

    def with_mixed_targets(self, batch: Batch, outputs: int) -> Batch:
        """Mixes the targets where the augmentation has mixed examples."""
        if "share" not in batch:
            return batch
        given = batch["targets"], batch["other_targets"], batch["share"]
        return {**batch, "targets": self._experiment.objective.mixed(*given, outputs)}

    def weights(self, recipe: Experiment, batch: Batch, mask: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Returns how much each element counts in the loss of training."""
        given: Any = self._class_weights if self._class_weights is not None else recipe.training.class_weight
        if isinstance(given, str):
            raise UserError(
                f"training.class_weight={given}: its numbers follow from the data, from which jaxdl.Trainer takes "
                "them; give a number for each class."
            )
        return element_weights(batch, mask, shape, given or None)

    def preprocessed(self, batch: Batch) -> Batch:
        with jax.named_scope(INPUT_SCOPE):
            for name, each in self._spec.inputs:
                batch = put_back(batch, each.preprocess.of_batch(view(batch, name)), name)
            return batch if self._spec.inputs else self._spec.preprocess.of_batch(batch)

    def augmented(self, recipe: Experiment, batch: Batch, key: jax.Array) -> Batch:
        """Returns a preprocessed batch with random changes."""
        if self._spec.views:
            return augmented(recipe.augmentation, Augmentation(), batch, self._spec, key)
        return recipe.augmentation.apply(batch, self._spec.preprocess, key)

    def with_inputs_in_precision(self, batch: Batch) -> Batch:
        """Returns a batch with its inputs in the dtype of the computation."""
        names = [f"inputs/{name}" for name, _ in self._spec.inputs] or ["inputs"]
        return {**batch, **{name: self.in_precision(batch[name]) for name in names}}

    def called_with(self, batch: Batch) -> tuple[tuple[jax.Array, ...], dict[str, Any]]:
        """Returns what a model is called with: its inputs in the dtype of the computation, and their lengths.

        Several inputs, and their lengths, go by their names.
        """
        if not self._spec.inputs:
            return (self.in_precision(batch["inputs"]),), {"lengths": batch.get("lengths")}
        names = [name for name, _ in self._spec.inputs]
        lengths = {name: batch[f"lengths/{name}"] for name in names if f"lengths/{name}" in batch}
        return (), {name: self.in_precision(batch[f"inputs/{name}"]) for name in names} | {"lengths": lengths or None}

    def examples(self) -> tuple[tuple[jax.Array, ...], dict[str, Any]]:
        """Returns what a model is initialised with: one example of zeros of each input."""
        zeros = {
            name: jnp.zeros((1, *each.model_shape), each.model_dtype)
            for name, each in self._spec.inputs or (("", self._spec),)
        }
        if not self._spec.inputs:
            return (zeros[""],), {}
        steps = {name: each.model_shape[0] for name, each in self._spec.inputs if each.lengths}
        lengths = {name: jnp.full((1,), count, jnp.int32) for name, count in steps.items()}
        return (), {**zeros, "lengths": lengths or None}

    def apply(self, recipe: Experiment, state: TrainState, batch: Batch) -> Any:
        """Returns the model's outputs for a preprocessed batch, in float32; several by name."""
        variables = self.variables(state.params, state.model_state)
        model: Any = recipe.model
        with jax.named_scope(INPUT_SCOPE):
            inputs, named = self.called_with(batch)
        with computed_by(recipe.training.library):
            outputs, _ = model.apply(variables, *inputs, train=False, **named, mutable=WRITABLE)
        return self.wide(outputs, batch)

    def wide(self, outputs: Any, batch: Batch) -> Any:
        """Returns a model's outputs for a batch in float32, `aligned`.

        Raises:
            UserError: there are several targets, and the model does not return a dictionary with an output for each.
        """
        if not self._of_outputs:
            return self.aligned(outputs.astype(jnp.float32), self.view(batch))
        names = list(self._of_outputs)
        if not isinstance(outputs, Mapping) or set(outputs) != set(names):
            given = ", ".join(outputs) if isinstance(outputs, Mapping) else type(outputs).__name__
            raise UserError(f"the model must return a dictionary with the outputs {', '.join(names)}, not {given}.")
        return {
            name: forward.aligned(outputs[name].astype(jnp.float32), self.view(batch, name))
            for name, forward in self._of_outputs.items()
        }

    def aligned(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Returns the outputs for a batch, in which steps beyond its lengths change no alignment with an answer."""
        return only_blank_beyond(outputs, batch.get("lengths")) if self._experiment.objective.aligns else outputs

    def loss(self, recipe: Experiment, batch: Batch, outputs: Any) -> Losses:
        """Returns the loss of a batch, and what metrics need.

        Args:
            recipe: the recipe with the numbers of the step.
            batch: preprocessed, with targets.
            outputs: what the model gives for it.
        """
        if self._of_outputs:
            return self._weighted(recipe, batch, outputs)
        batch = self.view(batch)
        mixed = self.with_mixed_targets(batch, outputs.shape[-1])
        losses = recipe.objective.losses(outputs, self.standardized(outputs, mixed["targets"]))
        mask = element_mask(batch, losses.shape)
        weights = self.weights(recipe, mixed, mask, losses.shape)
        return Losses(masked_mean(losses, weights), weights if recipe.weighted_metrics else mask, {})

    def _weighted(self, recipe: Experiment, batch: Batch, outputs: Any) -> Losses:
        """Returns the weighted sum of the losses of several outputs."""
        of_each = {
            name: forward.loss(_of_output(recipe, name), self.view(batch, name), outputs[name])
            for name, forward in self._of_outputs.items()
        }
        loss, parts = self._sum(recipe, {name: each.loss for name, each in of_each.items()})
        return Losses(loss, {name: each.mask for name, each in of_each.items()}, parts)

    def shares(self, recipe: Experiment, batch: Batch, outputs: Any) -> Shares:
        """Returns by how much each loss of a batch enters their mean.

        Args:
            recipe: the recipe with the numbers of the step.
            batch: preprocessed, with targets.
            outputs: shapes and dtypes of what the model gives for it.
        """
        if self._of_outputs:
            of_each = {
                name: forward.shares(_of_output(recipe, name), self.view(batch, name), outputs[name])
                for name, forward in self._of_outputs.items()
            }
            return Shares(*({name: each[at] for name, each in of_each.items()} for at in range(4)))
        mixed = self.with_mixed_targets(self.view(batch), outputs.shape[-1])
        losses = lambda outputs, targets: recipe.objective.losses(outputs, self.standardized(outputs, targets))  # noqa: E731
        shape = jax.eval_shape(losses, outputs, mixed["targets"]).shape
        mask = element_mask(mixed, shape)
        weights = self.weights(recipe, mixed, mask, shape)
        broad = broadcast_mask(weights, shape).astype(jnp.float32)
        counted = weights if recipe.weighted_metrics else mask
        return Shares(mixed["targets"], ratio(broad, broad.sum()), counted, broad.mean())

    def summed(self, recipe: Experiment, outputs: Any, targets: Any, shares: Any) -> tuple[jax.Array, dict[str, Any]]:
        """Returns the sum of losses times their `shares`; of several outputs weighted, and that of each by its name."""
        if not self._of_outputs:
            return total(recipe.objective.losses(outputs, self.standardized(outputs, targets)), shares), {}
        of_each = {
            name: forward.summed(_of_output(recipe, name), outputs[name], targets[name], shares[name])[0]
            for name, forward in self._of_outputs.items()
        }
        return self._sum(recipe, of_each)

    def _sum(self, recipe: Experiment, losses: Mapping[str, jax.Array]) -> tuple[jax.Array, dict[str, Any]]:
        """Returns the weighted sum of the losses of several outputs, and each by the name of its figure."""
        weights = recipe.objective.weights  # type: ignore[attr-defined]  # several outputs have several losses
        loss = jnp.sum(jnp.stack([weights[name] * each for name, each in losses.items()]))
        return loss, {f"{name}/loss": each for name, each in losses.items()}

    def view(self, batch: Batch, target: str = "") -> Batch:
        """Returns the part of a batch that belongs to a target, with the lengths of its input."""
        return view(batch, self._spec.by_target[target].of_input, target) if self._spec.views else batch

    def targets(self, batch: Batch, outputs: Any) -> Any:
        """Returns the targets of a batch, those of mixed examples mixed; several by name."""
        if self._of_outputs:
            return {name: batch[f"targets/{name}"] for name in self._of_outputs}
        return self.with_mixed_targets(batch, outputs.shape[-1])["targets"]

    def compared(self, recipe: Experiment, batch: Batch, outputs: Any) -> Compared:
        """Returns what a loss and metrics compare in evaluation; several by name."""
        if self._of_outputs:
            of_each = {
                name: forward.compared(_of_output(recipe, name), self.view(batch, name), outputs[name])
                for name, forward in self._of_outputs.items()
            }
            return Compared(*({name: each[at] for name, each in of_each.items()} for at in range(3)))
        batch = self.with_targets(self.view(batch))
        targets = batch["targets"]
        standard = self.standardized(outputs, targets)
        shape = jax.eval_shape(recipe.objective.losses, outputs, standard).shape
        mask = element_mask(batch, shape)
        mask = self.weights(recipe, batch, mask, shape) if recipe.weighted_metrics else mask
        return Compared(targets, standard, mask)

    def with_targets(self, batch: Batch) -> Batch:
        """Returns a batch with preprocessed inputs and its targets, which for a reconstruction are the inputs.

        Where some labels are to be ignored, these are 0, and ``counted`` says which are not.
        """
        for name, forward in self._of_outputs.items():
            of_input = dict(self._spec.targets)[name].of_input
            batch = put_back(batch, forward.with_targets(view(batch, of_input, name)), of_input, name)
        if self._of_outputs:
            return batch
        objective, ignored = self._experiment.objective, self._spec.ignore_index
        if objective.of_inputs:
            return {**batch, "targets": self._spec.preprocess.restored(batch["inputs"])}
        if objective.aligns:
            return {**batch, "targets": ended(batch["targets"], batch.get("target_lengths"))}
        if ignored is not None:
            counted = batch["targets"] != ignored
            return {**batch, "targets": jnp.where(counted, batch["targets"], 0), "counted": counted}
        return batch

    def standardized(self, outputs: jax.Array, targets: jax.Array) -> jax.Array:
        """Returns targets as the loss compares them with outputs; see `Spec.target`."""
        if not self._target.mean:
            return targets
        if targets.shape != outputs.shape:  # a single output has no last axis
            return self._target.standardized(targets[..., None])[..., 0]
        return self._target.standardized(targets)

    def in_unit(self, outputs: Any) -> Any:
        """Returns outputs in the unit of the targets."""
        if self._of_outputs:
            return {name: forward.in_unit(outputs[name]) for name, forward in self._of_outputs.items()}
        return self._target.restored(outputs)

    def measured(self, outputs: Any) -> Any:
        """Returns what metrics compare with the targets, in their unit."""
        if self._of_outputs:
            return {name: forward.measured(outputs[name]) for name, forward in self._of_outputs.items()}
        return self._experiment.objective.measured(self.in_unit(outputs))

    def check_outputs(self, outputs: Any) -> None:
        """Raises `UserError` if a model has fewer outputs than classes: JAX would take another one for the missing."""
        if self._of_outputs:
            for name, forward in self._of_outputs.items():
                forward.check_outputs(outputs[name])
            return
        needed = outputs_for(self._experiment.objective, self._spec)
        if self._spec.class_names and outputs.shape[-1] < needed:
            raise UserError(f"the model has {outputs.shape[-1]} outputs, but these data have {needed} classes.")

    def in_precision(self, inputs: jax.Array) -> jax.Array:
        return inputs.astype(self._precision) if jnp.issubdtype(inputs.dtype, jnp.floating) else inputs  # ids stay

    def variables(self, params: Any, model_state: Any) -> dict[str, Any]:
        # Values that the model itself stores in another dtype than float32 are not converted.
        cast = lambda param: param.astype(self._precision) if param.dtype == jnp.float32 else param  # noqa: E731
        params = jax.tree.map(cast, params)
        params = params if self._layout is None else self._layout.collected(params)
        return {"params": params, **model_state}


def _of_output(recipe: Experiment, name: str) -> Experiment:
    """Returns a recipe with the objective of one of several outputs."""
    return dataclasses.replace(recipe, objective=objective_of(recipe.objective, name), metrics=())
