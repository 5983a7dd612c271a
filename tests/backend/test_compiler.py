"""Compiling with the options that a program needs; test_settings.py shows which, in processes of their own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.compiler import compiled, compiler_options


def test_a_compiled_program_computes_what_the_function_does() -> None:
    traced = jax.jit(lambda x: jnp.tanh(x) @ x.T).trace(jax.ShapeDtypeStruct((3, 4), jnp.float32))
    program, options = compiled(traced)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(program(x), np.tanh(x) @ x.T, rtol=1e-5)
    assert options == compiler_options(traced.jaxpr.jaxpr)
