"""States to save, and whether two are the same."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from jaxdl.checkpoint.digest import params_sha256


class State(struct.PyTreeNode):
    """Stands in for a training state: every kind of leaf that one has."""

    step: Any
    params: Any
    model_state: Any
    opt_state: Any
    key: Any


def make_state(seed: int = 0, features: int = 8, optimizer: Any = None) -> State:
    rng = np.random.default_rng(seed)
    params = {
        "Dense_0": {"kernel": jnp.asarray(rng.normal(size=(4, features)), jnp.float32), "bias": jnp.zeros(features)},
        "half": jnp.asarray(rng.normal(size=3), jnp.bfloat16),
    }
    decay_mask = {"Dense_0": {"kernel": True, "bias": False}, "half": False}
    optimizer = optimizer or optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3, mask=decay_mask))
    statistics = {"batch_stats": {"mean": jnp.asarray(rng.normal(size=features), jnp.float32)}}
    return State(jnp.int32(seed), params, statistics, optimizer.init(params), jax.random.key(seed))


def equal(one: Any, other: Any) -> bool:
    """Whether two states have the same structure and the same bits."""
    same_structure = bool(jax.tree.structure(one) == jax.tree.structure(other))  # type: ignore[operator]
    return same_structure and params_sha256(one) == params_sha256(other)
