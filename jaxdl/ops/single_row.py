"""The product of a single row with a large kernel, such as a dense layer's for one example, in pieces on the CPU.

XLA's CPU backend computes it on one thread, at a rate far below that at which a core reads memory. Cut along the summed
axis it is several products of a row, which fit a core's cache and run side by side; their sum costs nothing.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

# Smaller kernels lie in the second-level cache of one core, where the whole product is as fast.
_SMALLEST_KERNEL = 2**18
_LONGEST_PIECE, _SHORTEST_PIECE = 512, 128


def product(inputs: jax.Array, kernel: jax.Array, dimension_numbers: Any, *args: Any, **kwargs: Any) -> jax.Array:
    """Equals `jax.lax.dot_general` up to rounding; it is meant for predictions, and is what a dense layer may take.

    Args:
        inputs: (batch, features).
        kernel: (features, units). The product of one row with more than 262,144 numbers of float32 is cut.
        dimension_numbers: as in `jax.lax.dot_general`; other products than that of two matrices are left as they are.
        *args: as in `jax.lax.dot_general`.
        **kwargs: as in `jax.lax.dot_general`.

    Returns:
        (batch, units).
    """

    def whole(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        found: jax.Array = lax.dot_general(inputs, kernel, dimension_numbers, *args, **kwargs)
        return found

    length = _piece(inputs, kernel, dimension_numbers)
    if not length:
        return whole(inputs, kernel)

    def in_pieces(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
        rows, blocks = inputs.reshape(-1, length), kernel.reshape(-1, length, kernel.shape[-1])
        return jnp.einsum("pk,pku->pu", rows, blocks).sum(0, keepdims=True)

    computed: jax.Array = lax.platform_dependent(inputs, kernel, cpu=in_pieces, default=whole)
    return computed


def _piece(inputs: jax.Array, kernel: jax.Array, dimension_numbers: Any) -> int:
    """Returns how long the pieces of the summed axis are; 0: the product is not to be cut."""
    of_matrices = inputs.ndim == kernel.ndim == 2 and dimension_numbers == (((1,), (0,)), ((), ()))
    # An exported program has batches of unknown size.
    single = of_matrices and isinstance(inputs.shape[0], int) and inputs.shape[0] == 1
    if not single or kernel.size < _SMALLEST_KERNEL or {inputs.dtype, kernel.dtype} != {jnp.dtype("float32")}:
        return 0
    lengths = range(_LONGEST_PIECE, _SHORTEST_PIECE - 1, -1)
    return next((n for n in lengths if kernel.shape[0] % n == 0 and n < kernel.shape[0]), 0)
