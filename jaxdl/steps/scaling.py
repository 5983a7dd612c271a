"""Dynamic scaling of the loss, which float16 needs: its smallest number is 6e-8, and many gradients are smaller.

Micikevicius et al. 2018, "Mixed precision training", arXiv:1710.03740, section 3.2. The loss is multiplied by a scale
before the backward pass, and the gradients are divided by it afterwards, in float32. Gradients that overflow are not
finite: the update is then dropped and the scale halved. After a number of good steps in a row the scale is doubled. The
numbers are those of `flax.training.dynamic_scale`, with the bounds of NVIDIA's Apex.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

FIRST = 2.0**16
LEAST, MOST = 1.0, 2.0**24
GOOD_STEPS = 2000

Scaling = dict[str, jax.Array]


def first_scaling() -> Scaling:
    """Returns the state of the scaling before the first step: ``scale`` () float32, ``good_steps`` () int32."""
    return {"scale": jnp.full((), FIRST, jnp.float32), "good_steps": jnp.zeros((), jnp.int32)}


def following(scaling: Scaling, finite_loss: jax.Array, finite_gradients: jax.Array) -> Scaling:
    """Returns the state of the scaling after a step.

    The scale is halved only where the loss itself is finite: where it is not, no scale would help.

    Args:
        scaling: before the step.
        finite_loss: () bool.
        finite_gradients: () bool, whether all gradients are finite.
    """
    scale, good = scaling["scale"], scaling["good_steps"] + 1
    grows = good >= GOOD_STEPS
    larger = jnp.where(grows, jnp.minimum(scale * 2, MOST), scale)
    smaller = jnp.where(finite_loss, jnp.maximum(scale / 2, LEAST), scale)
    return {
        "scale": jnp.where(finite_gradients, larger, smaller),
        "good_steps": jnp.where(finite_gradients & ~grows, good, 0),
    }
