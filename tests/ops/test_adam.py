"""Adam's step as a native operation, against NumPy's in double precision; it writes over nothing still needed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from jaxdl.ops import library, onednn
from jaxdl.ops.adam import Numbers, adam

# The operations are built once for all tests here: in one process.
pytestmark = [
    pytest.mark.xdist_group("onednn"),
    pytest.mark.skipif(not library.can_be_built(), reason="needs a C++ compiler and the extra native"),
]
# Arrays that one thread has and that several share, whole registers and what is left beside them, scalars and nothing.
SHAPES = [((8192,), (3, 5), ()), ((0,), (100, 331), (1, 16, 2)), ((17,),), ((8191,), (16400,), (2, 0))]
NUMBERS = Numbers(0.9, 0.1, 0.999, 0.001, 1e-8, -1e-3, -1e-5)


@pytest.fixture(autouse=True, scope="module")
def built() -> None:
    assert library.why_not() is None


def arrays_of(shapes: Sequence[tuple[int, ...]], seed: int = 0) -> list[list[Any]]:
    """Returns gradients, parameters, and running means of gradients and of squares, as after some steps."""
    random = np.random.default_rng(seed)
    kinds = [[random.standard_normal(shape).astype(np.float32) for shape in shapes] for _ in range(4)]
    kinds[3] = [np.square(each) * np.float32(1e-3) for each in kinds[3]]
    return [[jnp.asarray(each) for each in kind] for kind in kinds]


def stepped(arrays: Any, decays: Sequence[bool], numbers: Numbers = NUMBERS) -> Any:
    gradients, params, means, squares = arrays
    return adam(gradients, params, means, squares, decays, numbers=numbers)


@functools.cache
def compiled(decays: tuple[bool, ...]) -> Any:
    return jax.jit(lambda arrays, numbers: stepped(arrays, decays, numbers))


def expected(arrays: Any, numbers: Numbers, decays: Sequence[bool]) -> Any:
    """Returns the parameters and running means after a step, in double precision."""
    by = Numbers(*(float(np.float32(number)) for number in numbers))
    found = []
    for g, p, m, v, decay in zip(*(jax.tree.map(np.float64, kind) for kind in arrays), decays, strict=True):
        mean, square = by.keep_mean * m + by.take_mean * g, by.keep_square * v + by.take_square * g * g
        found.append((p + by.along * mean / (np.sqrt(square) + by.eps) + by.decay * decay * p, mean, square))
    return tuple(zip(*found, strict=True))


def assert_close(found: Any, wanted: Any) -> None:
    """Compares parameters and means, which are sums of either sign, by their largest, and squares each by itself."""
    for kind, rounding, one, other in zip(("params", "means", "squares"), (2e-6, 1e-6, 0), found, wanted, strict=True):
        for new, expected in zip(one, other, strict=True):
            assert new.dtype == np.float32
            largest = np.max(np.abs(expected), initial=0.0)
            np.testing.assert_allclose(new, expected, rtol=1e-6, atol=rounding * largest, err_msg=kind)


@settings(max_examples=20)
@given(
    st.sampled_from(SHAPES),
    st.integers(0, 2**32 - 1),
    st.tuples(st.floats(0, 0.999), st.floats(0, 0.9999), st.floats(1e-10, 1e-3), st.floats(1e-5, 1), st.floats(0, 0.1)),
    st.booleans(),
)
def test_values_equal_numpy_s_for_any_shapes_and_numbers(shapes, seed, drawn, first_decays):
    b1, b2, eps, rate, decay = (np.float32(number) for number in drawn)
    numbers = Numbers(b1, 1 - b1, b2, 1 - b2, eps, -rate, -decay)
    decays = tuple(first_decays == (place % 2 == 0) for place in range(len(shapes)))
    arrays = arrays_of(shapes, seed)
    assert_close(compiled(decays)(arrays, numbers), expected(arrays, numbers, decays))


def test_a_step_is_one_operation_and_the_new_arrays_lie_where_the_old_ones_were():
    shapes = SHAPES[0]
    arrays = arrays_of(shapes)
    wanted = expected(arrays, NUMBERS, (True,) * 3)
    places = [each.unsafe_buffer_pointer() for kind in arrays[1:] for each in kind]
    step = jax.jit(lambda given, state: stepped((given, *state), (True,) * 3), donate_argnums=1)
    assert step.lower(arrays[0], tuple(arrays[1:])).as_text().count("@jaxdl_adam") == 1
    found = step(arrays[0], tuple(arrays[1:]))
    assert [each.unsafe_buffer_pointer() for kind in found for each in kind] == places
    assert_close(found, wanted)


def test_arrays_that_are_needed_afterwards_are_not_written_over():
    arrays = arrays_of(SHAPES[1])
    before = jax.tree.map(np.array, arrays)
    decays = (False, True, False)
    first, again = (compiled(decays)(arrays, NUMBERS) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, (arrays, first), (before, again))
    # In one program: what is read after the step, one array in several places, and a constant.
    zeros = lambda of: [jnp.zeros_like(each) for each in of]  # noqa: E731

    @jax.jit
    def steps(gradients: Any, params: Any) -> Any:
        one = adam(gradients, params, zeros(params), zeros(params), decays, numbers=NUMBERS)
        two = adam(gradients, params, gradients, gradients, decays, numbers=NUMBERS)
        return one, two, [new - old for new, old in zip(one[0], params, strict=True)]

    gradients, params = arrays[:2]
    positive = [abs(each) for each in gradients]
    one, two, moved = steps(positive, params)
    assert_close(one, expected([positive, params, zeros(params), zeros(params)], NUMBERS, decays))
    assert_close(two, expected([positive, params, positive, positive], NUMBERS, decays))
    for new, old, by in zip(one[0], params, moved, strict=True):
        np.testing.assert_array_equal(new - old, by)


def test_bits_depend_neither_on_the_threads_nor_on_the_place_of_an_array():
    decays = (True, False, True)
    arrays = arrays_of(((8192 + 5,), (333, 100), (70,)))
    flat = [each for kind in arrays for each in kind]
    numbers = jnp.asarray(NUMBERS, jnp.float32)
    of = lambda threads: jax.jit(lambda *flat: onednn.adam(numbers, flat, decays, threads))(*flat)  # noqa: E731
    alone = of(1)
    for threads in (2, 3, 7, 1000):
        jax.tree.map(np.testing.assert_array_equal, of(threads), alone)
    turned = compiled(decays)([kind[::-1] for kind in arrays], NUMBERS)
    jax.tree.map(np.testing.assert_array_equal, [each for kind in turned for each in kind[::-1]], list(alone))
    # The first array with numbers before it: none is at the place in a register where it was.
    longer = [[jnp.concatenate([kind[2], kind[0]])] for kind in arrays]
    for found, whole in zip(alone[::3], compiled((True,))(longer, NUMBERS), strict=True):
        np.testing.assert_array_equal(whole[0][70:], found)


def test_what_is_not_finite_stays_so_and_the_smallest_numbers_are_nothing():
    gradients = jnp.asarray([np.inf, np.nan, 1e25, 0, 1e-42, 1e-15, 3e18], jnp.float32)
    zeros = jnp.zeros(7)
    (found,), _, (square,) = compiled((False,))([[gradients], [zeros], [zeros], [zeros]], NUMBERS)
    assert np.isnan(found[0]) and np.isnan(found[1])
    assert np.isinf(square[2]) and found[2] == 0
    assert found[3] == found[4] == 0
    np.testing.assert_allclose(found[5:], -1e-4 * np.asarray([1e-15 / 1e-8, 1e-3**-0.5]), rtol=1e-5)


def test_steps_side_by_side_are_each_what_it_is_alone():
    shapes = ((20, 3), (7,))
    several = [arrays_of(shapes, seed) for seed in range(3)]
    rates = jnp.asarray([-1e-3, -1e-2, 0.1])
    step = lambda arrays, rate: stepped(arrays, (True, False), NUMBERS._replace(along=rate))  # noqa: E731
    together = jax.jit(jax.vmap(step))(jax.tree.map(lambda *each: jnp.stack(each), *several), rates)
    for place, arrays in enumerate(several):
        assert_close(jax.tree.map(lambda each: each[place], together), jax.jit(step)(arrays, rates[place]))  # noqa: B023
    shared = jax.jit(jax.vmap(step, (None, 0)))(several[0], rates)
    assert_close(jax.tree.map(lambda each: each[1], shared), jax.jit(step)(several[0], rates[1]))


def test_another_platform_computes_the_same_without_the_operation():
    arrays = arrays_of(SHAPES[0])
    step = jax.jit(lambda arrays: stepped(arrays, (True,) * 3))
    text = step.trace(arrays).lower(lowering_platforms=("cuda",))
    assert "@jaxdl_adam" not in text.as_text()
