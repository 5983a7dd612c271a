"""The multilayer perceptron against NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import MLP

IMAGES = jax.random.normal(jax.random.key(0), (5, 4, 3, 1))


def parameter_count(variables) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def test_outputs_equal_numpy() -> None:
    model = MLP(features=(7, 6), outputs=3, activation="tanh")
    variables = model.init(jax.random.key(1), IMAGES)
    params = jax.tree.map(np.asarray, variables["params"])
    hidden = np.asarray(IMAGES).reshape(5, 12)
    for name in ("dense_1", "dense_2"):
        hidden = np.tanh(hidden @ params[name]["kernel"] + params[name]["bias"])
    expected = hidden @ params["output"]["kernel"] + params["output"]["bias"]
    np.testing.assert_allclose(model.apply(variables, IMAGES), expected, rtol=1e-4, atol=1e-5)


def test_no_hidden_layer_makes_a_linear_model() -> None:
    variables = MLP(features=(), outputs=3).init(jax.random.key(0), IMAGES)
    assert {name: leaf.shape for name, leaf in variables["params"]["output"].items()} == {
        "kernel": (12, 3),
        "bias": (3,),
    }


def test_the_network_of_the_texts_has_101770_parameters() -> None:
    assert parameter_count(MLP(outputs=10).init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))) == 101_770


@pytest.mark.slow
@pytest.mark.parametrize("normalization", ["none", "batch", "layer", "group"])
def test_every_normalisation_trains(normalization: str) -> None:
    model = MLP(features=(8,), outputs=2, normalization=normalization)
    variables = model.init(jax.random.key(0), IMAGES)

    def loss(params):
        outputs, state = model.apply({**variables, "params": params}, IMAGES, train=True, mutable=["batch_stats"])
        return (outputs**2).sum(), state

    gradients, state = jax.grad(loss, has_aux=True)(variables["params"])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))
    assert bool(state) == (normalization == "batch")


def test_dropout_is_in_training_only_and_keeps_the_mean() -> None:
    model = MLP(features=(64,), outputs=1, activation="identity", dropout=0.5)
    variables = model.init(jax.random.key(0), IMAGES)
    plain = model.apply(variables, IMAGES)
    np.testing.assert_array_equal(plain, model.apply(variables, IMAGES, rngs={"dropout": jax.random.key(1)}))
    draw = jax.jit(jax.vmap(lambda key: model.apply(variables, IMAGES, train=True, rngs={"dropout": key})))
    draws = draw(jax.random.split(jax.random.key(2), 4000))
    assert float(draws.std(0).min()) > 0
    np.testing.assert_allclose(draws.mean(0), plain, atol=float(6 * draws.std(0).max() / np.sqrt(4000)))


def test_a_traced_dropout_rate_is_compiled_once() -> None:
    variables = MLP(outputs=2).init(jax.random.key(0), IMAGES)

    @jax.jit
    def run(rate):
        model = MLP(outputs=2, dropout=rate)
        return model.apply(variables, IMAGES, train=True, rngs={"dropout": jax.random.key(0)})

    assert bool((run(0.1) != run(0.5)).any())
    assert run._cache_size() == 1  # type: ignore[attr-defined]
