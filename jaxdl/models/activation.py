"""Activations by name."""

from __future__ import annotations

from collections.abc import Callable

import jax
from flax import linen as nn

from jaxdl.errors import unknown

Activation = Callable[[jax.Array], jax.Array]


def _identity(inputs: jax.Array) -> jax.Array:
    return inputs


# All activations of flax.linen that keep the shape and have no parameters.
ACTIVATIONS: dict[str, Activation] = {
    "celu": nn.celu,
    "elu": nn.elu,
    "gelu": nn.gelu,
    "hard_sigmoid": nn.hard_sigmoid,
    "hard_silu": nn.hard_silu,
    "hard_swish": nn.hard_swish,
    "hard_tanh": nn.hard_tanh,
    "identity": _identity,
    "leaky_relu": nn.leaky_relu,
    "log_sigmoid": nn.log_sigmoid,
    "log_softmax": nn.log_softmax,
    "relu": nn.relu,
    "relu6": nn.relu6,
    "selu": nn.selu,
    "sigmoid": nn.sigmoid,
    "silu": nn.silu,
    "soft_sign": nn.soft_sign,
    "softmax": nn.softmax,
    "softplus": nn.softplus,
    "swish": nn.swish,
    "tanh": nn.tanh,
}

# Elementwise and monotonically increasing: max f(x) = f(max x).
_RISING = (nn.celu, nn.elu, nn.hard_sigmoid, nn.hard_tanh, _identity, nn.leaky_relu, nn.log_sigmoid, nn.relu, nn.relu6)
_RISING_TOO = (nn.selu, nn.sigmoid, nn.soft_sign, nn.softplus, nn.tanh)
MONOTONE = frozenset(name for name, function in ACTIVATIONS.items() if function in _RISING + _RISING_TOO)


def activation_named(name: str) -> Activation:
    """Returns the activation of that name; softmax and log_softmax work along the last axis.

    Raises:
        UserError: there is no such activation.
    """
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def check_activation(value: str) -> str | None:
    """Checks a field that names an activation.

    Raises:
        UserError: there is no such activation; the message has the nearest spelling.
    """
    activation_named(value)
    return None
