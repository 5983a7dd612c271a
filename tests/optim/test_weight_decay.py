"""Which of the parameters that Linen makes are decayed."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxdl.optim.optimizers import decayed


class Layers(nn.Module):
    """One of each kind of parameter that Linen makes."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Embed(7, 4, name="embed")(x)
        x = nn.RNN(nn.GRUCell(4), name="gru")(x)  # type: ignore[assignment]
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
