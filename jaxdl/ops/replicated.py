"""Says that each device of a mesh has the whole of an array."""

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
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or any(kind != AxisType.Auto for kind in mesh.axis_types):
        return array
    whole: jax.Array = jax.lax.with_sharding_constraint(array, PartitionSpec())
    return whole
