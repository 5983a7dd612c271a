"""Models for tests of what is exported: with numbers in all variables that a training would change."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from flax import linen as nn

import jaxdl
from tests.small import blobs


def disturbed(model: jaxdl.TrainedModel) -> jaxdl.TrainedModel:
    """Returns a model of which biases, scales and running averages are not what they begin with."""
    random = np.random.default_rng(1)

    def other(leaf: Any) -> Any:
        floating = np.issubdtype(leaf.dtype, np.floating)
        return leaf + 0.1 * np.abs(random.normal(size=leaf.shape)).astype(np.float32) if floating else leaf

    params, others = jax.tree.map(other, (model.state.params, model.state.model_state))
    state = model.state.replace(params=params, model_state=others)
    return jaxdl.TrainedModel(model.experiment, model.spec, model.steps, state)


def of_blobs(model: nn.Module, **fields: Any) -> jaxdl.TrainedModel:
    """Returns a model of pictures (4, 4, 1) of bytes, three classes; `fields` are of the recipe, by path."""
    spec = blobs().spec
    recipe = jaxdl.Experiment("blobs", jaxdl.Digits(), model, jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam())
    recipe = jaxdl.replace(recipe, {path.replace("__", "."): value for path, value in fields.items()})
    steps = jaxdl.make_steps(recipe, spec, total_steps=1)
    return disturbed(jaxdl.TrainedModel(recipe.for_spec(spec), spec, steps, steps.init_state(np.uint32(0))))
