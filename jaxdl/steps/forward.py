"""What training, evaluation and prediction share: a recipe's model, and its targets and weights, on data of a spec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.data import Preprocess, Spec
from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.recipe import outputs_for
from jaxdl.objectives.alignment import ended, only_blank_beyond
from jaxdl.steps.collections import WRITABLE
from jaxdl.steps.elements import Batch, element_weights
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
        class_weights: Sequence[float] | None,
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
            self._target = Preprocess(mean=spec.preprocess.mean, deviation=spec.preprocess.deviation)

    def with_mixed_targets(self, batch: Batch, outputs: int) -> Batch:
        """Mixes the targets where the augmentation has mixed examples."""
        if "share" not in batch:
            return batch
        given = batch["targets"], batch["other_targets"], batch["share"]
        return {**batch, "targets": self._experiment.objective.mixed(*given, outputs)}

    def weights(self, recipe: Experiment, batch: Batch, mask: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Returns how much each element counts in the loss of training."""
        given = self._class_weights if self._class_weights is not None else recipe.training.class_weight
        if isinstance(given, str):
            raise UserError(
                f"training.class_weight={given}: its numbers follow from the data, from which jaxdl.Trainer takes "
                "them; give a number for each class."
            )
        return element_weights(batch, mask, shape, given)

    def preprocessed(self, batch: Batch) -> Batch:
        with jax.named_scope(INPUT_SCOPE):
            return self._spec.preprocess.of_batch(batch)

    def apply(self, recipe: Experiment, state: TrainState, batch: Batch) -> jax.Array:
        """Returns the model's outputs for a preprocessed batch, in float32."""
        variables = self.variables(state.params, state.model_state)
        model: Any = recipe.model
        with jax.named_scope(INPUT_SCOPE):
            inputs = self.in_precision(batch["inputs"])
        outputs, _ = model.apply(variables, inputs, train=False, lengths=batch.get("lengths"), mutable=WRITABLE)
        return self.aligned(outputs.astype(jnp.float32), batch)

    def aligned(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        """Returns the outputs for a batch, in which steps beyond its lengths change no alignment with an answer."""
        return only_blank_beyond(outputs, batch.get("lengths")) if self._experiment.objective.aligns else outputs

    def with_targets(self, batch: Batch) -> Batch:
        """Returns a batch with preprocessed inputs and its targets, which for a reconstruction are the inputs.

        Where some labels are to be ignored, these are 0, and ``counted`` says which are not.
        """
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

    def in_unit(self, outputs: jax.Array) -> jax.Array:
        """Returns outputs in the unit of the targets."""
        return self._target.restored(outputs)

    def measured(self, outputs: jax.Array) -> jax.Array:
        """Returns what metrics compare with the targets, in their unit."""
        return self._experiment.objective.measured(self.in_unit(outputs))

    def check_outputs(self, outputs: jax.Array) -> None:
        """Raises `UserError` if a model has fewer outputs than classes: JAX would take another one for the missing."""
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
