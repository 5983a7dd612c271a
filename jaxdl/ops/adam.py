"""Adam's step of all parameters; on the CPU it can be one native operation, in place of the old arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxdl.ops import onednn
from jaxdl.ops.library import threads

Arrays = tuple[jax.Array, ...]


class Numbers(NamedTuple):
    """The numbers of a step, each a float or () float32, in the order in which the native operation reads them.

    Attributes:
        keep_mean: share of the running mean of gradients that is kept.
        take_mean: share of the gradient in the new one, 1 - `keep_mean`; given apart, since it is rounded otherwise.
        keep_square: share of the running mean of squared gradients that is kept.
        take_square: 1 - `keep_square`.
        eps: added to the root of the running mean of squared gradients.
        along: factor of mean / (root + eps) in what is added to the parameter: below 0 to descend.
        decay: factor of the parameter itself in what is added to it.
    """

    keep_mean: Any
    take_mean: Any
    keep_square: Any
    take_square: Any
    eps: Any
    along: Any
    decay: Any


def adam(
    gradients: Sequence[jax.Array],
    params: Sequence[jax.Array],
    means: Sequence[jax.Array],
    squares: Sequence[jax.Array],
    decays: Sequence[bool],
    *,
    numbers: Numbers,
) -> tuple[Arrays, Arrays, Arrays]:
    """Returns the parameters, and the running means of gradients and of squared gradients, after a step.

    On the CPU a native operation does it, which must have been loaded (`jaxdl.ops.library.why_not`); several trainings
    side by side (`vmap`), and other platforms, compute the same up to rounding by XLA. It cannot be differentiated.

    Args:
        gradients: at least one array of any shape, float32.
        params: as many, of the same shapes and dtype, and so are the following.
        means: the running means of gradients.
        squares: the running means of squared gradients.
        decays: to which parameters ``numbers.decay`` applies.
        numbers: of the step.
    """
    count = len(gradients)

    def own(numbers: jax.Array, *arrays: jax.Array) -> Arrays:
        by = Numbers(*numbers)
        found = [_stepped(by, decay, *arrays[place::count]) for place, decay in zip(range(count), decays, strict=True)]
        return tuple(array for kind in zip(*found, strict=True) for array in kind)

    def native(numbers: jax.Array, *arrays: jax.Array) -> Arrays:
        return onednn.adam(numbers, arrays, decays, threads())

    @jax.custom_batching.custom_vmap
    def operation(numbers: jax.Array, *arrays: jax.Array) -> Arrays:
        found: Arrays = lax.platform_dependent(numbers, *arrays, cpu=native, default=own)
        return found

    @operation.def_vmap
    def side_by_side(size: int, batched: Sequence[bool], *arrays: jax.Array) -> tuple[Arrays, tuple[bool, ...]]:
        found = jax.vmap(own, tuple(0 if each else None for each in batched))(*arrays)
        return found, (True,) * len(found)

    together = jnp.stack([jnp.asarray(number, jnp.float32) for number in numbers])
    found = operation(together, *gradients, *params, *means, *squares)
    return tuple(found[:count]), tuple(found[count : 2 * count]), tuple(found[2 * count :])


def _stepped(
    by: Numbers, decay: bool, gradient: jax.Array, param: jax.Array, mean: jax.Array, square: jax.Array
) -> Arrays:
    """Returns a parameter and its running means after a step, in XLA's operations."""
    mean = by.keep_mean * mean + by.take_mean * gradient
    square = by.keep_square * square + by.take_square * (gradient * gradient)
    update = by.along * (mean / (jnp.sqrt(square) + by.eps))
    return param + (update + by.decay * param if decay else update), mean, square
