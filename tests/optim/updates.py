"""A small model's parameters and gradients, and what an optimizer makes of them in some steps."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
import numpy as np
import optax

from jaxdl import fields
from jaxdl.optim import Optimizer

STEPS = 10
Tree = dict[str, dict[str, Any]]


def numbers_between(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers that float32 holds, so that both sides of a comparison start from the same ones."""
    return st.floats(low, high).map(lambda value: float(np.float32(value)))


def tree(random: np.random.Generator, *leading: int) -> Tree:
    """Arrays shaped like a small model's parameters, behind the given axes."""
    return {
        "dense": {"kernel": random.normal(size=(*leading, 3, 2)), "bias": random.normal(size=(*leading, 2))},
        "norm": {"scale": random.normal(size=(*leading, 2))},
    }


def float32(values: Tree) -> Tree:
    return jax.tree.map(np.float32, values)


@functools.cache
def compiled(optimizer: Optimizer) -> Callable[[dict[str, float], Tree, Tree], Tree]:
    """All updates of `STEPS` steps as one program, whose first state knows the default hyperparameters only."""

    @jax.jit
    def updates_of(hyperparameters: dict[str, float], params: Tree, gradients: Tree) -> Tree:
        transformation = fields.replace(optimizer, hyperparameters).transformation(STEPS)

        def step(carry: tuple[Tree, Any], gradient: Tree) -> tuple[tuple[Tree, Any], Tree]:
            params, state = carry
            updates, state = transformation.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), updates

        return jax.lax.scan(step, (params, optimizer.transformation(STEPS).init(params)), gradients)[1]

    return updates_of
