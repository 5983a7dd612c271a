"""Convolution, dropout and normalisation as layers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxdl.models import CNN, MLP, RNN, Autoencoder, ResNet, Seq2Seq, TreeLSTM, UNet
from jaxdl.models.layers import Convolution, Dropout, Normalize, initial_values, orthogonal

IMAGES = jax.random.normal(jax.random.key(0), (6, 5, 4, 12))


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_convolution_is_that_of_flax_with_the_same_parameters(padding: str) -> None:
    own, flax = Convolution(7, (3, 2), padding), nn.Conv(7, (3, 2), padding=padding)
    variables = own.init(jax.random.key(1), IMAGES)
    jax.tree.map(np.testing.assert_array_equal, variables, flax.init(jax.random.key(1), IMAGES))
    np.testing.assert_allclose(own.apply(variables, IMAGES), flax.apply(variables, IMAGES), rtol=1e-4, atol=1e-5)


def test_convolution_takes_bytes() -> None:
    layer = Convolution(3)
    images = jnp.ones((1, 4, 4, 1), jnp.uint8)
    outputs = jnp.asarray(layer.apply(layer.init(jax.random.key(0), images), images))
    assert outputs.dtype == jnp.float32


def test_dropout_needs_a_key_in_training_only() -> None:
    assert Dropout(0.5).apply({}, IMAGES, False) is IMAGES
    assert Dropout(0.0).apply({}, IMAGES, True) is IMAGES
    dropped = Dropout(0.5).apply({}, IMAGES, True, rngs={"dropout": jax.random.key(0)})
    assert 0.3 < float(jnp.mean(dropped == 0)) < 0.7
    with pytest.raises(Exception, match="dropout"):
        Dropout(0.5).apply({}, IMAGES, True)


TRAIN = jax.jit(lambda variables, inputs: Normalize("batch").apply(variables, inputs, True, mutable=["batch_stats"]))


def normalized(kind: str, inputs: jax.Array) -> jax.Array:
    layer = Normalize(kind)
    variables = layer.init(jax.random.key(0), inputs, False)
    return layer.apply(variables, inputs, True, mutable=["batch_stats"])[0]


@pytest.mark.parametrize("inputs", [3 * IMAGES + 1, 3 * IMAGES[:, 0, 0] + 1], ids=["images", "vectors"])
def test_each_kind_has_mean_zero_and_variance_one_over_what_it_names(inputs: jax.Array) -> None:
    spatial = tuple(range(1, inputs.ndim - 1))
    grouped = normalized("group", inputs).reshape(*inputs.shape[:-1], 3, 4)
    for outputs, axes in (
        (normalized("batch", inputs), (0, *spatial)),
        (normalized("layer", inputs), (-1,)),
        (grouped, (*spatial, -1)),
    ):
        np.testing.assert_allclose(outputs.mean(axes), 0, atol=1e-4)
        np.testing.assert_allclose(outputs.var(axes), 1, atol=1e-3)


@pytest.mark.parametrize("shape", [(64, 5, 4, 12), (500, 12)], ids=["images", "vectors"])
@pytest.mark.parametrize("kind", ["batch", "layer", "group"])
def test_a_large_mean_costs_no_precision(kind: str, shape: tuple[int, ...]) -> None:
    """The fast variance, mean of squares minus square of mean, gives standard deviations up to 1,500 here."""
    inputs = np.random.default_rng(0).normal(10_000, 1, shape).astype(np.float32)
    groups = 3 if kind == "group" else 1
    split = (*shape[:-1], groups, shape[-1] // groups)  # (batch, ..., groups, channels of a group)
    image = tuple(range(1, len(shape) - 1))
    axes = {"batch": (0, *image), "layer": (-1,), "group": (*image, -1)}[kind]
    wide = inputs.astype(np.float64).reshape(split)
    expected = (wide - wide.mean(axes, keepdims=True)) / wide.std(axes, keepdims=True)
    outputs = np.asarray(normalized(kind, jnp.asarray(inputs))).reshape(split)
    np.testing.assert_allclose(outputs, expected, atol=0.02)
    np.testing.assert_allclose(outputs.std(axes), 1, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 7, 10])
def test_groups_divide_any_number_of_channels_and_hold_more_than_one(channels: int) -> None:
    inputs = jax.random.normal(jax.random.key(0), (2, 3, 3, channels))
    outputs = normalized("group", inputs)
    assert outputs.shape == inputs.shape
    assert channels < 2 or bool(normalized("group", inputs[:, 0, 0]).any())


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        *(("lecun_normal", 1 / 400), ("lecun_uniform", 1 / 400), ("he_normal", 2 / 400), ("he_uniform", 2 / 400)),
        *(("glorot_normal", 2 / 500), ("glorot_uniform", 2 / 500)),
    ],
)
def test_initial_kernels_have_the_variance_of_their_name(name: str, variance: float) -> None:
    kernel = np.asarray(initial_values(name)(jax.random.key(0), (400, 100), jnp.float32))
    assert kernel.var() == pytest.approx(variance, rel=0.05)
    assert bool(np.abs(kernel).max() <= np.sqrt(3 * variance) * 1.001) == name.endswith("uniform")


def test_an_initializer_is_that_of_all_kernels_of_a_model() -> None:
    for model, inputs in (
        (MLP(features=(8,), outputs=3), jnp.zeros((1, 12))),
        (CNN(features=(8,), pool_after=(), dense=(6,), outputs=3), jnp.zeros((1, 4, 4, 1))),
        (RNN(features=(8,), outputs=3), jnp.zeros((1, 2, 12))),
    ):
        other = model.clone(initializer="orthogonal")
        params = jax.jit(other.init)(jax.random.key(0), inputs)["params"]
        for path, kernel in jax.tree_util.tree_leaves_with_path(params):
            name = path[-1].key
            if name.endswith("kernel") and not (name == "kernel" and "forward_1" in str(path)):
                matrix = np.asarray(kernel).reshape(-1, kernel.shape[-1])
                matrix = matrix[:, :8] if name == "recurrent_kernel" else matrix
                matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
                np.testing.assert_allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=1e-5)
    with pytest.raises(ValueError, match="initializer='glorot': must be one of lecun_normal"):
        MLP(initializer="glorot", outputs=2).init(jax.random.key(0), jnp.zeros((1, 2)))  # type: ignore[arg-type]


OTHERS = {
    "ResNet": (ResNet(depth=8, features=(4, 4, 8), shortcut="B", outputs=3), np.zeros((1, 4, 4, 1), np.float32)),
    "UNet": (UNet(features=(4, 8), outputs=2), np.zeros((1, 4, 4, 1), np.float32)),
    "Autoencoder": (Autoencoder(features=(6, 3)), np.zeros((1, 8), np.float32)),
    "Seq2Seq": (
        Seq2Seq(units=8, embed=4, vocabulary=5, outputs=3, output_length=2),
        np.zeros((1, 4), np.int32),
    ),
    "TreeLSTM": (TreeLSTM(features=4, embed=3, vocabulary=5, outputs=2), np.zeros((1, 3, 3), np.int32)),
    "RNN": (RNN(features=(8,), attention=2, outputs=3), np.zeros((1, 2, 12), np.float32)),
}
KERNELS = {"ResNet": 10, "UNet": 8, "Autoencoder": 4, "Seq2Seq": 7, "TreeLSTM": 3, "RNN": 8}


@pytest.mark.parametrize("name", OTHERS)
def test_an_initializer_is_that_of_all_kernels_of_every_other_model(name: str) -> None:
    model, inputs = OTHERS[name]
    made = jax.jit(model.clone(initializer="orthogonal").init, compiler_options={"xla_backend_optimization_level": "0"})
    params, found = made(jax.random.key(0), inputs)["params"], 0
    for path, kernel in jax.tree_util.tree_leaves_with_path(params):
        last = path[-1].key
        if kernel.ndim < 2 or "embed" in last or (last == "recurrent_kernel" and name != "TreeLSTM"):
            continue
        matrix = np.asarray(kernel).reshape(-1, kernel.shape[-1])
        matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
        np.testing.assert_allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=1e-5)
        found += 1
    assert found == KERNELS[name]


@pytest.mark.parametrize("name", ["ResNet", "UNet"])
def test_without_an_initializer_layers_with_relu_begin_as_the_paper_has_it(name: str) -> None:
    model, inputs = OTHERS[name]
    layer = "convolution" if name == "ResNet" else "down_1_convolution_1"
    clones = [model.clone(initializer=given) for given in (None, "he_normal", "lecun_normal")]  # type: ignore[call-arg]
    quickly = {"xla_backend_optimization_level": "0"}
    own, he, lecun = (
        jax.jit(clone.init, compiler_options=quickly)(jax.random.key(0), inputs)["params"] for clone in clones
    )
    np.testing.assert_array_equal(own[layer]["kernel"], he[layer]["kernel"])
    np.testing.assert_allclose(own[layer]["kernel"], lecun[layer]["kernel"] * np.sqrt(2), rtol=1e-5)
    np.testing.assert_array_equal(own["output"]["kernel"], lecun["output"]["kernel"])


def test_none_returns_the_inputs_and_has_no_parameters() -> None:
    assert Normalize("none").init(jax.random.key(0), IMAGES, True) == {}
    assert normalized("none", IMAGES) is IMAGES


def test_batch_statistics_are_collected_in_training_and_used_afterwards() -> None:
    layer = Normalize("batch")
    variables = layer.init(jax.random.key(0), IMAGES, False)
    _, updated = layer.apply(variables, IMAGES, True, mutable=["batch_stats"])
    axes = (0, 1, 2)
    np.testing.assert_allclose(updated["batch_stats"]["batch"]["mean"], 0.01 * IMAGES.mean(axes), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(updated["batch_stats"]["batch"]["var"], 0.99 + 0.01 * IMAGES.var(axes), rtol=1e-5)
    outputs = layer.apply({**variables, **updated}, IMAGES[:1], False)
    stats = updated["batch_stats"]["batch"]
    np.testing.assert_allclose(
        outputs, (IMAGES[:1] - stats["mean"]) / np.sqrt(stats["var"] + 1e-5), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("kind", "flax"),
    [
        ("batch", nn.BatchNorm(use_running_average=False, use_fast_variance=False)),
        ("layer", nn.LayerNorm(use_fast_variance=False)),
        ("group", nn.GroupNorm(3, use_fast_variance=False)),
    ],
    ids=["batch", "layer", "group"],
)
def test_values_and_gradients_are_those_of_flax_with_the_same_parameters(kind: str, flax: nn.Module) -> None:
    own = Normalize(kind)
    variables = own.init(jax.random.key(1), IMAGES, True)
    params = {name: jax.random.normal(jax.random.key(2), (12,)) for name in ("scale", "bias")}
    stats = variables.get("batch_stats", {})
    weights = jax.random.normal(jax.random.key(3), IMAGES.shape)

    def of_own(params: dict[str, jax.Array], inputs: jax.Array) -> jax.Array:
        given = {"params": {kind: params}, "batch_stats": stats}
        return (weights * own.apply(given, inputs, True, mutable=["batch_stats"])[0]).sum()

    def of_flax(params: dict[str, jax.Array], inputs: jax.Array) -> jax.Array:
        given = {"params": params, "batch_stats": stats.get("batch", {})}
        return (weights * flax.apply(given, inputs, mutable=["batch_stats"])[0]).sum()

    found, expected = (jax.jit(jax.value_and_grad(f, (0, 1)))(params, IMAGES) for f in (of_own, of_flax))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found, expected)


def test_running_statistics_keep_their_precision_at_a_large_mean() -> None:
    inputs = np.random.default_rng(0).normal(10_000, 1, (500, 12)).astype(np.float32)
    layer = Normalize("batch")
    variables = layer.init(jax.random.key(0), inputs, False)
    for _ in range(1_000):
        _, updated = TRAIN(variables, inputs)
        variables = {**variables, **updated}
    stats, wide = variables["batch_stats"]["batch"], inputs.astype(np.float64)
    np.testing.assert_allclose(stats["mean"], wide.mean(0), rtol=1e-4)
    np.testing.assert_allclose(stats["var"], wide.var(0), rtol=1e-3)
    outputs = np.asarray(layer.apply(variables, inputs, False))
    np.testing.assert_allclose(outputs.std(0), 1, rtol=1e-3)


@pytest.mark.parametrize("model", [MLP(), CNN(), RNN()], ids=["mlp", "cnn", "rnn"])
def test_a_model_without_outputs_says_what_to_do(model: nn.Module) -> None:
    name = type(model).__name__
    with pytest.raises(ValueError, match=rf"{name}: outputs is None.*{name}\(outputs=10\)"):
        model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))


def decompositions(program: Any) -> list[tuple[int, ...]]:
    """Returns the shapes of all matrices that a traced program decomposes, in whatever it calls."""
    found = []
    for equation in program.eqns:
        if equation.primitive.name in ("qr", "geqrf", "householder_product"):
            found.append(equation.invars[0].aval.shape)
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else [value]:
                if (closed := getattr(inner, "jaxpr", inner if hasattr(inner, "eqns") else None)) is not None:
                    found += decompositions(closed)
    return found


def test_orthogonal_matrices_are_decomposed_one_by_one_side_by_side_too() -> None:
    """Several in one call may wait for each other forever on the CPU, see `orthogonal`."""
    model = RNN(features=(6, 4), bidirectional=True, initializer="orthogonal", outputs=3)

    def init(seed: jax.Array) -> Any:
        return model.init(jax.random.key(seed), jnp.zeros((1, 2, 12)))["params"]

    program = jax.make_jaxpr(jax.vmap(init))(jnp.arange(3, dtype=jnp.uint32))
    assert len(found := decompositions(program.jaxpr)) >= 9  # four kernels of each kind, and the last layer's
    assert {len(shape) for shape in found} == {2}


def test_orthogonal_values_are_those_of_flax_and_side_by_side_those_of_each_alone() -> None:
    keys = jax.random.split(jax.random.key(0), 3)
    together = jax.jit(jax.vmap(lambda key: orthogonal(key, (6, 4))))(keys)
    for key, values in zip(keys, together, strict=True):
        expected = nn.initializers.orthogonal()(key, (6, 4), jnp.float32)
        assert np.array_equal(orthogonal(key, (6, 4)), expected)
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3), ("simple", 1)])
def test_recurrent_kernels_are_the_orthogonal_matrices_of_their_gates(cell: Any, gates: int) -> None:
    model = RNN(features=(8,), cell=cell, outputs=3)
    params = model.init(jax.random.key(3), jnp.zeros((1, 2, 5)))["params"]
    (kernel,) = (each for path, each in jax.tree.leaves_with_path(params) if path[-1].key == "recurrent_kernel")
    seen: list[jax.Array] = []

    def shown(key: jax.Array, shape: tuple[int, int], dtype: Any) -> jax.Array:
        seen.append(key)
        return jnp.zeros(shape, dtype)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxdl.models.rnn._orthogonal_gates", shown)
        model.init(jax.random.key(3), jnp.zeros((1, 2, 5)))
    each = [nn.initializers.orthogonal()(key, (8, 8), jnp.float32) for key in jax.random.split(seen[0], gates)]
    assert np.array_equal(kernel, np.concatenate(each, -1)), "the same bits, however they are compiled"
