"""Batch statistics of averaged weights, measured anew.

The statistics that were kept while training are those of other weights, one after the other (Izmailov et al. 2018,
arXiv:1803.05407, section 3.2). Here the model runs in training mode on some batches, with its weights as they are, and
the statistics become the mean of those of the batches, as in ``torch.optim.swa_utils.update_bn``.

A layer only shows the running average, new = kept * old + (1 - kept) * batch. Its derivative by the old one is `kept`,
and with it the statistics of the batch follow, whatever share the layer keeps.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.experiment import Experiment
from jaxdl.fields import replace
from jaxdl.optim.groups import matches
from jaxdl.steps.elements import Batch
from jaxdl.steps.forward import Forward
from jaxdl.steps.gradients import run_model

BATCH_STATISTICS = "batch_stats"


def with_batch(
    forward: Forward, recipe: Experiment, params: Any, model_state: Any, batch: Batch, key: jax.Array, number: Any
) -> Any:
    """Returns the model's state whose batch statistics are the means over one more batch.

    Statistics of frozen layers, see `jaxdl.steps.freezing`, stay as they are; so do other variables.

    Args:
        forward: the model.
        recipe: the recipe with the numbers of the step.
        params: the parameters.
        model_state: the model's other variables; the first batch replaces the statistics in it.
        batch: as `jaxdl.steps.gradients.differentiate` takes it.
        key: for dropout.
        number: () int32, how many batches were measured before.
    """
    statistics = model_state[BATCH_STATISTICS]
    recipe = replace(recipe, {"training.remat": False})  # there is no backward pass

    def after(statistics: Any) -> Any:
        before = {**model_state, BATCH_STATISTICS: statistics}
        return run_model(forward, recipe, params, before, batch, key)[1][BATCH_STATISTICS]

    frozen = jax.tree_util.tree_map_with_path(
        lambda path, _: bool(recipe.optimizer.freeze) and matches(recipe.optimizer.freeze, _name(path)), statistics
    )
    # Activations depend on frozen statistics, and so do those of later layers; no other statistics are read.
    ones = jax.tree.map(lambda leaf, is_frozen: jnp.full_like(leaf, 0.0 if is_frozen else 1.0), statistics, frozen)
    new, kept = jax.jvp(after, (statistics,), (ones,))

    def mean(old: jax.Array, new: jax.Array, kept: jax.Array, is_frozen: bool) -> jax.Array:
        if is_frozen:
            return old
        of_batch = jnp.where(kept < 1, (new - kept * old) / jnp.where(kept < 1, 1 - kept, 1), old)
        return jnp.where(number == 0, of_batch, old + (of_batch - old) / (number + 1))

    return {**model_state, BATCH_STATISTICS: jax.tree.map(mean, statistics, new, kept, frozen)}


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
