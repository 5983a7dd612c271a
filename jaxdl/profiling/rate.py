"""How many floating-point operations a train step needs, and how many the device can do per second."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jax.interpreters.partial_eval import dce_jaxpr

from jaxdl.backend.jaxprs import equation_multiply_adds, equation_turns, inner_programs
from jaxdl.steps.functions import hyperparameters
from jaxdl.training.loop import Trainer

# Each twice as large as the one before: the first fits any cache, the last fills the largest accelerator.
_SIZES = tuple(2**power for power in range(8, 15))


@dataclasses.dataclass(frozen=True)
class Peak:
    """The best measured rate of a device for products of square matrices.

    Attributes:
        flops_per_second: floating-point operations per second; a multiply-add is two.
        size: rows of the matrices with the best rate.
    """

    flops_per_second: float
    size: int


def step_flops(trainer: Trainer) -> dict[str, int]:
    """Counts the floating-point operations of one train step, forward, backward and update, by dtype.

    Counted in the traced step, before compilation: matrix products and convolutions, two for each multiply-add, times
    the iterations of loops. XLA's own ``cost_analysis`` would count a loop's body once, and library calls not at all.
    As usual, element-wise operations are not counted. Products with the zeros that the gradient of a strided
    convolution puts between elements are not counted either; products with zeros at an image's edges are.

    Returns:
        Operations by the dtype of the factors, such as ``{"float32": 1000}``; empty if there are none.
    """
    size = trainer.experiment.training.batch_size
    batch = trainer.feed.data.shapes(size)
    step = jax.make_jaxpr(trainer.programs.steps.train_step)(
        trainer.state_shapes(), batch, hyperparameters(trainer.experiment)
    )
    # Some values, such as the gradients of the inputs, are traced but not used.
    needed, _ = dce_jaxpr(step.jaxpr, [True] * len(step.jaxpr.outvars))
    return {dtype: 2 * count for dtype, count in _counted(needed).items()}


def _counted(program: core.Jaxpr) -> Counter[str]:
    """Counts multiply-adds by dtype; for a branch, the most expensive case."""
    counted: Counter[str] = Counter()
    for equation in program.eqns:
        own = equation_multiply_adds(equation)
        if own:
            counted[str(equation.invars[0].aval.dtype)] += own  # type: ignore[attr-defined]
        inner = [_counted(part) for part in inner_programs(equation.params)]
        if equation.primitive.name == "cond" and inner:
            inner = [max(inner, key=lambda case: case.total())]
        for part in inner:
            for dtype, count in part.items():
                counted[dtype] += count * equation_turns(equation)
    return counted


def measured_peak(dtype: Any, seconds: float = 1.0) -> Peak:
    """Measures the rate of square matrix products, the best of several sizes and runs, at JAX's default precision.

    Args:
        dtype: dtype of the matrices.
        seconds: about how long to measure, without compilation.
    """
    best = Peak(0.0, 0)
    keys = jax.random.split(jax.random.key(0))
    multiply = jax.jit(jnp.matmul)
    for size in _SIZES:
        left, right = (jax.random.normal(key, (size, size), jnp.float32).astype(dtype) for key in keys)
        begin = time.perf_counter()
        jax.block_until_ready(multiply(left, right))  # compiles
        runs = [_seconds_of(multiply, left, right)]
        # Each size gets a part of the time, so that a short disturbance does not change the result.
        while sum(runs) < seconds / 6 and len(runs) < 1000:
            runs.append(_seconds_of(multiply, left, right))
        rate = 2 * size**3 / min(runs)
        if rate > best.flops_per_second:
            best = Peak(rate, size)
        # The next size takes eight times as long.
        if 8 * min(runs) > seconds / 3 or time.perf_counter() - begin > seconds:
            break
    return best


def _seconds_of(multiply: Any, left: jax.Array, right: jax.Array) -> float:
    begin = time.perf_counter()
    jax.block_until_ready(multiply(left, right))
    return time.perf_counter() - begin
