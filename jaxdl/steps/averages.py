"""An exponential moving average of the parameters, which is often a better model than the last parameters.

Polyak & Juditsky 1992; Keras has it as ``use_ema``, timm as ``ModelEmaV3``, optax as ``ema``. After each update it
moves towards the new parameters by a share of 1 - decay. Early on the share is larger, (1 - decay) /
(1 - decay**updates): that is the bias correction of Adam and of `optax.ema`, by which the average holds nothing of the
initial parameters, and a short training has a sensible one, too. All is kept in float32: in bfloat16 a decay of 0.999
rounds to 1.

The model's other variables, such as batch statistics, are averaged in the same way, as timm and PyTorch's
``AveragedModel(use_buffers=True)`` do: they then fit the averaged parameters without another pass over the data.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.steps.state import TrainState, parted, with_others

# Its name in `TrainState.opt_state`, and what stands before the names of its metrics.
AVERAGE, OF_AVERAGE = "average", "ema_"

Average = dict[str, Any]


def first_average(params: Any, model_state: Any) -> Average:
    """Returns the average before the first update: copies of the initial values.

    Returns:
        ``updates`` () int32; ``params`` and ``model_state`` in the structure of what is given, in float32 where they
        are floating-point numbers.
    """
    wide = jax.tree.map(_wide, {"params": params, "model_state": model_state})
    return {"updates": jnp.zeros((), jnp.int32), **wide}


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


def averaged(state: TrainState) -> TrainState | None:
    """Returns a state with the averages in the place of its own parameters and variables; None if it has none."""
    _, others = parted(state.opt_state)
    if AVERAGE not in others:
        return None
    found = others[AVERAGE]
    like = lambda average, own: average.astype(own.dtype)  # noqa: E731
    return state.replace(
        params=jax.tree.map(like, found["params"], state.params),
        model_state=jax.tree.map(like, found["model_state"], state.model_state),
    )


def without_average(state: TrainState) -> TrainState:
    """Returns a state without its average."""
    own, others = parted(state.opt_state)
    return state.replace(opt_state=with_others(own, {name: kept for name, kept in others.items() if name != AVERAGE}))


def _wide(value: jax.Array) -> jax.Array:
    # A copy: the train program takes over the memory of a state, and no memory can be taken twice.
    floating = jnp.issubdtype(value.dtype, jnp.floating)
    return jnp.copy(value).astype(jnp.promote_types(value.dtype, jnp.float32) if floating else value.dtype)
