"""Which parameters Muon's own steps are for; the formulas of all are in `test_optimizers`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.optim import Muon


def test_muon_makes_kernels_orthogonal_but_for_the_last_layer() -> None:
    random = np.random.default_rng(0)
    shapes = {"convolution_1": (3, 3, 1, 4), "dense_1": (8, 6), "output": (6, 3)}
    gradients = {
        name: {"kernel": jnp.asarray(random.normal(size=shape)), "bias": jnp.asarray(random.normal(size=shape[-1:]))}
        for name, shape in shapes.items()
    }
    transformation = Muon(learning_rate=1.0, rms=0.0, nesterov=False).transformation(10)
    updates, _ = jax.jit(transformation.update)(gradients, transformation.init(gradients), gradients)

    def spread(layer: str) -> float:
        kernel = np.asarray(updates[layer]["kernel"])
        values = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)
        return float(values.max() / values.min())

    # Five steps of Newton and Schulz bring singular values near to each other, not to 1.
    assert spread("convolution_1") < 2 and spread("dense_1") < 2
    for leaf in (updates["output"]["kernel"], updates["dense_1"]["bias"]):
        np.testing.assert_allclose(np.abs(leaf), 1, rtol=1e-3)  # Adam's first step
