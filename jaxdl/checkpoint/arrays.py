"""How a training state lies in a checkpoint: as plain arrays, random keys as the words that they consist of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxdl.checkpoint.digest import is_key, named_leaves, words
from jaxdl.errors import UserError

# How many parameters a message names before it only counts.
_NAMED = 5


def host_copy(state: Any) -> Any:
    """Copies a state to the host; a mere view would change when the next step takes over the array's memory."""
    arrays = jax.tree.map(words, state)
    for leaf in jax.tree.leaves(arrays):
        if isinstance(leaf, jax.Array):
            leaf.copy_to_host_async()  # all copies on their way before the first is waited for
    return jax.tree.map(lambda leaf: np.array(leaf, copy=True), arrays)


def stored_form(leaf: Any) -> jax.ShapeDtypeStruct:
    """Returns the shape under which a leaf lies in the checkpoint, and where it shall be restored to."""
    sharding = None if is_key(leaf) else getattr(leaf, "sharding", None)
    shape = jax.eval_shape(words, jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
    default = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding or default)


def from_stored_form(like: Any, restored: jax.Array) -> jax.Array:
    """Returns a leaf as the state has it, from what lies in the checkpoint."""
    if not is_key(like):
        return restored
    names: list[Any] = []

    def look(key: jax.Array) -> jax.Array:
        names.append(jax.random.key_impl(key))  # asks for an array, and `like` may be a mere shape
        return key

    jax.eval_shape(look, jax.ShapeDtypeStruct(like.shape, like.dtype))
    return jax.random.wrap_key_data(restored, impl=names[0])


def described(tree: Any) -> dict[str, str]:
    """Returns dtype and shape of each array of a state in its stored form, by name, such as ``float32[784, 128]``."""
    return {name: f"{np.dtype(a.dtype).name}{list(a.shape)}" for name, a in named_leaves(tree).items()}


def check_fits(in_file: Mapping[str, str], like: Any, path: Path) -> None:
    """Raises `UserError` naming the arrays in which a checkpoint and a state differ.

    Args:
        in_file: what the checkpoint holds, as `described` has it.
        like: the state.
        path: the checkpoint.
    """
    in_model = described(jax.tree.map(stored_form, like))
    differing = [
        f"{name} is {in_file.get(name, 'missing')} in the checkpoint and {in_model.get(name, 'missing')} in the model"
        for name in sorted({**in_file, **in_model}, key=lambda name: (not name.startswith("params/"), name))
        if in_file.get(name) != in_model.get(name)
    ]
    if differing:
        more = f"; and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
        listed = "; ".join(differing[:_NAMED])
        raise UserError(f"the checkpoint {path} does not fit: {listed}{more}. Use the experiment that wrote it.")
