"""The product of one row in pieces, against NumPy's in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import export

import jaxdl
from jaxdl.ops import single_row

OF_MATRICES = (((1,), (0,)), ((), ()))


def matrices(rows: int, features: int, units: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    return draw.normal(size=(rows, features)).astype("f"), draw.normal(size=(features, units)).astype("f")


@pytest.mark.parametrize(
    ("rows", "features", "units", "cut"),
    [(1, 4096, 64, True), (1, 3000, 100, True), (2, 4096, 64, False), (1, 784, 128, False), (1, 4093, 65, False)],
)
def test_one_row_and_a_large_kernel_are_multiplied_in_pieces(rows: int, features: int, units: int, cut: bool) -> None:
    inputs, kernel = matrices(rows, features, units)
    lowered = jax.jit(lambda *arrays: single_row.product(*arrays, OF_MATRICES)).lower(inputs, kernel)
    expected = inputs.astype(np.float64) @ kernel.astype(np.float64)
    found = np.asarray(lowered.compile()(inputs, kernel))
    assert found.shape == (rows, units)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    assert ("batching_dims" in lowered.as_text()) is cut


def test_other_products_are_left_as_they_are() -> None:
    inputs, kernel = matrices(1, 4096, 64)
    half = jnp.asarray(inputs, jnp.bfloat16), jnp.asarray(kernel, jnp.bfloat16)
    assert single_row.product(*half, OF_MATRICES).dtype == jnp.bfloat16
    turned = single_row.product(jnp.asarray(inputs), jnp.asarray(kernel.T), (((1,), (1,)), ((), ())))
    np.testing.assert_allclose(turned, inputs @ kernel, rtol=1e-3, atol=1e-3)


def test_gradients_are_those_of_the_whole_product() -> None:
    arrays = matrices(1, 4096, 64)
    of_pieces = jax.grad(lambda *arrays: (single_row.product(*arrays, OF_MATRICES) ** 2).sum(), (0, 1))(*arrays)
    of_whole = jax.grad(lambda x, w: ((x @ w) ** 2).sum(), (0, 1))(*arrays)
    for found, expected in zip(of_pieces, of_whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    "model", [jaxdl.MLP(features=(256,), outputs=3), jaxdl.CNN(features=(8,), pool_after=(1,), outputs=3)]
)
def test_a_model_predicts_the_same_for_one_example_as_for_several(model: nn.Module) -> None:
    images = np.random.default_rng(0).normal(size=(3, 34, 34, 1)).astype("f")
    variables = model.init(jax.random.key(0), images)
    predict = jax.jit(model.apply)
    alone = np.concatenate([predict(variables, image[None]) for image in images])
    np.testing.assert_allclose(alone, predict(variables, images), rtol=1e-4, atol=1e-5)
    shape = jax.ShapeDtypeStruct((*export.symbolic_shape("b"), 34, 34, 1), "float32")
    for_any = export.export(jax.jit(lambda images: model.apply(variables, images)))(shape)
    np.testing.assert_allclose(jax.jit(for_any.call)(images[:1]), alone[:1], rtol=1e-4, atol=1e-5)
