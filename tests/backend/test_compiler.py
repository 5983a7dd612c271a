"""What XLA's CPU compiler is told, and compiling traced programs with it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np
import pytest

from jaxdl.backend import compiler
from jaxdl.backend.compiler import Options, add_xla_flags, compiled_quickly, compiled_together, compiler_options

FLAG = "--xla_cpu_experimental_ynn_fusion_type"
INSTALLED = jaxlib.version.__version_info__


def traced() -> Any:
    return jax.jit(lambda x: x @ x + 1.0).trace(jax.ShapeDtypeStruct((3, 3), np.float32))


def test_a_program_is_compiled_with_the_options_that_its_computation_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def options(program: Any) -> Options:
        seen.extend(str(equation.primitive) for equation in program.eqns)
        return {"xla_cpu_enable_fast_min_max": "True"}

    monkeypatch.setattr(compiler, "compiler_options", options)
    program, used = compiler.compiled(traced())
    assert "dot_general" in seen and used == {"xla_cpu_enable_fast_min_max": "True"}
    x = np.arange(9, dtype=np.float32).reshape(3, 3)
    np.testing.assert_allclose(program(x), x @ x + 1.0)


def test_options_really_reach_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "compiler_options", lambda program: {"no_such_option": "1"})
    with pytest.raises(Exception, match="no_such_option"):
        compiler.compiled(traced())


def test_a_program_compiles_while_the_next_one_is_traced() -> None:
    begun = threading.Event()

    class First:
        jaxpr = traced().jaxpr

        def lower(self) -> First:
            return self

        def compile(self, options: Options) -> str:
            begun.set()
            return "first"

    def second() -> Any:
        assert begun.wait(60)
        return traced()

    (first, _), (program, _) = compiled_together([First, second])
    x = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert first == "first"
    np.testing.assert_allclose(program(x), x @ x + 1.0)


def test_what_a_program_cannot_be_traced_for_is_raised_while_others_compile() -> None:
    def wrong() -> Any:
        raise ValueError("does not fit")

    with pytest.raises(ValueError, match="does not fit"):
        compiled_together([traced, wrong])


def powers(matrix: jax.Array, count: jax.Array) -> jax.Array:
    """A loop over steps with a product of matrices in it."""
    return jax.lax.fori_loop(0, count, lambda i, power: power @ matrix, jnp.eye(len(matrix)))


def powers_over_time(matrix: jax.Array, count: jax.Array) -> jax.Array:
    """A loop over time within the loop over steps, as a recurrence has it."""
    return jax.lax.fori_loop(0, count, lambda i, power: powers(matrix, count) @ power, jnp.eye(len(matrix)))


@pytest.fixture(autouse=True)
def backend_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """XLA reads its flags once, so those that a test sets must come later; a CPU of a tried jaxlib is assumed."""
    jnp.zeros(1).block_until_ready()
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setattr(jaxlib.version, "__version_info__", (0, 10, 2))


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flags that were measured, beside one of the user."""
    monkeypatch.setenv("XLA_FLAGS", "--xla_of_the_user=1")
    add_xla_flags()


@pytest.mark.usefixtures("flags")
def test_flags_are_added_to_those_of_the_user_once() -> None:
    added = os.environ["XLA_FLAGS"].split()
    assert added[0] == "--xla_of_the_user=1" and added[1].startswith(f"{FLAG}=") and len(added) == 2
    add_xla_flags()
    assert os.environ["XLA_FLAGS"].split() == added


def test_a_flag_that_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", f"{FLAG}=")
    add_xla_flags()
    assert os.environ["XLA_FLAGS"] == f"{FLAG}="


@pytest.mark.parametrize("version", [(0, 9, 9), (0, 13, 0)])
def test_a_jaxlib_that_was_not_tried_is_given_no_flags(
    version: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxlib.version, "__version_info__", version)
    monkeypatch.setenv("XLA_FLAGS", "")
    add_xla_flags()
    assert os.environ["XLA_FLAGS"] == ""


@pytest.mark.usefixtures("flags")
@pytest.mark.parametrize(("version", "chosen"), [((0, 10, 2), 0), ((0, 12, 0), 1)])
def test_the_product_is_chosen_where_a_program_has_none_over_time(
    version: tuple[int, ...], chosen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxlib.version, "__version_info__", version)
    matrix = jnp.eye(2)
    options = compiler_options(jax.make_jaxpr(powers)(matrix, 3).jaxpr)
    assert len(options) == chosen and all("INDIVIDUAL_DOT" in value for value in map(str, options.values()))
    assert compiler_options(jax.make_jaxpr(powers_over_time)(matrix, 3).jaxpr) == {}


def test_who_sets_the_flag_chooses_for_every_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxlib.version, "__version_info__", (0, 12, 0))
    monkeypatch.setenv("XLA_FLAGS", f"{FLAG}=")
    assert compiler_options(jax.make_jaxpr(powers)(jnp.eye(2), 3).jaxpr) == {}


@pytest.mark.usefixtures("flags")
def test_no_program_for_another_device_gets_options_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxlib.version, "__version_info__", (0, 12, 0))
    program = jax.make_jaxpr(powers)(jnp.eye(2), 3).jaxpr
    assert compiler_options(program)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiler_options(program) == {}


@pytest.mark.parametrize(("version", "given"), [((0, 9, 9), False), ((0, 10, 2), True), ((0, 12, 0), False)])
def test_barriers_are_kept_where_a_gradient_computes_again(
    version: tuple[int, ...], given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jaxlib.version, "__version_info__", version)
    monkeypatch.setenv("XLA_FLAGS", "")

    def options(function: Callable[[jax.Array], jax.Array]) -> Options:
        return compiler_options(jax.make_jaxpr(function)(1.0).jaxpr)

    again = jax.checkpoint(jnp.sin)
    assert options(jax.jit(jax.grad(again))) == ({"xla_disable_hlo_passes": "cse_barrier_expander"} if given else {})
    assert options(again) == options(jax.grad(jnp.sin)) == {}


def test_a_program_that_is_only_looked_at_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxlib.version, "__version_info__", INSTALLED)  # its compiler knows no others' options
    matrix = np.random.default_rng(0).normal(size=(5, 5)).astype(np.float32)
    program = compiled_quickly(compiler.traced(lambda x: jnp.tanh(x @ x), matrix))
    np.testing.assert_allclose(program(matrix), np.tanh(matrix @ matrix), rtol=1e-4, atol=1e-5)
