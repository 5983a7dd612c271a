"""The layer table: counts against formulas worked by hand, from shapes alone."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest
from flax import linen as nn
from rich.console import Console

import jaxdl.errors
from jaxdl.report.layers import Layer, LayerTable, layer_table, render, tree_bytes

ROOT = Path(jaxdl.errors.__file__).parents[1]


class Convolutional(nn.Module):
    """Two convolutions, a pooling and a dense layer."""

    dropout: float = 0.5

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = nn.relu(nn.Conv(32, (3, 3), padding="VALID")(x))
        x = nn.Conv(64, (5, 3), strides=(2, 2), feature_group_count=4)(x)
        x = nn.max_pool(x, (2, 2), (2, 2)).reshape(x.shape[0], -1)
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(10)(x)


def rows(table: LayerTable) -> dict[str, Layer]:
    return {layer.path: layer for layer in table.layers}


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_a_convolutional_network_agrees_with_the_formulas(batch_size: int, train: bool) -> None:
    table = layer_table(Convolutional(), (28, 28, 1), batch_size=batch_size, train=train)
    layers = rows(table)
    assert list(layers) == ["Conv_0", "Conv_1", "BatchNorm_0", "Dense_0"]
    inputs = 6 * 6 * 64
    expected = {
        "Conv_0": ((26, 26, 32), 3 * 3 * 1 * 32 + 32, 26 * 26 * 32 * 3 * 3 * 1),
        "Conv_1": ((13, 13, 64), 5 * 3 * 8 * 64 + 64, 13 * 13 * 64 * 5 * 3 * 8),
        "BatchNorm_0": ((inputs,), 2 * inputs, 0),
        "Dense_0": ((10,), inputs * 10 + 10, inputs * 10),
    }
    for path, (shape, parameters, multiply_adds) in expected.items():
        layer = layers[path]
        assert layer.output_shape == (batch_size, *shape)
        assert (layer.parameters, layer.multiply_adds, layer.calls) == (parameters, multiply_adds, 1)
        assert layer.output_bytes == 4 * batch_size * int(jnp.prod(jnp.array(shape)))
    assert table.parameters == sum(parameters for _, parameters, _ in expected.values())
    assert table.multiply_adds == sum(count for _, _, count in expected.values())
    assert table.parameter_bytes == 4 * table.parameters
    assert table.state_bytes == 2 * 4 * inputs  # running mean and variance


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.OptimizedLSTMCell])
def test_a_recurrence_counts_each_turn(cell: Any) -> None:
    time, features, hidden = 28, 20, 16

    class Model(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            return nn.Dense(10)(nn.RNN(cell(hidden), name="rnn")(x)[:, -1])  # type: ignore[call-overload]

    table = layer_table(Model(), (time, features), batch_size=3)
    layers = rows(table)
    recurrent = layers[f"{cell.__name__}_0"]
    assert recurrent.parameters == 4 * (features * hidden + hidden * hidden + hidden)
    assert recurrent.multiply_adds == time * 4 * (features + hidden) * hidden
    assert (recurrent.output_shape, recurrent.calls) == ((3, hidden), time)
    assert layers["rnn"].output_shape == (3, time, hidden)
    assert layers["Dense_0"].multiply_adds == hidden * 10
    assert table.parameters == recurrent.parameters + hidden * 10 + 10


def test_transformed_shared_and_nested_layers_are_each_counted_where_they_are() -> None:
    class Block(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = nn.jit(nn.Dense)(20, name="compiled")(x)
            return nn.remat(nn.Dense)(20, name="recomputed")(x)

    class Model(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = Block(name="one")(x)
            shared = nn.Dense(20, use_bias=False, name="shared")
            x = shared(shared(x))
            own = self.param("own", nn.initializers.ones, (20, 30))
            branch = jax.lax.cond(x.sum() > 0, lambda x: x @ own @ own.T, lambda x: x, x)
            return jax.nn.softmax(jnp.einsum("bf,fo->bo", branch, own))

    table = layer_table(Model(), (5,), batch_size=4)
    found = {path: (layer.parameters, layer.multiply_adds, layer.calls) for path, layer in rows(table).items()}
    assert found == {
        "(model)": (20 * 30, 3 * 20 * 30, 1),
        "one": (0, 0, 1),
        "one/compiled": (5 * 20 + 20, 5 * 20, 1),
        "one/recomputed": (20 * 20 + 20, 20 * 20, 1),
        "shared": (20 * 20, 2 * 20 * 20, 2),
    }


def test_attention_has_its_own_products_beside_those_of_its_parts() -> None:
    time, features, heads = 6, 8, 2
    table = layer_table(nn.MultiHeadDotProductAttention(heads), (time, features), batch_size=2)
    layers = rows(table)
    for part in ("query", "key", "value", "out"):
        assert layers[part].multiply_adds == time * features * features
    assert layers["(model)"].multiply_adds == 2 * time * time * features  # scores, and the weighted sum


def test_activations_are_what_the_gradient_needs() -> None:
    # Of y = relu(x a) b the gradient needs x, relu(x a) and the relu's mask; inputs and parameters are not counted.
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            return nn.Dense(7, use_bias=False)(jnp.tanh(nn.Dense(11, use_bias=False)(x)))

    table = layer_table(Model(), (5,), batch_size=3)
    one_array = 4 * 3 * 11
    assert one_array <= table.activation_bytes <= 3 * one_array
    assert layer_table(Model(), (5,), batch_size=30).activation_bytes == 10 * table.activation_bytes


def test_the_optimizer_state_is_part_of_the_memory() -> None:
    module = nn.Dense(10)
    params = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 5)))["params"]
    state = tree_bytes(jax.eval_shape(optax.adam(1e-3).init, params))
    assert state == 2 * 4 * (5 * 10 + 10) + 4
    table = layer_table(module, (5,), optimizer_bytes=state)
    assert table.training_bytes == 2 * 4 * 60 + state + table.activation_bytes


def test_the_dtype_of_inputs_and_params_counts() -> None:
    table = layer_table(nn.Dense(10, dtype=jnp.bfloat16, param_dtype=jnp.bfloat16), (5,), jnp.bfloat16, batch_size=2)
    assert table.parameter_bytes == 2 * 60
    assert table.layers[0].output_bytes == 2 * 2 * 10


def test_nothing_is_allocated_compiled_or_started() -> None:
    # 4 * 10^12 parameters would not fit anywhere.
    text = """
        from flax import linen as nn
        from jax._src import xla_bridge
        from jaxdl.report.layers import layer_table
        table = layer_table(nn.Sequential([nn.Dense(2_000_000), nn.Dense(1_000_000)]), (1_000_000,), batch_size=64)
        print(table.parameters, xla_bridge._backends)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", textwrap.dedent(text)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout == f"{4 * 10**12 + 3_000_000} {{}}\n", done.stderr


def test_the_table_shows_rows_totals_and_memory() -> None:
    table = layer_table(Convolutional(), (28, 28, 1), batch_size=128, optimizer_bytes=5 * 2**20, train=True)
    console = Console(file=io.StringIO(), width=100)
    console.print(render(table))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    lines = [line.split() for line in text.splitlines()]
    assert ["Conv_0", "Conv", "(128,26,26,32)", "320", "194,688", "10.6", "MiB"] in lines
    assert ["total", f"{table.parameters:,}", f"{table.multiply_adds:,}"] in lines
    assert ["optimizer", "state", "5.0", "MiB"] in lines


def test_a_recurrent_model_has_one_row_for_all_steps_of_a_layer() -> None:
    import jaxdl

    table = layer_table(jaxdl.RNN(features=(8,), outputs=3), (5, 4), batch_size=2)
    layer = table.layers[0]
    assert (layer.output_shape, layer.calls, layer.output_bytes) == ((2, 5, 8), 1, 2 * 5 * 8 * 4)
    assert layer.multiply_adds == 5 * (4 + 8) * 4 * 8


def test_of_known_variables_the_table_is_the_same_without_what_is_kept_for_gradients() -> None:
    model = Convolutional()
    variables = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
    whole = layer_table(model, (28, 28, 1), train=False)
    quick = layer_table(model, (28, 28, 1), variables=variables, kept=False, train=False)
    assert quick.layers == whole.layers and quick.parameter_bytes == whole.parameter_bytes
    assert quick.activation_bytes == 0 < whole.activation_bytes
