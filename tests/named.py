"""Data of two inputs and two targets, and a model for them, small enough to check by hand."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn

import jaxdl


class Both(nn.Module):
    """Reads an image and a table; gives a class and a number."""

    outputs_shade: int | None = None
    features: int = 4

    @nn.compact
    def __call__(self, image: Any, table: Any, *, train: bool = False, lengths: Any = None) -> dict[str, Any]:
        read = nn.Dense(self.features)(image.reshape((image.shape[0], -1)))
        hidden = jnp.concatenate([nn.tanh(read), nn.Dense(self.features)(table)], -1)
        return {"shade": nn.Dense(self.outputs_shade)(hidden), "size": nn.Dense(1)(hidden)}


def arrays(count: int, seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns inputs and targets by name: the shade is that of the image, the size follows from the table."""
    random = np.random.default_rng(seed)
    shade = random.integers(0, 3, count)
    image = (80 * shade[:, None, None, None] + random.integers(0, 40, (count, 3, 3, 1))).astype(np.uint8)
    table = random.normal(size=(count, 2)).astype(np.float32)
    size = (100 + 20 * table.sum(1)).astype(np.float32)
    return {"image": image, "table": table}, {"shade": np.array(["dark", "grey", "light"])[shade], "size": size}


def recipe(**fields: Any) -> jaxdl.Experiment:
    """Returns a recipe that trains on both in a second."""
    test = arrays(37, 1)
    return jaxdl.Experiment(
        name="both",
        data=jaxdl.Arrays(train=arrays(90), test=test, validate_on=test),
        model=Both(),
        objective=jaxdl.losses({"shade": "softmax_cross_entropy", "size": "mean_squared_error"}, {"size": 0.5}),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(**{"epochs": 2, "batch_size": 16, "eval_batch_size": 16, **fields}),
    )
