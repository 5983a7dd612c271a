"""Gradient transformations that optax has not, or has in a form that is slower or loses numbers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxdl import fields


def with_momentum(momentum: Any, nesterov: bool = False) -> optax.GradientTransformation:
    """Adds momentum (Polyak 1964), in Nesterov's form where asked for; zero leaves it out of the program."""
    return optax.trace(momentum, nesterov) if fields.enabled(momentum) else optax.identity()


def clip_each_norm(most: Any) -> optax.GradientTransformation:
    """Scales the gradient of each array down to a Euclidean norm of at most `most`, which may be traced."""

    def update(updates: Any, state: optax.EmptyState, params: Any = None) -> tuple[Any, optax.EmptyState]:
        del params

        def clipped(gradient: jax.Array) -> jax.Array:
            norm = jnp.sqrt(jnp.sum(jnp.square(gradient)))
            return gradient * jnp.where(norm > most, most / norm, 1.0).astype(gradient.dtype)

        return jax.tree.map(clipped, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


class DeviationState(NamedTuple):
    """Running mean and variance of the gradients, each a tree like the parameters."""

    mean: Any
    variance: Any


def scale_by_deviation(decay: Any, eps: Any) -> optax.GradientTransformation:
    """Divides by the running standard deviation, as `optax.scale_by_stddev` but never by the root of a negative number.

    The variance as mean of squares minus square of mean, which optax takes, comes out below -eps in float32 where
    gradients are steady, and the step is then NaN. The equal form for running means (Finch 2009, "Incremental
    calculation of weighted mean and variance", section 9) cannot.
    """

    def init(params: Any) -> DeviationState:
        return DeviationState(optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(updates: Any, state: DeviationState, params: Any = None) -> tuple[Any, DeviationState]:
        off = jax.tree.map(lambda g, m: g - m, updates, state.mean)
        mean = jax.tree.map(lambda m, d: m + (1 - decay) * d, state.mean, off)
        variance = jax.tree.map(lambda v, d: decay * (v + (1 - decay) * d * d), state.variance, off)
        scaled = jax.tree.map(lambda g, v: g * jax.lax.rsqrt(v + eps), updates, variance)
        return scaled, DeviationState(mean, variance)

    return optax.GradientTransformation(init, update)


def scale_by_adam(
    b1: Any, b2: Any, eps: Any, nesterov: bool = False, momentum_decay: float = 0.0
) -> optax.GradientTransformation:
    """`optax.scale_by_adam` in the order of computation that the end of section 2 of Adam's paper gives.

    The bias corrections 1 - b**t are numbers of the step, not of the parameter: taken out of the arrays, they leave one
    division for each parameter instead of three, which makes the whole step of a small perceptron 6 % shorter. (The
    paper drops a factor of `eps`, which is kept here, so that only rounding differs.)

    Args:
        b1: share of the running mean of gradients that is kept.
        b2: share of the running mean of squared gradients that is kept.
        eps: added to the denominator.
        nesterov: use the running mean as it will be after the next gradient, if that is like this one.
        momentum_decay: with `nesterov`, of the momentum's schedule, see `momentum_at`; 0: it is `b1` at each step, as
            in optax.
    """

    def init(params: Any) -> optax.ScaleByAdamState:
        zeros = optax.tree.zeros_like
        return optax.ScaleByAdamState(count=jnp.zeros([], jnp.int32), mu=zeros(params), nu=zeros(params))

    def update(updates: Any, state: optax.ScaleByAdamState, params: Any = None) -> tuple[Any, optax.ScaleByAdamState]:
        del params
        count = optax.safe_increment(state.count)
        mu = optax.tree.cast_like(optax.tree.update_moment(updates, state.mu, b1, 1), state.mu)
        nu = optax.tree.cast_like(optax.tree.update_moment_per_elem_norm(updates, state.nu, b2, 2), state.nu)
        root = jnp.sqrt(1 - b2**count)
        now, following = root / (1 - b1**count), optax.safe_increment(count)
        of_mean, of_gradient = root / (1 - b1**following) * b1, now * (1 - b1)
        if nesterov and momentum_decay:
            of_mean = root / (1 - momenta_until(following, b1, momentum_decay))
            of_mean *= momentum_at(following, b1, momentum_decay)
            of_gradient = root / (1 - momenta_until(count, b1, momentum_decay))
            of_gradient *= 1 - momentum_at(count, b1, momentum_decay)

        def direction(m: jax.Array, v: jax.Array, g: jax.Array) -> jax.Array:
            along: jax.Array
            denominator = jnp.sqrt(v) + eps * root
            if nesterov:
                along = (of_mean * m + of_gradient * g) / denominator
            else:
                along = now * (m / denominator)
            return along

        return jax.tree.map(direction, mu, nu, updates), optax.ScaleByAdamState(count=count, mu=mu, nu=nu)

    return optax.GradientTransformation(init, update)


_BASE = 0.96
_TERMS = 32  # each is less than half of the one before


def momentum_at(count: Any, b1: Any, decay: float) -> Any:
    """Returns the momentum of a step in Nesterov's form of Adam: ``b1 (1 - 0.96**(decay count) / 2)``.

    Dozat 2016, "Incorporating Nesterov momentum into Adam", section 3, with a `decay` of 1/250. PyTorch's ``NAdam`` has
    the same; Keras's ``Nadam`` has a `decay` of 1.

    Args:
        count: the number of the step, from 1; may be traced.
        b1: the momentum that the schedule rises to.
        decay: how fast it rises.
    """
    return b1 * (1 - _BASE ** (decay * count) / 2)


def momenta_until(count: Any, b1: Any, decay: float) -> Any:
    """Returns the product of `momentum_at` for the steps 1 to `count`; from the number alone, so that no state has it.

    With q = 0.96**decay, the logarithm of the product of 1 - q**i / 2 over i is the sum of
    -(q**k - q**(k count + k)) / (k 2**k (1 - q**k)) over k = 1, 2, ...: each logarithm as its power series, and each
    power of q summed over i first.
    """
    k = np.arange(1, _TERMS + 1)
    rate = k * decay * math.log(_BASE)
    weights = np.exp(rate) / (k * 2.0**k * np.expm1(rate))
    terms = jnp.asarray(weights, jnp.float32) * jnp.expm1(jnp.asarray(rate, jnp.float32) * count)
    return b1**count * jnp.exp(-terms.sum())
