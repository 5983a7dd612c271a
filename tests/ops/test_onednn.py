"""Convolutions that oneDNN computes, against JAX's own; those that it does not compute are XLA's as before."""

from __future__ import annotations

from functools import partial
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given
from jax import lax

from jaxdl import ops
from jaxdl.backend.cores import processor_identity
from jaxdl.ops import library

# The operations are built once for all tests here: in one process.
pytestmark = [
    pytest.mark.xdist_group("onednn"),
    pytest.mark.skipif(not library.can_be_built(), reason="needs a C++ compiler and the extra native"),
]


def normal(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def own(inputs: Any, kernel: Any, **options: Any) -> Any:
    strides, padding, holes = (options.get(name, default) for name, default in OPTIONS.items())
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(inputs, kernel, strides, padding, rhs_dilation=holes, dimension_numbers=numbers)


OPTIONS: dict[str, Any] = {"strides": (1, 1), "padding": "VALID", "dilation": (1, 1)}


def own_stage(inputs: Any, kernel: Any, window: Any, padding: Any) -> Any:
    return nn.max_pool(own(inputs, kernel, padding=padding), window, strides=window)


def with_gradients(function: Any, *arrays: Any) -> Any:
    def loss(*arrays: Any) -> Any:
        outputs = function(*arrays)
        return (jnp.cos(jnp.arange(outputs.size, dtype=jnp.float32)).reshape(outputs.shape) * outputs).sum(), outputs

    (_, outputs), gradients = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(*arrays)
    return outputs, gradients


def by_onednn(function: Any, *arrays: Any) -> Any:
    with library.computed_by("onednn"):
        return function(*arrays)


def native_calls(function: Any, *arrays: Any) -> int:
    with library.computed_by("onednn"):
        return jax.jit(function).lower(*arrays).as_text().count("@jaxdl_")


def assert_equal(got: Any, expected: Any, tolerance: float = 2e-5) -> None:
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(
            np.asarray(a, np.float32),
            np.asarray(b, np.float32),
            rtol=tolerance,
            atol=tolerance * float(abs(b).max(initial=0)),
        )


@st.composite
def cases(draw):
    each = lambda low, high: (draw(st.integers(low, high)), draw(st.integers(low, high)))  # noqa: E731
    reach, strides, holes = each(1, 4), each(1, 3), each(1, 2)
    least = tuple((r - 1) * h + 1 for r, h in zip(reach, holes, strict=True))
    size = tuple(n + more for n, more in zip(least, each(0, 9), strict=True))
    channels, features = draw(st.sampled_from([1, 3, 16, 20])), draw(st.sampled_from([2, 9, 32]))
    padding = draw(st.sampled_from(["VALID", "SAME", ((1, 0), (0, 2))]))
    arrays = normal(draw(st.integers(1, 5)), *size, channels), normal(*reach, channels, features, seed=1)
    return arrays, {"strides": strides, "padding": padding, "dilation": holes}


@pytest.mark.slow
@given(cases())
def test_values_and_gradients_of_a_convolution_equal_jaxs(case) -> None:
    arrays, options = case
    got = by_onednn(partial(with_gradients, partial(ops.convolution, **options)), *arrays)
    assert_equal(got, with_gradients(partial(own, **options), *arrays))


@pytest.mark.slow
@given(cases(), st.integers(1, 3), st.integers(1, 3))
def test_values_and_gradients_with_pooling_equal_jaxs(case, down, across) -> None:
    arrays, options = case
    padding, window = options["padding"], (down, across)
    got = by_onednn(partial(with_gradients, partial(ops.convolution_max_pool, window=window, padding=padding)), *arrays)
    expected = with_gradients(partial(ops.convolution_max_pool, window=window, padding=padding), *arrays)
    assert_equal(got, expected)


def test_a_network_s_two_kinds_of_convolutions_are_native_and_equal():
    arrays = normal(8, 14, 14, 16), normal(3, 3, 16, 32, seed=1)
    for function, reference in (
        (partial(ops.convolution, padding="SAME"), partial(own, padding="SAME")),
        (partial(ops.convolution_max_pool, window=(2, 2)), partial(own_stage, window=(2, 2), padding="VALID")),
    ):
        assert native_calls(partial(with_gradients, function), *arrays) == 3
        assert_equal(by_onednn(partial(with_gradients, function), *arrays), with_gradients(reference, *arrays))


def test_the_first_of_equal_maxima_is_taken_and_nan_is_greater_than_numbers():
    inputs = jnp.zeros((1, 6, 6, 1)).at[0, 0, 0, 0].set(jnp.nan).at[0, 1, 3, 0].set(jnp.nan).at[0, 5, 5, 0].set(2.0)
    function = partial(ops.convolution_max_pool, window=2)
    kernel = jnp.ones((1, 1, 1, 2))
    np.testing.assert_array_equal(by_onednn(function, inputs, kernel), function(inputs, kernel))
    without = jnp.nan_to_num(inputs)
    got, expected = (
        by_onednn(partial(with_gradients, function), without, kernel),
        with_gradients(function, without, kernel),
    )
    assert_equal(got, expected, tolerance=1e-6)


@pytest.mark.skipif("avx512bw" not in processor_identity(), reason="the processor has no bfloat16 for oneDNN")
def test_bfloat16_is_rounded_once():
    arrays = normal(8, 14, 14, 16), normal(3, 3, 16, 32, seed=1)
    short = [array.astype(jnp.bfloat16) for array in arrays]
    assert native_calls(partial(with_gradients, ops.convolution), *short) == 3
    got = by_onednn(partial(with_gradients, ops.convolution), *short)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(got)} == {"bfloat16"}
    assert_equal(got, with_gradients(own, *[array.astype(jnp.float32) for array in short]), tolerance=2**-6)


def test_trainings_side_by_side_and_derivatives_of_derivatives():
    inputs, kernel = normal(4, 8, 8, 3), normal(3, 3, 3, 4, seed=1)
    for function in (ops.convolution, partial(ops.convolution_max_pool, window=2)):
        penalty = lambda x, k, f=function: (jax.grad(lambda x: (f(x, k) ** 2).sum())(x) ** 2).sum()  # noqa: E731
        several = jax.vmap(lambda k, f=function: jax.grad(lambda k: (f(inputs, k) ** 2).sum())(k))
        kernels = jnp.stack([kernel, 2 * kernel])
        for program, arrays in ((jax.grad(penalty, 1), (inputs, kernel)), (several, (kernels,))):
            assert_equal(by_onednn(program, *arrays), program(*arrays), tolerance=1e-4)


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (ops.convolution, (normal(4, 9, 3), normal(3, 3, 4))),
        (partial(ops.convolution, groups=3), (normal(4, 9, 9, 3), normal(3, 3, 1, 6))),
        (partial(ops.convolution, padding=((-1, 0), (0, 0))), (normal(4, 9, 9, 3), normal(3, 3, 3, 6))),
        (ops.convolution, (normal(4, 9, 9, 3).astype(jnp.float16), normal(3, 3, 3, 6).astype(jnp.float16))),
    ],
    ids=["one dimension", "groups", "cropped", "float16"],
)
def test_what_onednn_does_not_compute_is_left_to_xla(function, arrays):
    assert native_calls(function, *arrays) == 0
    np.testing.assert_array_equal(by_onednn(function, *arrays), function(*arrays))


def test_an_exported_program_has_no_native_operation():
    (batch,) = jax.export.symbolic_shape("b")
    shapes = jax.ShapeDtypeStruct((batch, 8, 8, 3), jnp.float32), jax.ShapeDtypeStruct((3, 3, 3, 4), jnp.float32)
    with library.computed_by("onednn"):
        exported = jax.export.export(jax.jit(partial(ops.convolution_max_pool, window=2)))(*shapes)
    assert "@jaxdl_" not in exported.mlir_module()
