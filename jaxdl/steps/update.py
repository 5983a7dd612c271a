"""The update of a train step: parameters and the optimizer's state after it."""

from __future__ import annotations

from typing import Any

import jax

from jaxdl.experiment import Experiment
from jaxdl.ops.library import computed_by
from jaxdl.steps.gradients import update_errors
from jaxdl.steps.layout import Layout

# Numbers of all parameters together from which the native operation is used. Where an update waits for memory, it saves
# passes over it. The step of a small perceptron takes up to 1.2 times as long with it: its threads and those of XLA
# take the cores from each other.
LEAST = 2**20


def updated(
    recipe: Experiment, layout: Layout | None, gradients: Any, opt_state: Any, params: Any, total_steps: int
) -> tuple[Any, Any, Any]:
    """Returns the parameters and the optimizer's state after a step, and the updates, which may be None without norms.

    Args:
        recipe: the recipe with the numbers of the step.
        layout: where arrays lie on several devices; None: there is one.
        gradients: in the structure of `params`.
        opt_state: the optimizer's own state.
        params: the parameters.
        total_steps: steps of the whole training.
    """
    library = recipe.training.library if may_be_in_place(recipe, layout, params) else "xla"
    with computed_by(library), update_errors():
        found: tuple[Any, Any, Any] = recipe.optimizer.updated(gradients, opt_state, params, total_steps)
    return found


def may_be_in_place(recipe: Experiment, layout: Layout | None, params: Any) -> bool:
    """Returns whether a native operation may take the place of the update, if the optimizer has one.

    It writes over the parameters and the state, which would have to be copied first where a step may be dropped; it
    returns no updates apart; and XLA cannot divide it, so that each device does it for all parameters.

    Args:
        recipe: the recipe.
        layout: where arrays lie on several devices; None: there is one.
        params: the parameters, or their shapes.
    """
    training = recipe.training
    is_long = sum(leaf.size for leaf in jax.tree.leaves(params)) >= LEAST
    whole = layout is None or layout.shard == "replicated"
    return is_long and whole and not (training.norms or training.scales_loss or training.nan == "skip")
