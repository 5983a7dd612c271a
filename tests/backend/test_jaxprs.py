"""What is read off a traced function."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

from jaxdl.backend.jaxprs import (
    equation_multiply_adds,
    equation_turns,
    multiplies_gates,
    multiplies_in_loops,
    product_flops,
)

Function = Callable[[jax.Array], jax.Array]
Wrapper = Callable[[Function], Function]


def product(x: jax.Array) -> jax.Array:
    return x @ x


def repeated(body: Function) -> Function:
    return lambda x: jax.lax.fori_loop(0, x[0, 0].astype(int), lambda _, value: body(value), x)


def scanned(body: Function) -> Function:
    return lambda x: jax.lax.scan(lambda carry, _: (body(carry), None), x, length=3)[0]


def branch(body: Function) -> Function:
    return lambda x: jax.lax.cond(x[0, 0] > 0, body, jnp.sin, x)


@pytest.mark.parametrize("around", [jax.jit, jax.checkpoint, branch])
@pytest.mark.parametrize("loop", [repeated, scanned])
def test_a_product_is_found_in_as_many_loops_as_are_around_it(around: Wrapper, loop: Wrapper) -> None:
    once = around(loop(product))
    for loops, function in enumerate((product, once, around(scanned(once)))):
        jaxpr = jax.make_jaxpr(function)(jnp.ones((2, 2))).jaxpr
        assert [multiplies_in_loops(jaxpr, depth) for depth in range(4)] == [depth <= loops for depth in range(4)]


def test_a_loop_without_a_product_beside_one_without_a_loop_does_not_count() -> None:
    jaxpr = jax.make_jaxpr(lambda x: scanned(jnp.sin)(x) + x @ x)(jnp.ones((2, 2))).jaxpr
    assert multiplies_in_loops(jaxpr, 0)
    assert not multiplies_in_loops(jaxpr, 1)


def test_a_product_of_matrices_costs_one_multiply_add_for_each_pair_that_meets() -> None:
    x, y = jnp.ones((5, 3)), jnp.ones((3, 7))
    costs = [equation_multiply_adds(equation) for equation in jax.make_jaxpr(lambda: jnp.sin(x @ y))().jaxpr.eqns]
    assert [cost for cost in costs if cost] == [5 * 3 * 7] and 0 in costs


def test_a_convolution_costs_its_window_for_each_output() -> None:
    images, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 4))
    convolve = lambda: jax.lax.conv_general_dilated(  # noqa: E731
        images, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    costs = [equation_multiply_adds(equation) for equation in jax.make_jaxpr(convolve)().jaxpr.eqns]
    assert sum(costs) == (2 * 6 * 6 * 4) * (3 * 3 * 3)


def test_a_scan_turns_as_often_as_it_is_long() -> None:
    equations = jax.make_jaxpr(scanned(product))(jnp.ones((2, 2))).jaxpr.eqns
    assert max(equation_turns(equation) for equation in equations) == 3
    assert equation_turns(jax.make_jaxpr(product)(jnp.ones((2, 2))).jaxpr.eqns[0]) == 1


def test_what_each_device_computes_of_its_share_counts_for_all_of_them() -> None:
    automatic = (jax.sharding.AxisType.Auto,) * 2  # the default of JAX 0.12 is another one
    mesh = jax.sharding.AbstractMesh((4, 2), ("data", "model"), axis_types=automatic)
    rows = jax.sharding.PartitionSpec("data")
    own = jax.shard_map(product, mesh=mesh, in_specs=rows, out_specs=rows, axis_names={"data"})
    jaxpr = jax.make_jaxpr(lambda x: own(x))(jax.ShapeDtypeStruct((12, 3), jnp.float32)).jaxpr
    assert product_flops(jaxpr) == {"float32": 4 * 2 * 3 * 3 * 3}


@pytest.mark.parametrize(("features", "depth", "found"), [(8, 1, True), (8, 0, False), (7, 1, False)])
def test_the_gates_of_an_lstm_are_told_by_their_weights_in_a_loop(features: int, depth: int, found: bool) -> None:
    """As `jaxdl.ops.lstm` has them: (4 * units, units) times the state."""
    kernel, state = jnp.ones((32, features)), jnp.ones((features, 3))
    step = lambda x: (kernel @ x)[:features]  # noqa: E731
    function = scanned(step) if depth else step
    assert multiplies_gates(jax.make_jaxpr(jax.jit(function))(state).jaxpr) == found
    halves = lambda x: scanned(lambda y: (kernel.astype(jnp.bfloat16) @ y)[:features])(x.astype(jnp.bfloat16))  # noqa: E731
    assert not multiplies_gates(jax.make_jaxpr(halves)(state).jaxpr)
