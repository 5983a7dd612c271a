"""The loss of a train step and its gradients."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import jaxdl
from jaxdl.steps.forward import Forward
from jaxdl.steps.gradients import differentiate
from tests.steps.test_functions import SPEC, batch, experiment


def test_a_scale_changes_no_gradient() -> None:
    """A power of two moves only the exponent: in float32 the bits are the same."""
    recipe = experiment(model=jaxdl.MLP(features=(6,), activation="tanh")).for_spec(SPEC)
    state = jaxdl.make_steps(recipe, SPEC, 10).init_state(0)
    forward, data = Forward(recipe, SPEC, None), {name: jnp.asarray(array) for name, array in batch().items()}
    data["inputs"] = SPEC.preprocess(data["inputs"])

    def found(scale: float | None) -> tuple[jax.Array, object]:
        given = None if scale is None else jnp.float32(scale)
        result = differentiate(forward, recipe, state.params, {}, data, jax.random.key(0), given)
        return result.loss, result.gradients

    for plain, scaled in zip(jax.tree.leaves(found(None)), jax.tree.leaves(found(1024.0)), strict=True):
        np.testing.assert_array_equal(plain, scaled)
