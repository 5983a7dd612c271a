"""The convolutional network against SciPy, and the recipes it must express."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from jaxdl import CNN

MNIST_CNN = CNN(features=(32, 64), pool_after=(2,), dropout=0.25, dense=(128,), dense_dropout=0.5, outputs=10)
MNIST_CNN_SMALL = CNN(features=(32, 64), pool_after=(1, 2), dense=(), outputs=10)
THREE_POOLS = CNN(features=(32, 64, 128), pool_after=None, dense=(128,), outputs=10)


def shapes(model: CNN, images: tuple[int, ...]):
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, *images))))
    return jax.tree.map(lambda leaf: leaf.shape, variables["params"], is_leaf=lambda leaf: hasattr(leaf, "shape"))


@pytest.mark.parametrize(
    ("model", "images", "expected"),
    [
        (MNIST_CNN, (28, 28, 1), 1_199_882),
        (MNIST_CNN_SMALL, (28, 28, 1), 34_826),
        (THREE_POOLS, (224, 224, 3), 896 + 18_496 + 73_856 + (26 * 26 * 128 + 1) * 128 + 1290),
        (CNN(features=(32,), pool_after=(1,), outputs=10), (64, 64, 3), 896 + (31 * 31 * 32 + 1) * 128 + 1290),
    ],
)
def test_the_networks_of_the_texts_have_their_parameters(model: CNN, images, expected: int) -> None:
    leaves = jax.tree.leaves(shapes(model, images), is_leaf=lambda leaf: isinstance(leaf, tuple))
    assert sum(int(np.prod(shape)) for shape in leaves) == expected


def test_parameters_have_clear_names_and_shapes() -> None:
    assert shapes(MNIST_CNN, (28, 28, 1)) == {
        "convolution_1": {"kernel": (3, 3, 1, 32), "bias": (32,)},
        "convolution_2": {"kernel": (3, 3, 32, 64), "bias": (64,)},
        "dense_1": {"kernel": (12 * 12 * 64, 128), "bias": (128,)},
        "output": {"kernel": (128, 10), "bias": (10,)},
    }


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["max", "average"])
@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_outputs_equal_scipy(pool: str, padding: str) -> None:
    model = CNN(features=(3, 4), padding=padding, pool_after=(2,), pool=pool, dense=(5,), outputs=2)
    images = jax.random.normal(jax.random.key(0), (2, 8, 10, 2))
    variables = model.init(jax.random.key(1), images)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])

    def convolve(images, kernel, bias):
        correlate = lambda n, f: sum(  # noqa: E731
            scipy.signal.correlate(images[n, :, :, c], kernel[:, :, c, f], padding.lower())
            for c in range(kernel.shape[2])
        )
        maps = [[correlate(n, f) for f in range(kernel.shape[3])] for n in range(len(images))]
        return np.maximum(np.moveaxis(np.array(maps), 1, -1) + bias, 0)

    hidden = convolve(np.asarray(images), **params["convolution_1"])
    hidden = convolve(hidden, **params["convolution_2"])
    height, width = hidden.shape[1] // 2, hidden.shape[2] // 2
    windows = hidden[:, : 2 * height, : 2 * width].reshape(2, height, 2, width, 2, 4)
    hidden = windows.max((2, 4)) if pool == "max" else windows.mean((2, 4))
    hidden = np.maximum(hidden.reshape(2, -1) @ params["dense_1"]["kernel"] + params["dense_1"]["bias"], 0)
    expected = hidden @ params["output"]["kernel"] + params["output"]["bias"]
    np.testing.assert_allclose(model.apply(variables, images), expected, rtol=1e-4, atol=1e-5)


def dropped_share(model: CNN, layer: str, images: jax.Array) -> float:
    """The share of zeros after a dropout layer, its inputs being all different from zero."""
    variables = model.init(jax.random.key(0), images)
    _, state = model.apply(
        variables, images, train=True, rngs={"dropout": jax.random.key(1)}, capture_intermediates=True
    )
    return float((state["intermediates"][layer]["__call__"][0] == 0).mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pool_after", "layer"), [((1,), "dropout_1"), ((1, 2), "dropout_1"), ((1, 2), "dropout_2"), ((), "dropout_2")]
)
def test_dropout_follows_each_pooling_or_the_last_convolution(pool_after, layer: str) -> None:
    model = CNN(features=(8, 8), pool_after=pool_after, dropout=0.25, activation="sigmoid", outputs=2)
    assert dropped_share(model, layer, jnp.ones((16, 12, 12, 1))) == pytest.approx(0.25, abs=0.08)


@pytest.mark.slow
def test_dense_layers_have_a_rate_of_their_own() -> None:
    model = CNN(features=(4,), pool_after=(1,), dense=(512,), dense_dropout=0.5, activation="sigmoid", outputs=2)
    assert dropped_share(model, "dropout_dense_1", jnp.ones((16, 12, 12, 1))) == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_traced_dropout_rates_are_compiled_once() -> None:
    images = jnp.ones((2, 8, 8, 1))
    variables = CNN(features=(4, 4), outputs=2).init(jax.random.key(0), images)

    @jax.jit
    def run(rate, dense_rate):
        model = CNN(features=(4, 4), outputs=2, dropout=rate, dense_dropout=dense_rate)
        return model.apply(variables, images, train=True, rngs={"dropout": jax.random.key(0)})

    assert bool((run(0.1, 0.5) != run(0.5, 0.1)).any())
    assert run._cache_size() == 1  # type: ignore[attr-defined]


@pytest.mark.slow
def test_every_layer_but_the_last_is_normalised() -> None:
    images = jax.random.uniform(jax.random.key(1), (2, 8, 8, 1))
    model = CNN(features=(4, 4), outputs=2, normalization="batch")
    variables = model.init(jax.random.key(0), images)
    assert set(variables["batch_stats"]) == {"normalize_1", "normalize_2", "normalize_dense_1"}
    _, state = model.apply(variables, images, train=True, mutable=["batch_stats"])
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), variables["batch_stats"], state["batch_stats"])
    assert all(jax.tree.leaves(changed))


@pytest.mark.parametrize(
    ("model", "images", "message"),
    [
        (THREE_POOLS, (8, 8, 1), "pooling after convolution 2 has a window of 2x2 and gets 1x1"),
        (
            CNN(features=(4, 4, 4, 4), pool_after=(), outputs=2),
            (8, 8, 1),
            "convolution 4 has a window of 3x3 and gets 2x2 of images of 8x8; use larger images, padding='SAME'",
        ),
        (
            CNN(features=(4, 4, 4, 4), padding="SAME", pool_after=(1, 2, 3, 4), outputs=2),
            (8, 8, 1),
            "pooling after convolution 4 has a window of 2x2 and gets 1x1 of images of 8x8; use larger images",
        ),
        (CNN(outputs=2), (64,), r"images of shape \(batch, height, width, channels\), got \(1, 64\)"),
        (CNN(outputs=2, pool_after=(3,)), (8, 8, 1), "names convolution 3"),
        (CNN(outputs=2, pool_after=(0,)), (8, 8, 1), "the first is 1"),
        (CNN(outputs=2, normalization="bach"), (8, 8, 1), "normalization='bach'"),
        (CNN(outputs=2, pool="avg"), (8, 8, 1), "pool='avg': must be max or average"),
        (CNN(outputs=2, padding="FULL"), (8, 8, 1), "padding='FULL': must be 'VALID', 'SAME'"),
    ],
)
def test_what_does_not_fit_is_named_with_the_way_out(model: CNN, images, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.init(jax.random.key(0), jnp.zeros((1, *images)))
