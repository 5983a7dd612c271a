"""The training state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
from flax import struct


class TrainState(struct.PyTreeNode):
    """The state that training carries from one step to the next; it holds nothing static.

    Attributes:
        step: () int32, number of train steps done.
        params: the model's parameters.
        model_state: its other variable collections, such as ``batch_stats``; may be empty.
        opt_state: the optax state; with what else an update carries, where there is anything (see `with_others`).
        key: () typed PRNG key; never changed: each step folds its number in.
    """

    step: jax.Array
    params: Any
    model_state: Any
    opt_state: Any
    key: jax.Array


# The optimizer's own state, where others are carried beside it.
_OPTIMIZER = "optimizer"


def with_others(opt_state: Any, others: Mapping[str, Any]) -> Any:
    """Returns the optimizer's state together with what else an update carries; alone where there is nothing else.

    So a state, and a checkpoint of it, has only what its recipe needs.

    Args:
        opt_state: the state of optax.
        others: states by name, such as ``loss_scale``.
    """
    return {_OPTIMIZER: opt_state, **others} if others else opt_state


def parted(opt_state: Any) -> tuple[Any, dict[str, Any]]:
    """Returns the two arguments of `with_others` from its result."""
    if not (isinstance(opt_state, Mapping) and _OPTIMIZER in opt_state):
        return opt_state, {}
    return opt_state[_OPTIMIZER], {name: other for name, other in opt_state.items() if name != _OPTIMIZER}
