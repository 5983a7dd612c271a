"""What layers say to the compiler where a program knows a mesh, and nothing where it knows none."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh

from jaxdl.ops.replicated import replicated, whole_rows

X = jnp.arange(6.0).reshape(2, 3)


def with_mesh(function: Callable[[jax.Array], jax.Array], kind: AxisType) -> str:
    mesh = Mesh(np.array(jax.devices()[:1]), ("data",), axis_types=(kind,))
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        return str(jax.make_jaxpr(function)(X))


@pytest.mark.parametrize("function", [replicated, whole_rows])
def test_only_a_mesh_that_the_compiler_divides_along_changes_a_program(
    function: Callable[[jax.Array], jax.Array],
) -> None:
    assert function(X) is X
    assert "sharding_constraint" not in str(jax.make_jaxpr(function)(X))
    assert "sharding_constraint" in with_mesh(function, AxisType.Auto)
    assert "sharding_constraint" not in with_mesh(function, AxisType.Explicit)
