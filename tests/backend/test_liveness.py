"""The memory of a traced function, estimated from its operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxdl.backend.liveness import aval_bytes, peak_bytes

SIZE = 64
ARRAY = jax.ShapeDtypeStruct((SIZE, SIZE), jnp.float32)
BYTES = SIZE * SIZE * 4


def arrays(function: Callable[..., Any], given: int = 1, kept: tuple[int, ...] = ()) -> float:
    """Returns how many arrays of one size a function needs at once, counting its arguments and results."""
    program = jax.make_jaxpr(function)(*[ARRAY] * given)
    return round(peak_bytes(program.jaxpr, kept) / BYTES, 2)


@pytest.mark.parametrize(
    ("function", "needed"),
    [
        (lambda x: x + 1, 1),  # over its argument
        (lambda x: jnp.tanh(x * 2 + 1), 1),  # a chain is one operation
        (lambda x: x @ x, 2),
        (lambda x: (x @ x) @ x, 3),
        (lambda x: jnp.sum(x * x), 1),  # computed inside the sum
        (lambda x: x.reshape(-1), 1),
        (lambda x: jax.jit(lambda y: y @ y)(x) @ x, 3),
        (lambda x: jnp.sin(x @ x) @ x, 3),
        (lambda x: jax.lax.cond(x[0, 0] > 0, lambda y: y, lambda y: (y @ y) @ y, x), 3),
        (lambda x: jax.lax.scan(lambda c, _: (c @ c, None), x, length=9)[0], 2),
    ],
)
def test_arrays_that_are_there_at_one_time_are_counted(function: Callable[..., Any], needed: float) -> None:
    assert arrays(function) == pytest.approx(needed, abs=0.05)


def test_an_argument_that_is_kept_is_not_written_over() -> None:
    assert arrays(lambda x: x + 1, kept=(0,)) == 2


def test_a_native_operation_writes_over_arguments_where_it_says_so() -> None:
    def called(aliases: dict[int, int]) -> Callable[..., Any]:
        return lambda x: jax.ffi.ffi_call("none", ARRAY, input_output_aliases=aliases, vmap_method="sequential")(x)

    assert arrays(called({0: 0})) == 1
    assert arrays(called({0: 0}), kept=(0,)) == arrays(called({})) == 2


def test_what_a_loop_keeps_of_each_turn_is_there_together() -> None:
    """The gradient of four products with a tanh between them needs what each turn computed."""

    def loss(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda c, _: (jnp.tanh(c @ x), None), x, length=4)[0].sum()

    assert 4 < arrays(jax.grad(loss)) < 20


def test_what_nobody_reads_needs_nothing() -> None:
    def wasteful(x: jax.Array) -> jax.Array:
        _ = (x @ x) @ (x @ x)
        return x

    assert arrays(wasteful) == 1


def test_only_the_branch_of_the_platform_counts() -> None:
    def function(x: jax.Array) -> jax.Array:
        return jax.lax.platform_dependent(x, cpu=lambda y: y + 1, default=lambda y: (y @ y) @ y)

    program = jax.make_jaxpr(function)(ARRAY).jaxpr
    assert round(peak_bytes(program, platform="cpu") / BYTES, 2) == 1
    assert round(peak_bytes(program, platform="gpu") / BYTES, 2) == 3


def test_keys_and_what_is_no_array_have_sizes() -> None:
    key = jax.eval_shape(lambda: jax.random.key(0))
    assert (aval_bytes(key), aval_bytes(object()), aval_bytes(ARRAY)) == (8, 0, BYTES)
