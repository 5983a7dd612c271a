"""The collections of variables of a user's Linen module: parameters, state, and what it sows.

- ``params``: the parameters.
- What is sown (`flax.linen.Module.sow`): the collections ``losses`` and ``intermediates``, and any other that holds
  tuples, as `sow` makes them. They start anew in each call. In training, each sown value becomes a metric, and those in
  ``losses`` are added to the loss. Evaluation and prediction drop them: what a module sows is a number for a batch,
  which cannot be divided by examples.
- All others are state, such as ``batch_stats``: training carries them from step to step, and evaluation and prediction
  read them and drop what a module writes to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.traverse_util import flatten_dict

LOSSES = "losses"
_SOWN = (LOSSES, "intermediates")
# For `mutable` of a module's `apply`: a module may write to everything but its parameters.
WRITABLE = nn.DenyList("params")


def split(variables: Mapping[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Returns the parameters, the state and what was sown, the last two by collection."""
    others = {name: collection for name, collection in variables.items() if name != "params"}
    sown = {name: collection for name, collection in others.items() if _is_sown(name, collection)}
    return variables.get("params", {}), {name: others[name] for name in others if name not in sown}, sown


def _is_sown(name: str, collection: Any) -> bool:
    return name in _SOWN or any(isinstance(value, tuple) for value in flatten_dict(collection).values())


def added_loss(sown: Mapping[str, Any]) -> jax.Array | None:
    """Returns the sum of all values in ``losses``, () float32; None if there are none."""
    leaves = jax.tree.leaves(sown.get(LOSSES, {}))
    return jnp.stack([_float32(leaf).sum() for leaf in leaves]).sum() if leaves else None


def sown_metrics(sown: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, jax.Array]:
    """Returns each sown value as a metric, () float32: the sum of a loss, and the mean of any other.

    A metric's name is the path of the module with the name under which it was sown, such as ``gate.entropy``, with the
    collection before it where that name is taken.

    Args:
        sown: what was sown, by collection.
        taken: other metrics, by name.
    """
    metrics: dict[str, jax.Array] = {}
    for name, collection in sown.items():
        for path, value in flatten_dict(collection).items():
            leaves = [_float32(leaf) for leaf in jax.tree.leaves(value)]
            if not leaves:
                continue
            short = ".".join(path)
            key = f"{name}.{short}" if short in taken or short in metrics else short
            of_each = jnp.stack([leaf.sum() if name == LOSSES else leaf.mean() for leaf in leaves])
            metrics[key] = of_each.sum() if name == LOSSES else of_each.mean()
    return metrics


def carried(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the state after a step in the structure and dtypes of the state before it.

    Floating-point numbers get the dtype that they had: a module that computes in bfloat16 keeps its state in float32.

    Raises:
        ValueError: the module makes other variables in training than at the start, or of other shapes or dtypes.
    """
    old, new = flatten_dict(before, sep="/"), flatten_dict(after, sep="/")
    if old.keys() != new.keys():
        name = min(old.keys() ^ new.keys())
        when = "in training, but not when it is initialised" if name in new else "when it is initialised, but not later"
        raise ValueError(f"the model makes the variable {name} {when}; state must be the same in all steps")
    state: dict[str, Any] = jax.tree.map_with_path(_like, dict(before), dict(after))
    return state


def _like(path: Any, before: Any, after: Any) -> jax.Array:
    before, after = jnp.asarray(before), jnp.asarray(after)
    floating = all(jnp.issubdtype(array.dtype, jnp.floating) for array in (before, after))
    if before.shape != after.shape or not (floating or before.dtype == after.dtype):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        shapes = " and then ".join(f"{array.dtype}{list(array.shape)}" for array in (before, after))
        raise ValueError(f"the model's variable {name} is first {shapes}; state must be the same in all steps")
    same: jax.Array = after.astype(before.dtype)
    return same


def _float32(value: Any) -> jax.Array:
    return jnp.asarray(value, jnp.float32)
