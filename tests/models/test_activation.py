"""Activations by name."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from flax import linen as nn

from jaxdl import UserError
from jaxdl.fields import check_value, own_fields
from jaxdl.models import MLP
from jaxdl.models.activation import ACTIVATIONS, activation_named

INPUTS = jnp.linspace(-4, 4, 24).reshape(4, 6)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_name_keeps_the_shape_and_has_a_gradient(name: str) -> None:
    outputs = activation_named(name)(INPUTS)
    assert outputs.shape == INPUTS.shape
    gradient = jax.grad(lambda x: (activation_named(name)(x) * jnp.arange(6)).sum())(INPUTS)
    assert bool(jnp.isfinite(gradient).all())
    assert bool(gradient.any())


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("sigmoid", scipy.special.expit),
        ("tanh", np.tanh),
        ("silu", lambda x: x * scipy.special.expit(x)),
        ("gelu", lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
        ("softmax", lambda x: scipy.special.softmax(x, -1)),
        ("log_softmax", lambda x: scipy.special.log_softmax(x, -1)),
        ("softplus", lambda x: np.log1p(np.exp(x))),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(x))),
        ("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x)),
        ("identity", lambda x: x),
    ],
)
def test_values_equal_the_formula(name: str, formula) -> None:
    np.testing.assert_allclose(ACTIVATIONS[name](INPUTS), formula(np.asarray(INPUTS, np.float64)), rtol=2e-5, atol=1e-6)


def test_all_of_flax_that_keep_the_shape_are_there() -> None:
    others = {"glu", "logsumexp", "normalize", "one_hot", "standardize"}
    public = {name for name in vars(nn.activation) if not name.startswith("_") and name.islower()}
    functions = {name for name in public if callable(getattr(nn.activation, name)) and hasattr(jax.nn, name)}
    assert functions | {"tanh"} <= set(ACTIVATIONS) | others


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    field = next(field for field in own_fields(MLP()) if field.path == "activation")
    check_value(field, "gelu")
    with pytest.raises(UserError, match="Did you mean 'sigmoid'"):
        check_value(field, "sigmoyd")
    with pytest.raises(UserError, match="unknown activation"):
        MLP(outputs=2, activation="relo").init(jax.random.key(0), INPUTS)
