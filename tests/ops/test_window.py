"""Windows over images: how often one fits, and what is padded for it."""

from __future__ import annotations

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jax import lax

from jaxdl.ops.window import Window, dilated_size, padding_pairs, per_dimension


@st.composite
def cases(draw):
    spatial = draw(st.integers(1, 3))
    sizes = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(spatial))  # noqa: E731
    pairs = tuple(zip(sizes(0, 3), sizes(0, 3), strict=True))
    return sizes(1, 12), sizes(1, 4), Window(sizes(1, 3), pairs, sizes(1, 3))


@given(cases())
def test_a_window_fits_as_often_as_it_is_counted(case) -> None:
    size, kernel, window = case
    expected = []
    for n, taps, stride, (before, after), hole in zip(
        size, kernel, window.strides, window.padding, window.dilation, strict=True
    ):
        starts = range(0, before + n + after, stride)
        expected.append(sum(start + hole * (taps - 1) < before + n + after for start in starts))
    assert window.outputs(size, kernel) == tuple(expected)


@given(cases())
def test_outputs_are_of_the_size_that_jax_gives_a_convolution(case) -> None:
    size, kernel, window = case
    letters = "DHW"[-len(size) :]

    def convolve(inputs: jax.Array, taps: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            inputs, taps, window.strides, window.padding, rhs_dilation=window.dilation,
            dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
        )  # fmt: skip

    arguments = jax.ShapeDtypeStruct((1, *size, 1), jnp.float32), jax.ShapeDtypeStruct((*kernel, 1, 1), jnp.float32)
    assert window.outputs(size, kernel) == jax.eval_shape(convolve, *arguments).shape[1:-1]


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 4))
def test_same_padding_gives_an_output_for_each_stride_and_the_odd_element_after(
    n: int, window: int, stride: int
) -> None:
    ((before, after),) = padding_pairs((n,), (window,), (stride,), "SAME")
    outputs = -(-n // stride)
    assert Window((stride,), ((before, after),), (1,)).outputs((n,), (window,)) == (outputs,)
    assert before + after == max(0, (outputs - 1) * stride + window - n)
    assert after - before in (0, 1)


def test_valid_padding_is_none_and_pairs_stay_as_they_are() -> None:
    assert padding_pairs((5, 6), (3, 3), (1, 1), "VALID") == ((0, 0), (0, 0))
    pairs = padding_pairs((5, 6), (3, 3), (1, 1), [(1, 2), (0, 3)])
    assert pairs == ((1, 2), (0, 3))


def test_one_number_stands_for_every_dimension() -> None:
    assert per_dimension(2, 3, "strides") == (2, 2, 2)
    assert per_dimension([2, 1], 2, "strides") == (2, 1)


def test_a_wrong_number_of_dimensions_is_named() -> None:
    with pytest.raises(ValueError, match=r"strides=\(1, 2, 3\): the inputs have 2 spatial dimensions"):
        per_dimension((1, 2, 3), 2, "strides")
    with pytest.raises(ValueError, match=r"padding=\[\(0, 0\)\]: the inputs have 2 spatial dimensions"):
        padding_pairs((5, 6), (3, 3), (1, 1), [(0, 0)])


def test_a_dilated_kernel_spans_the_holes_between_its_elements() -> None:
    kernel, dilation = (3, 4, 1), (2, 3, 5)
    spans = tuple(int(np.ptp(np.arange(n) * hole)) + 1 for n, hole in zip(kernel, dilation, strict=True))
    assert dilated_size(kernel, dilation) == spans == (5, 10, 1)
