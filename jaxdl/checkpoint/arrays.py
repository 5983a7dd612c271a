"""The arrays of a training state as they are in a checkpoint file, with typed PRNG keys as uint32 words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.keys import is_key, without_keys
from jaxdl.checkpoint.digest import named_leaves
from jaxdl.errors import UserError

# How many parameters a message names; the others are only counted.
_NAMED = 5


def host_copy(state: Any) -> Any:
    """Copies a state to the host, keys as their words; a view would change when a step reuses the memory."""
    arrays = jax.tree.map(without_keys, state)
    for leaf in jax.tree.leaves(arrays) if jax.default_backend() != "cpu" else ():  # there it is on the host
        if isinstance(leaf, jax.Array) and leaf.is_fully_addressable:
            leaf.copy_to_host_async()  # starts all copies before waiting for the first
    return jax.tree.map(_copied, arrays)


def _copied(leaf: Any) -> Any:
    """Returns a copy on the host; of an array that several processes divide, one where it lies, for all to save."""
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable and not leaf.is_fully_replicated:
        return jnp.copy(leaf)
    return np.array(leaf, copy=True)


def shape_in_file(leaf: Any) -> jax.ShapeDtypeStruct:
    """Returns the shape and dtype of a leaf in the checkpoint file, and the sharding to restore it with."""
    default = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    if is_key(leaf):
        words = jax.eval_shape(without_keys, jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
        return jax.ShapeDtypeStruct(words.shape, words.dtype, sharding=default)
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=getattr(leaf, "sharding", None) or default)


def described(tree: Any) -> dict[str, str]:
    """Returns dtype and shape of each array, such as ``float32[784, 128]``, by name."""
    return {name: f"{np.dtype(a.dtype).name}{list(a.shape)}" for name, a in named_leaves(tree).items()}


def check_fits(in_file: Mapping[str, str], like: Any, path: Path) -> None:
    """Raises `UserError` naming the arrays in which a checkpoint and a state differ.

    Args:
        in_file: the arrays of the checkpoint, as `described` returns them.
        like: the state.
        path: the checkpoint.
    """
    in_model = described(jax.tree.map(shape_in_file, like))
    differing = [
        f"{name} is {in_file.get(name, 'missing')} in the checkpoint and {in_model.get(name, 'missing')} in the model"
        for name in sorted({**in_file, **in_model}, key=lambda name: (not name.startswith("params/"), name))
        if in_file.get(name) != in_model.get(name)
    ]
    if differing:
        more = f"; and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
        listed = "; ".join(differing[:_NAMED])
        raise UserError(f"the checkpoint {path} does not fit: {listed}{more}. Use the experiment that wrote it.")
