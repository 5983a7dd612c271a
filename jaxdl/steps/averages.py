"""Averages of the parameters, which are often a better model than the last parameters: moving ones, and equal ones.

An exponential moving average (``training.ema``): Polyak & Juditsky 1992; Keras has it as ``use_ema``, timm as
``ModelEmaV3``, optax as ``ema``. After each update it moves towards the new parameters by a share of 1 - decay. Early
on the share is larger, (1 - decay) / (1 - decay**updates): that is the bias correction of Adam and of `optax.ema`, by
which the average holds nothing of the initial parameters, and a short training has a sensible one, too. All is kept in
float32: in bfloat16 a decay of 0.999 rounds to 1.

The model's other variables, such as batch statistics, are averaged in the same way, as timm and PyTorch's
``AveragedModel(use_buffers=True)`` do: they then fit the averaged parameters without another pass over the data.

An equal average (``training.swa``, stochastic weight averaging): Izmailov et al. 2018, arXiv:1803.05407. After each of
the last epochs the loop takes the parameters in. Batch statistics are then measured for it, see
`jaxdl.steps.statistics`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.experiment import Training
from jaxdl.steps.state import TrainState, parted, with_others

# Its name in `TrainState.opt_state`.
AVERAGE = "average"

Average = dict[str, Any]


def first_average(params: Any, model_state: Any) -> Average:
    """Returns the average before the first update: copies of the initial values.

    Returns:
        ``updates`` () int32; ``params`` and ``model_state`` in the structure of what is given, in float32 where they
        are floating-point numbers.
    """
    return {"updates": jnp.zeros((), jnp.int32), **jax.tree.map(wide, {"params": params, "model_state": model_state})}


def following(average: Average, decay: Any, params: Any, model_state: Any) -> Average:
    """Returns the average after an update.

    Args:
        average: before it.
        decay: () float32 in (0, 1), the share of the average that is kept once there were many updates.
        params: the parameters after the update.
        model_state: the model's other variables after it.
    """
    updates = average["updates"] + 1
    decay = jnp.asarray(decay, jnp.float32)
    share = (1 - decay) / -jnp.expm1(updates * jnp.log(decay))

    def moved(old: jax.Array, new: jax.Array) -> jax.Array:
        if not jnp.issubdtype(old.dtype, jnp.floating):
            return new
        after: jax.Array = old + share * (new.astype(old.dtype) - old)
        return after

    before = {"params": average["params"], "model_state": average["model_state"]}
    return {"updates": updates, **jax.tree.map(moved, before, {"params": params, "model_state": model_state})}


def joined(average: Average, params: Any, model_state: Any) -> Average:
    """Returns an equal average with one more member; after the first it is that member.

    Args:
        average: before it.
        params: the parameters to take in.
        model_state: the model's other variables.
    """
    members = average["updates"] + 1

    def moved(old: jax.Array, new: jax.Array) -> jax.Array:
        if not jnp.issubdtype(old.dtype, jnp.floating):
            return new
        new = new.astype(old.dtype)
        return jnp.where(members == 1, new, old + (new - old) / members)

    before = {"params": average["params"], "model_state": average["model_state"]}
    return {"updates": members, **jax.tree.map(moved, before, {"params": params, "model_state": model_state})}


def prefix_of(training: Training) -> str:
    """Returns what stands before the names of the metrics of the average that a recipe keeps."""
    return f"{training.averages}_"


def averaged(state: TrainState) -> TrainState | None:
    """Returns a state with the averages in the place of its own parameters and variables; None if it has none.

    An average without a member is the state's own.
    """
    _, others = parted(state.opt_state)
    if AVERAGE not in others:
        return None
    found = others[AVERAGE]
    like = lambda average, own: jnp.where(found["updates"] > 0, average.astype(own.dtype), own)  # noqa: E731
    return state.replace(
        params=jax.tree.map(like, found["params"], state.params),
        model_state=jax.tree.map(like, found["model_state"], state.model_state),
    )


def without_average(state: TrainState) -> TrainState:
    """Returns a state without its average."""
    own, others = parted(state.opt_state)
    return state.replace(opt_state=with_others(own, {name: kept for name, kept in others.items() if name != AVERAGE}))


def wide(value: jax.Array) -> jax.Array:
    """Returns a copy of an array, in float32 where it has floating-point numbers of fewer bits."""
    # A copy: the train program takes over the memory of a state, and no memory can be taken twice.
    floating = jnp.issubdtype(value.dtype, jnp.floating)
    return jnp.copy(value).astype(jnp.promote_types(value.dtype, jnp.float32) if floating else value.dtype)
