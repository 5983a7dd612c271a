"""Convolution against JAX's own and SciPy's; whole numbers, so that sums in any order are equal to the bit."""

from __future__ import annotations

import re
from functools import partial

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from hypothesis import HealthCheck, given, settings
from jax import lax

from jaxdl import ops

CANONICAL = "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"


def whole_numbers(shape: tuple[int, ...], seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).integers(-4, 5, shape), jnp.float32)


def jax_own(inputs, kernel, *, strides=1, padding="VALID", dilation=1, groups=1):
    spatial = inputs.ndim - 2
    letters = "HW"[-spatial:]
    each = lambda value: (value,) * spatial if isinstance(value, int) else tuple(value)  # noqa: E731
    return lax.conv_general_dilated(
        inputs,
        kernel,
        each(strides),
        padding,
        rhs_dilation=each(dilation),
        feature_group_count=groups,
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
    )


@st.composite
def cases(draw):
    spatial = draw(st.sampled_from([1, 2, 2]))
    each = lambda values: draw(st.tuples(*[values] * spatial))  # noqa: E731
    groups = draw(st.sampled_from([1, 1, 1, 2]))
    channels = groups * draw(st.integers(1, 3))
    window = each(st.integers(1, 3))
    dilation = each(st.integers(1, 2))
    room = [(size - 1) * hole + 1 for size, hole in zip(window, dilation, strict=True)]
    size = [least + draw(st.integers(0, 4)) for least in room]
    pairs = each(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    settings = {
        "strides": each(st.integers(1, 3)),
        "padding": draw(st.sampled_from(["VALID", "SAME", pairs])),
        "dilation": dilation,
        "groups": groups,
    }
    inputs = whole_numbers((draw(st.integers(1, 3)), *size, channels), 1)
    kernel = whole_numbers((*window, channels // groups, groups * draw(st.sampled_from([1, 2, 9]))), 2)
    return inputs, kernel, settings


@given(cases())
def test_values_and_both_gradients_equal_those_of_jax(case) -> None:
    inputs, kernel, arguments = case

    @partial(jax.jit, static_argnums=0)
    def run(convolve, inputs, kernel):
        outputs, backward = jax.vjp(partial(convolve, **arguments), inputs, kernel)
        return outputs, backward(whole_numbers(outputs.shape, 3))

    np.testing.assert_array_equal(run(ops.convolution, inputs, kernel)[0], run(jax_own, inputs, kernel)[0])
    for got, expected in zip(run(ops.convolution, inputs, kernel)[1], run(jax_own, inputs, kernel)[1], strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("length", "kernel", "arguments"),
    [(1, 1, {"strides": 3, "padding": [(2, 0)]}), (3, 1, {"strides": 10, "padding": [(5, 0)]})],
)
def test_where_the_kernel_sees_padding_only_both_gradients_are_zero(length: int, kernel: int, arguments) -> None:
    inputs, weights = jnp.ones((1, length, 1)), jnp.ones((kernel, 1, 1))
    outputs, backward = jax.vjp(partial(ops.convolution, **arguments), inputs, weights)
    np.testing.assert_array_equal(outputs, jax_own(inputs, weights, **arguments))
    assert not any(gradient.any() for gradient in backward(jnp.ones_like(outputs)))


@pytest.mark.parametrize(("padding", "mode"), [("VALID", "valid"), ("SAME", "same")])
def test_values_equal_those_of_scipy(padding: str, mode: str) -> None:
    inputs, kernel = whole_numbers((2, 7, 9, 3)), whole_numbers((3, 5, 3, 4), 1)
    expected = np.stack(
        [
            sum(scipy.signal.correlate(inputs[n, :, :, c], kernel[:, :, c, f], mode) for c in range(3))
            for n in range(2)
            for f in range(4)
        ]
    )
    expected = expected.reshape(2, 4, *expected.shape[1:]).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(ops.convolution(inputs, kernel, padding=padding), expected)


@pytest.mark.parametrize("channels", [1, 2])
def test_second_derivatives_equal_those_of_jax(channels: int) -> None:
    inputs, kernel = whole_numbers((2, 5, 5, channels)), whole_numbers((3, 3, channels, 9), 1)

    def penalty(convolve, inputs, kernel):
        of_inputs, of_kernel = jax.grad(lambda x, k: (convolve(x, k) ** 2).sum(), (0, 1))(inputs, kernel)
        return (of_inputs**2).sum() + of_kernel.sum()

    gradients = [jax.jit(jax.grad(partial(penalty, f), (0, 1)))(inputs, kernel) for f in (ops.convolution, jax_own)]
    for got, expected in zip(*gradients, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_vmap_gives_what_one_call_after_the_other_gives(axes) -> None:
    inputs, kernel = whole_numbers((3, 2, 6, 6, 2)), whole_numbers((3, 3, 3, 2, 4), 1)
    arguments = [array if axis == 0 else array[0] for array, axis in zip((inputs, kernel), axes, strict=True)]
    gradient = jax.grad(lambda x, k: (ops.convolution(x, k, padding="SAME") ** 2).sum(), (0, 1))
    got = jax.jit(jax.vmap(gradient, in_axes=axes))(*arguments)
    one = jax.jit(gradient)
    for number in range(3):
        chosen = [array[number] if axis == 0 else array for array, axis in zip(arguments, axes, strict=True)]
        for a, b in zip(got, one(*chosen), strict=True):
            np.testing.assert_allclose(a[number], b, rtol=1e-6)


def test_remat_and_scan_change_nothing() -> None:
    inputs, kernels = whole_numbers((2, 5, 5, 3)), whole_numbers((4, 3, 3, 3, 3), 1)

    def deep(kernels, convolve):
        final, _ = lax.scan(lambda x, k: (jnp.sin(convolve(x, k, padding="SAME")), None), inputs, kernels)
        return final.sum()

    expected = jax.grad(deep)(kernels, jax_own)
    remat = lambda x, k, **kw: jax.checkpoint(partial(ops.convolution, **kw))(x, k)  # noqa: E731
    for convolve in (ops.convolution, remat):
        np.testing.assert_allclose(jax.grad(deep)(kernels, convolve), expected, rtol=1e-4, atol=1e-4)


def in_a_loop(inputs: jax.Array, kernel: jax.Array, turns: int) -> jax.Array:
    def body(_, carry):
        gradients = jax.grad(lambda x, k: (ops.convolution(x, k) ** 2).sum(), (0, 1))(*carry)
        return tuple(a - 1e-3 * b for a, b in zip(carry, gradients, strict=True))

    return lax.fori_loop(0, turns, body, (inputs, kernel))


def layouts(platform: str, function, *arguments) -> list[str]:
    text = jax.jit(function).trace(*arguments).lower(lowering_platforms=(platform,)).as_text()
    return re.findall(r"dim_numbers = (\[.*?\]x\[.*?\]->\[.*?\])", text)


def test_on_the_cpu_every_convolution_in_a_loop_has_the_layout_that_the_library_runs() -> None:
    arguments = (whole_numbers((2, 6, 6, 3)), whole_numbers((3, 3, 3, 4), 1), 2)
    assert layouts("cpu", in_a_loop, *arguments) == [CANONICAL] * 3


def test_on_a_gpu_the_gradients_are_those_of_jax() -> None:
    arguments = (whole_numbers((2, 6, 6, 3)), whole_numbers((3, 3, 3, 4), 1), 2)
    found = layouts("cuda", in_a_loop, *arguments)
    assert len(found) == 3
    assert found.count(CANONICAL) == 1


def test_a_gradient_to_the_inputs_that_nobody_asks_for_is_not_computed() -> None:
    inputs, kernel = whole_numbers((2, 6, 6, 3)), whole_numbers((3, 3, 3, 4), 1)
    gradient = jax.grad(lambda kernel, inputs: (ops.convolution(inputs, kernel) ** 2).sum())
    assert str(jax.jit(gradient).lower(kernel, inputs).compile().as_text()).count(" convolution(") == 2


def test_bfloat16_stays_bfloat16() -> None:
    inputs, kernel = whole_numbers((2, 6, 6, 3)).astype(jnp.bfloat16), jnp.ones((3, 3, 3, 4), jnp.bfloat16)
    gradients = jax.grad(lambda x, k: ops.convolution(x, k).sum(), (0, 1))(inputs, kernel)
    assert [ops.convolution(inputs, kernel).dtype, *(g.dtype for g in gradients)] == [jnp.bfloat16] * 3


def test_a_kernel_that_does_not_fit_gives_an_empty_image_and_no_gradient() -> None:
    inputs, kernel = whole_numbers((2, 2, 6, 3)), whole_numbers((3, 3, 3, 4), 1)
    assert ops.convolution(inputs, kernel).shape == (2, 0, 4, 4)
    assert not jax.grad(lambda kernel: ops.convolution(inputs, kernel).sum())(kernel).any()


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((2, 5), {}, "rank 3 or 4"),
        ((2, 5, 5, 1), {"strides": (1, 1, 1)}, "strides"),
        ((2, 5, 5, 1), {"dilation": (1,)}, "dilation"),
        ((2, 5, 5, 1), {"padding": [(0, 0)]}, "spatial dimensions"),
        ((2, 5, 5, 1), {"padding": "same"}, "must be 'VALID', 'SAME'"),
    ],
)
def test_a_wrong_setting_is_named(shape, arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ops.convolution(jnp.zeros(shape), jnp.zeros((3, 3, 1, 1)), **arguments)


@pytest.mark.slow
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
@given(case=cases())
def test_vmap_of_values_and_gradients_equals_that_of_jax(axes, case) -> None:
    inputs, kernel, given_settings = case
    arguments = [
        jnp.stack([array, -array, 2 * array]) if axis == 0 else array
        for array, axis in zip((inputs, kernel), axes, strict=True)
    ]

    def results(convolve):
        def gradients(x, k):
            loss = lambda x, k: (convolve(x, k, **given_settings) ** 2).sum()  # noqa: E731
            return convolve(x, k, **given_settings), *jax.grad(loss, (0, 1))(x, k)

        return jax.jit(jax.vmap(gradients, in_axes=axes))(*arguments)

    for got, expected in zip(results(ops.convolution), results(jax_own), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_vmap_over_kernels_makes_no_convolution_in_groups() -> None:
    inputs, kernel = whole_numbers((3, 2, 6, 6, 4)), whole_numbers((3, 3, 3, 4, 8), 1)
    gradient = jax.grad(lambda x, k: (ops.convolution(x, k) ** 2).sum(), (0, 1))
    for platform in ("cpu", "cuda"):
        text = jax.jit(jax.vmap(gradient)).trace(inputs, kernel).lower(lowering_platforms=(platform,)).as_text()
        assert not re.search(r"(feature|batch)_group_count = ([2-9]|\d\d)", text)
        assert ("stablehlo.convolution" in text) == (platform == "cpu")


@pytest.mark.slow
@given(case=cases())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_form_for_accelerators_gives_the_same(case, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, kernel, given_settings = case
    kernels = jnp.stack([kernel, -kernel])
    loss = lambda x, k: (ops.convolution(x, k, **given_settings) ** 2).sum()  # noqa: E731
    expected = jax.vmap(jax.grad(loss, (0, 1)), in_axes=(None, 0))(inputs, kernels)
    monkeypatch.setattr(lax, "platform_dependent", lambda *arrays, default, **others: default(*arrays))
    got = jax.vmap(jax.grad(loss, (0, 1)), in_axes=(None, 0))(inputs, kernels)
    monkeypatch.undo()
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)
