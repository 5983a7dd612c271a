"""Says what the devices of a mesh have of an array: the whole, whole rows, or the share of it that they compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
from jax.sharding import AxisType, PartitionSpec

from jaxdl.backend.mesh import DATA


def replicated(array: jax.Array) -> jax.Array:
    """Returns an array of which each device has, or computes, the whole; also its gradient.

    Where a program knows no mesh (`jax.set_mesh`), or one whose axes the compiler does not divide along, it returns the
    array itself.

    Args:
        array: any shape and dtype.
    """
    return _lies(array, PartitionSpec())


def whole_rows(array: jax.Array) -> jax.Array:
    """Returns an array, each of whose rows one device has whole; which rows a device has is not said. See `replicated`.

    Args:
        array: (rows, ...), any dtype.
    """
    return _lies(array, PartitionSpec(PartitionSpec.UNCONSTRAINED, *[None] * (array.ndim - 1)))


def rows_of_batch(make: Callable[[tuple[int, ...]], jax.Array], shape: tuple[int, ...]) -> jax.Array:
    """Returns what a function of a shape makes, where a program is that of one device's examples its rows of the whole.

    So random numbers are those of the whole batch. See `jaxdl.steps.at_once`.

    Args:
        make: returns an array of the shape that it is given.
        shape: (rows, ...), of this device's examples in such a program.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or DATA not in mesh.manual_axes:
        return make(shape)
    rows, *others = shape
    whole = make((rows * mesh.shape[DATA], *others))
    own: jax.Array = jax.lax.dynamic_slice_in_dim(whole, jax.lax.axis_index(DATA) * rows, rows)
    return own


def of_each_share(
    function: Callable[..., tuple[jax.Array, ...]],
    arrays: Sequence[jax.Array],
    batched: Sequence[bool],
    results_batched: Sequence[bool],
) -> tuple[jax.Array, ...]:
    """Returns what a function of a batch returns, computed by each device for its own examples.

    For a function whose form depends on how many examples there are, such as a loop over blocks of them: divided by the
    compiler, each device would run the loop over the blocks of all. Where a program knows no mesh that divides a batch,
    the function is called as it is.

    Args:
        function: of the arrays.
        arrays: its arguments.
        batched: which of them have the examples as their first axis; each device has the whole of the others.
        results_batched: the same of the results; the others are sums over the examples.
    """
    mesh = jax.sharding.get_abstract_mesh()
    ways = 1 if mesh.empty or DATA not in mesh.axis_names else mesh.shape[DATA]
    rows = next(len(array) for array, is_batched in zip(arrays, batched, strict=True) if is_batched)
    if ways == 1 or rows % ways or any(kind != AxisType.Auto for kind in mesh.axis_types):
        return function(*arrays)

    def on_device(*arrays: jax.Array) -> tuple[jax.Array, ...]:
        results = zip(function(*arrays), results_batched, strict=True)
        return tuple(result if is_batched else jax.lax.psum(result, DATA) for result, is_batched in results)

    specs = [tuple(map(_of_rows, flags)) for flags in (batched, results_batched)]
    divided = jax.shard_map(on_device, in_specs=specs[0], out_specs=specs[1], axis_names={DATA}, check_vma=False)
    found: tuple[jax.Array, ...] = divided(*arrays)
    return found


def _of_rows(are_divided: bool) -> PartitionSpec:
    return PartitionSpec(DATA) if are_divided else PartitionSpec()


def _lies(array: jax.Array, spec: PartitionSpec) -> jax.Array:
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or any(kind != AxisType.Auto for kind in mesh.axis_types):
        return array
    lying: jax.Array = jax.lax.with_sharding_constraint(array, spec)
    return lying
