"""What large weights add to the loss of training."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxdl.experiment import Training
from jaxdl.fields import enabled
from jaxdl.optim import decayed


def penalty(training: Training, params: Any) -> jax.Array | None:
    """Returns ``l1`` times the sum of the sizes of all weights plus ``l2`` times that of their squares, () float32.

    Weights are what weight decay is for, see `jaxdl.optim.decayed`: neither biases nor scales. None where both are 0.
    """
    chosen = zip(jax.tree.leaves(params), jax.tree.leaves(decayed(params)), strict=True)
    weights = [leaf.astype(jnp.float32) for leaf, decays in chosen if decays]
    zero = jnp.zeros((), jnp.float32)
    found = [
        factor * sum((jnp.sum(of(leaf)) for leaf in weights), zero)
        for factor, of in ((training.l1, jnp.abs), (training.l2, jnp.square))
        if enabled(factor)
    ]
    return sum(found, zero) if found else None
