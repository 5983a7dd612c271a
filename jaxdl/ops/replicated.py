"""Says that each device of a mesh has the whole of an array, or whole rows of it."""

from __future__ import annotations

import jax
from jax.sharding import AxisType, PartitionSpec


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


def _lies(array: jax.Array, spec: PartitionSpec) -> jax.Array:
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or any(kind != AxisType.Auto for kind in mesh.axis_types):
        return array
    lying: jax.Array = jax.lax.with_sharding_constraint(array, spec)
    return lying
