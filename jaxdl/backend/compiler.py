"""Compiling traced programs, with the options that are measured to be faster for what they compute."""

from __future__ import annotations

from typing import Any

from jaxdl.backend.settings import compiler_options


def compiled(traced: Any) -> tuple[Any, dict[str, str]]:
    """Compiles a program that `jax.jit(...).trace` gave; returns it, and the options beside ``XLA_FLAGS``."""
    options = compiler_options(traced.jaxpr.jaxpr)
    return traced.lower().compile(options), options
