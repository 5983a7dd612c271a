"""What layers say to the compiler where a program knows a mesh, and nothing where it knows none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, Mesh

from jaxdl.ops.replicated import of_each_share, replicated, whole_rows

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


# A process with four devices: each runs the loop over the blocks of its own examples, and sums are added once.
CODE = """
import collections, re
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_num_cpu_devices", 4)
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxdl.ops.replicated import of_each_share

def run(x, w):
    total, rows = jax.lax.scan(lambda sum, row: (sum + row @ w, row * 2), jnp.zeros(3), x)
    return rows, total

x, w = np.arange(32, dtype=np.float32).reshape(8, 4), np.arange(12, dtype=np.float32).reshape(4, 3)
mesh = Mesh(np.array(jax.devices()).reshape(2, 2), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
divided = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
def loss(x, w):
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        return of_each_share(run, (x, w), (True, False), (True, False))
program = jax.jit(loss).lower(divided, w).compile()
rows, total = program(divided, w)
np.testing.assert_array_equal(rows, x * 2)
np.testing.assert_array_equal(total, (x @ w).sum(0))
assert rows.sharding.is_equivalent_to(divided.sharding, 2), rows.sharding
print(dict(collections.Counter(re.findall(r"= \\S+ (all-\\w+|collective-\\w+)\\(", program.as_text()))))
"""


def test_each_device_computes_its_own_examples_and_tells_the_others_sums_alone() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{'all-reduce': 1}\n"


def test_without_a_mesh_a_function_is_called_as_it_is() -> None:
    (found,) = of_each_share(lambda x: (x,), (X,), (True,), (True,))
    assert found is X
