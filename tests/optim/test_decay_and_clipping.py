"""What every optimizer does beside its own formula: weight decay and clipping of gradients."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given

from jaxdl import fields
from jaxdl.optim import OPTIMIZERS, SGD, Optimizer, decayed
from tests.optim.updates import STEPS, compiled, float32, numbers_between, tree


class Layers(nn.Module):
    """One of each kind of parameter that Linen makes."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Embed(7, 4, name="embed")(x)
        x = jnp.asarray(nn.RNN(nn.GRUCell(4), name="gru")(x))
        x = nn.MultiHeadDotProductAttention(2, name="attention")(x)
        x = nn.LayerNorm(reduction_axes=(-2, -1), feature_axes=(-2, -1), name="norm_of_two_axes")(x)
        x = nn.GroupNorm(2, name="group_norm")(x)
        x = nn.Conv(4, (3,), name="conv")(x)
        stacked = nn.scan(_Stacked, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
        return stacked(name="stacked")(x, None)[0]


class _Stacked(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, _: None) -> tuple[jax.Array, None]:
        return nn.LayerNorm(name="norm")(nn.Dense(4, name="dense")(x)), None


def test_weight_decay_leaves_out_biases_and_normalisation() -> None:
    shapes = jax.eval_shape(Layers().init, jax.random.key(0), jnp.zeros((2, 5), jnp.int32))["params"]
    paths = {jax.tree_util.keystr(path, simple=True, separator="/"): d for path, d in leaves_with_path(decayed(shapes))}
    kept = {path for path, decays in paths.items() if not decays}
    assert all(path.endswith(("kernel", "embedding")) for path in paths.keys() - kept)
    assert all(path.endswith(("bias", "scale")) for path in kept)
    for path in (  # of two axes, but no weights
        "attention/query/bias",
        "norm_of_two_axes/scale",
        "norm_of_two_axes/bias",
        "stacked/dense/bias",
        "stacked/norm/scale",
    ):
        assert path in kept
    assert {"embed/embedding", "conv/kernel", "stacked/dense/kernel", "attention/out/kernel"} <= paths.keys() - kept


def leaves_with_path(values: Any) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_flatten_with_path(values)[0]


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS.members) - {"lamb"}))
def test_weight_decay_is_decoupled_from_the_gradients(name: str) -> None:
    random = np.random.default_rng(2)
    params, gradients = float32(tree(random)), float32(tree(random))
    without = fields.replace(OPTIMIZERS.make(name), {"learning_rate": 0.5, "weight_decay": 0.0})
    with_decay = fields.replace(without, {"weight_decay": 0.1})
    one, other = (o.transformation(STEPS) for o in (without, with_decay))
    difference = jax.tree.map(
        lambda a, b: b - a,
        one.update(gradients, one.init(params), params)[0],
        other.update(gradients, other.init(params), params)[0],
    )
    np.testing.assert_allclose(difference["dense"]["kernel"], -0.5 * 0.1 * params["dense"]["kernel"], atol=1e-6)
    assert not np.any(difference["dense"]["bias"])
    assert not np.any(difference["norm"]["scale"])


@given(seed=st.integers(0, 2**32 - 1), value=numbers_between(0.05, 3), norm=numbers_between(0.05, 5))
def test_clipping_is_by_value_and_then_by_norm(seed: int, value: float, norm: float) -> None:
    random = np.random.default_rng(seed)
    params, gradients = float32(tree(random)), float32(tree(random, STEPS))
    optimizer = SGD(learning_rate=1.0, clip_value=1.0, clip_norm=1.0)
    hyperparameters = {"learning_rate": 1.0, "clip_value": value, "clip_norm": norm}
    updates = jax.tree.leaves(compiled(optimizer)(hyperparameters, params, gradients))
    for step in range(STEPS):
        clipped = [np.clip(g[step], -value, value).astype(np.float64) for g in jax.tree.leaves(gradients)]
        length = np.sqrt(sum(np.sum(g**2) for g in clipped))
        for update, gradient in zip(updates, clipped, strict=True):
            np.testing.assert_allclose(update[step], -gradient * min(1, norm / length), rtol=1e-5, atol=1e-7)


@given(seed=st.integers(0, 2**32 - 1), each=numbers_between(0.05, 3), share=numbers_between(0.05, 1))
def test_clipping_of_each_array_and_of_each_unit(seed: int, each: float, share: float) -> None:
    random = np.random.default_rng(seed)
    params, gradients = float32(tree(random)), float32(tree(random, STEPS))
    optimizer = SGD(learning_rate=1.0, clip_each=1.0)
    updates = compiled(optimizer)({"learning_rate": 1.0, "clip_each": each}, params, gradients)
    for update, gradient in zip(jax.tree.leaves(updates), jax.tree.leaves(gradients), strict=True):
        lengths = np.sqrt((gradient.astype(np.float64) ** 2).reshape(STEPS, -1).sum(1))
        shrunk = gradient * np.minimum(1, each / lengths).reshape(STEPS, *[1] * (gradient.ndim - 1))
        np.testing.assert_allclose(update, -shrunk, rtol=1e-5, atol=1e-7)
    # Of the first step alone: it changes the weights.
    optimizer = SGD(learning_rate=1.0, clip_adaptive=1.0)
    updates = compiled(optimizer)({"learning_rate": 1.0, "clip_adaptive": share}, params, gradients)
    for layer, name, axis in (("dense", "kernel", 0), ("dense", "bias", None), ("norm", "scale", None)):
        weights, gradient = params[layer][name].astype(np.float64), gradients[layer][name][0].astype(np.float64)
        norms = [np.sqrt((array**2).sum(axis, keepdims=True)) for array in (weights, gradient)]
        shrunk = gradient * np.minimum(1, share * np.maximum(norms[0], 1e-3) / norms[1])
        np.testing.assert_allclose(updates[layer][name][0], -shrunk, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", OPTIMIZERS.members)
def test_what_is_off_is_not_in_the_program(name: str) -> None:
    optimizer = fields.replace(OPTIMIZERS.make(name), {"weight_decay": 0.0})
    assert not {"weight_decay", "clip_norm", "clip_value", "momentum"} & fields.traced_values(optimizer).keys()
    params = float32(tree(np.random.default_rng(0)))

    def operations(optimizer: Optimizer) -> int:
        transformation = optimizer.transformation(STEPS)
        return len(jax.make_jaxpr(transformation.update)(params, transformation.init(params), params).eqns)

    for field in ("weight_decay", "clip_norm", "clip_value", "clip_each", "clip_adaptive"):
        assert operations(fields.replace(optimizer, {field: 0.1})) > operations(optimizer)
