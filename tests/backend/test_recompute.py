"""A function whose gradient computes the forward pass again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.backend.compiler import compiled, traced
from jaxdl.backend.jaxprs import product_flops
from jaxdl.backend.recompute import block_ends, recomputed

WIDE = 64


def deep(weights: list[jax.Array], hidden: jax.Array, key: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
    """Layers with a path around each pair, dropout, a loop, a branch, and results of several kinds."""
    first, sums = hidden, []
    for number, weight in enumerate(weights):
        before = hidden
        hidden = jnp.tanh(hidden @ weight)
        dropped = jax.random.bernoulli(jax.random.fold_in(key, number), 0.8, hidden.shape)
        hidden = jnp.where(dropped, hidden, 0) + before
        sums.append(hidden.sum())
    hidden, turns = jax.lax.scan(lambda carry, turn: (jnp.sin(carry), turn.sum()), hidden, jnp.arange(3.0))
    hidden = jax.lax.cond(hidden[0, 0] > 0, lambda x: x * 2, lambda x: x * 3, hidden) + first
    return hidden, {"sums": sums, "largest": hidden.argmax(), "constant": 1, "turns": turns, "key": key, "same": first}


def given(layers: int = 6) -> tuple[list[jax.Array], jax.Array, jax.Array]:
    weights = jax.random.normal(jax.random.key(1), (layers, WIDE, WIDE)) / WIDE**0.5
    return list(weights), jnp.linspace(-1, 1, 8 * WIDE).reshape(8, WIDE), jax.random.key(2)


def test_values_and_gradients_are_those_of_the_function() -> None:
    """To a relative 1e-6 of the largest entry: XLA may fuse other operations."""

    def loss(how: Callable[..., Any]) -> Callable[..., Any]:
        def of(weights: list[jax.Array], hidden: jax.Array, key: jax.Array) -> Any:
            outputs, others = how(weights, hidden, key)
            return jnp.square(outputs).mean() + others["sums"][3], others

        return jax.jit(jax.value_and_grad(of, argnums=(0, 1), has_aux=True))

    arguments = given()
    assert len(block_ends(jax.make_jaxpr(deep)(*arguments).jaxpr)) > 2
    plain, again = (loss(how)(*arguments) for how in (deep, partial(recomputed, deep)))
    assert str(jax.tree.structure(plain)) == str(jax.tree.structure(again))
    assert again[0][1].pop("key") == plain[0][1].pop("key")
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6 * float(jnp.abs(one).max()))


def test_it_may_be_mapped() -> None:
    def loss(weights: list[jax.Array], hidden: jax.Array) -> jax.Array:
        for weight in weights:
            hidden = jnp.tanh(hidden @ weight)
        return hidden.sum()

    weights, hidden, _ = given(4)
    several = jnp.stack([hidden, hidden * 2])
    found = jax.jit(jax.vmap(jax.grad(partial(recomputed, loss)), (None, 0)))(weights, several)
    for number in range(2):
        for one, other in zip(jax.jit(jax.grad(loss))(weights, several[number]), found, strict=True):
            np.testing.assert_allclose(other[number], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 4, 16, 64])
def test_blocks_are_about_as_many_as_the_root_of_the_layers(layers: int) -> None:
    """Of equal layers that is what makes the sum of what is kept and of a block the least (Chen et al. 2016)."""

    def chain(weights: list[jax.Array], hidden: jax.Array) -> jax.Array:
        for weight in weights:
            hidden = jnp.tanh(hidden @ weight)
        return hidden

    program = jax.make_jaxpr(chain)(*given(layers)[:2]).jaxpr
    ends = block_ends(program)
    assert ends == sorted({*ends}) and ends[-1] == len(program.eqns) == 2 * layers
    assert layers**0.5 / 2 <= len(ends) <= 2 * layers**0.5
    largest = max(end - start for start, end in itertools.pairwise([0, *ends]))
    assert largest <= 2 * 2 * layers / len(ends)


def test_nothing_to_cut_is_no_error() -> None:
    assert recomputed(lambda x: (x, 2), jnp.ones(3))[1] == 2
    assert jax.grad(lambda x: recomputed(lambda x: x * x, x))(3.0) == 6


def memory_and_flops(model: nn.Module, inputs: jax.Array, again: bool) -> tuple[int, int]:
    """Returns the bytes beside arguments and results that a compiled gradient needs, and its operations."""
    key = jax.random.key(0)
    variables: Any = jax.eval_shape(lambda: model.init({"params": key, "dropout": key}, inputs))

    def apply(variables: Any, inputs: jax.Array, key: jax.Array) -> Any:
        return model.apply(variables, inputs, train=True, rngs={"dropout": key}, mutable=["batch_stats"])

    def loss(params: Any, others: Any, inputs: jax.Array, key: jax.Array) -> Any:
        how = recomputed if again else lambda function, *given: function(*given)
        outputs, after = how(apply, {"params": params, **others}, inputs, key)
        return jnp.square(outputs).mean(), after

    params = variables.pop("params")
    program = traced(jax.grad(loss, has_aux=True), params, variables, inputs, key)
    flops = sum(product_flops(program.jaxpr.jaxpr).values())
    return compiled(program)[0].memory_analysis().temp_size_in_bytes, flops


@pytest.mark.parametrize(
    ("model", "shape", "least"),
    [
        (jaxdl.MLP(features=(128,) * 24, outputs=10), (512, 64), 0.4),
        pytest.param(jaxdl.ResNet(depth=20, outputs=10), (32, 32, 32, 3), 0.5, marks=pytest.mark.slow),
        pytest.param(jaxdl.RNN(features=(64,) * 3, outputs=10), (32, 50, 8), 0.75, marks=pytest.mark.slow),
        pytest.param(jaxdl.UNet(features=(8, 16, 32), outputs=3), (8, 32, 32, 1), 0.75, marks=pytest.mark.slow),
    ],
    ids=["MLP of 24 layers", "ResNet-20", "RNN of 3 layers", "UNet"],
)
def test_a_compiled_gradient_needs_less_memory_for_a_third_more_operations(
    model: nn.Module, shape: tuple[int, ...], least: float
) -> None:
    (memory, flops), (less, more) = (memory_and_flops(model, jnp.zeros(shape), again) for again in (False, True))
    assert less < least * memory, f"{less:,} of {memory:,} bytes"
    assert flops < more < 1.34 * flops
