"""What every optimizer has in common, beside what `test_decay_and_clipping` and `test_optimizers` say."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxdl.optim import SGD
from tests.optim.updates import STEPS


def test_several_clips_follow_one_another_and_one_is_as_it_was() -> None:
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    gradients = {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.full(2, 0.1)}

    def update(optimizer: SGD) -> dict[str, jax.Array]:
        transformation = optimizer.transformation(STEPS)
        updates: dict[str, jax.Array] = transformation.update(gradients, transformation.init(params), params)[0]
        return updates

    both = update(SGD(learning_rate=1.0, clip_each=4.0, clip_norm=2.0))
    # The kernel's gradient has the norm 6, so it is 2 everywhere, and then the norm of all is close to 4.
    norm = float(jnp.sqrt(4 * 2.0**2 + 2 * 0.1**2))
    assert jnp.allclose(both["kernel"], -2.0 * 2 / norm) and jnp.allclose(both["bias"], -0.1 * 2 / norm)
    one = SGD(clip_norm=1.0).transformation(STEPS).init(params)
    assert jax.tree.structure(one) == jax.tree.structure(SGD(clip_each=1.0).transformation(STEPS).init(params))  # type: ignore[operator]
