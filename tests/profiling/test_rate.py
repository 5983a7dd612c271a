"""How many operations a train step asks for, and how many a device can do."""

from __future__ import annotations

import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

import jaxdl
from jaxdl.profiling.rate import measured_peak, step_flops
from tests.small import blobs


def experiment(model: nn.Module) -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="profiled",
        data=jaxdl.Digits(),
        model=model,
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=40, batch_size=8),
    )


class Strided(nn.Module):
    """A convolution, and a strided one, whose gradient puts zeros between elements."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        hidden = nn.Conv(4, (3, 3), name="plain")(inputs)
        hidden = nn.Conv(6, (2, 2), strides=(2, 2), name="strided")(hidden)
        return nn.Dense(3, name="output")(hidden.reshape(hidden.shape[0], -1))


class Repeated(nn.Module):
    """A product that a loop makes five times."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (16, 16))
        hidden = inputs.reshape(inputs.shape[0], 16)
        hidden, _ = jax.lax.scan(lambda carry, _: (carry @ kernel, None), hidden, length=5)
        return nn.Dense(3, name="output")(hidden)


@pytest.mark.parametrize(
    ("model", "multiply_adds"),
    [
        (jaxdl.MLP(features=(5,)), 2 * 16 * 5 + 3 * 5 * 3),
        (Strided(), 2 * 16 * 9 * 4 + 3 * 4 * 4 * 4 * 6 + 3 * 24 * 3),
        # The first turn multiplies the inputs, whose gradient the loop makes all the same.
        (Repeated(), 3 * 5 * 16 * 16 + 3 * 16 * 3),
    ],
)
def test_the_work_of_a_step_is_that_of_its_products(model: nn.Module, multiply_adds: int) -> None:
    assert step_flops(jaxdl.Trainer(experiment(model), blobs())) == {"float32": 2 * 8 * multiply_adds}


def test_the_peak_is_that_of_large_products() -> None:
    peak = measured_peak(jnp.float32, seconds=0.2)
    assert peak.size >= 256
    matrix = jnp.ones((64, 64))
    multiply = jax.jit(jnp.matmul)
    jax.block_until_ready(multiply(matrix, matrix))
    begin = time.perf_counter()
    jax.block_until_ready(multiply(matrix, matrix))
    assert peak.flops_per_second > 2 * 64**3 / (time.perf_counter() - begin)
