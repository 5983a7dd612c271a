"""Matrix products of dense layers: on the CPU oneDNN can compute large ones, and those of one row are cut in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
from jax import lax

from jaxdl.ops import onednn, single_row
from jaxdl.ops.library import chosen, threads
from jaxdl.ops.replicated import of_each_share

# Multiply-adds from which a product is oneDNN's. Smaller ones gain nothing: two cores that share one write into each
# other's caches.
LEAST = 2**24


class _Form(NamedTuple):
    """Which of `a` and `b` are transposed before the product, and which of `a`, `b` and the result have examples."""

    turned: tuple[bool, bool]
    batched: tuple[bool, bool, bool]


def dot_general(
    inputs: jax.Array, kernel: jax.Array, numbers: lax.DotDimensionNumbers, precision: Any = None, **options: Any
) -> jax.Array:
    """`jax.lax.dot_general` of examples and a kernel, for the field ``dot_general`` of Linen's layers.

    Values and gradients are the same up to rounding. Where oneDNN is chosen and computes the product, forward-mode
    differentiation (`jvp`, `jacfwd`) does not work; `jit`, `vmap`, `scan`, `remat` and second derivatives do.

    Args:
        inputs: (batch, features).
        kernel: (features, units), of the same dtype.
        numbers: the dimensions of a plain product, as JAX has them; with others all is JAX's own.
        precision: None, or all is JAX's own.
        options: others of `jax.lax.dot_general`; with any of them all is JAX's own.

    Returns:
        (batch, units).
    """
    is_plain = numbers == (((1,), (0,)), ((), ())) and precision is None and not options
    if chosen() == "onednn" and is_plain and onednn.takes_product(inputs, kernel, LEAST):
        return _product(inputs, kernel, _Form((False, False), (True, False, True)))
    return single_row.product(inputs, kernel, numbers, precision, **options)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _product(a: jax.Array, b: jax.Array, form: _Form) -> jax.Array:
    def own(a: jax.Array, b: jax.Array) -> jax.Array:
        return (a.T if form.turned[0] else a) @ (b.T if form.turned[1] else b)

    def of_share(a: jax.Array, b: jax.Array) -> tuple[jax.Array]:
        return (onednn.product(a, b, form.turned, threads()),)

    def native(a: jax.Array, b: jax.Array) -> jax.Array:
        return of_each_share(of_share, (a, b), form.batched[:2], form.batched[2:])[0]

    @jax.custom_batching.custom_vmap
    def operation(a: jax.Array, b: jax.Array) -> jax.Array:
        result: jax.Array = lax.platform_dependent(a, b, cpu=native, default=own)
        return result

    @operation.def_vmap
    def side_by_side(count: int, batched: Sequence[bool], *arrays: jax.Array) -> tuple[jax.Array, bool]:
        return jax.vmap(own, tuple(0 if each else None for each in batched))(*arrays), True

    result: jax.Array = operation(a, b)
    return result


def _forward(a: jax.Array, b: jax.Array, form: _Form) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _product(a, b, form), (a, b)


def _backward(form: _Form, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    (a, b), (turn_a, turn_b), (of_a, of_b, of_c) = residuals, form.turned, form.batched
    if turn_a:
        first = _product(b, gradient, _Form((turn_b, True), (of_b, of_c, of_a)))
    else:
        first = _product(gradient, b, _Form((False, not turn_b), (of_c, of_b, of_a)))
    if turn_b:
        second = _product(gradient, a, _Form((True, turn_a), (of_c, of_a, of_b)))
    else:
        second = _product(a, gradient, _Form((not turn_a, False), (of_a, of_c, of_b)))
    return first, second


_product.defvjp(_forward, _backward)
