"""Compiling traced programs with options."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from jaxdl.backend import compiler


def traced() -> Any:
    return jax.jit(lambda x: x @ x + 1.0).trace(jax.ShapeDtypeStruct((3, 3), np.float32))


def test_a_program_is_compiled_with_the_options_that_its_computation_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def options(program: Any) -> dict[str, str]:
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
