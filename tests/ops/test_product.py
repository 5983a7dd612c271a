"""Products of dense layers by oneDNN, against NumPy's in double precision; what it does not compute is XLA's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import ops
from jaxdl.backend.cores import processor_identity
from jaxdl.ops import library

# The operations are built once for all tests here: in one process.
pytestmark = [
    pytest.mark.xdist_group("onednn"),
    pytest.mark.skipif(not library.can_be_built(), reason="needs a C++ compiler and the extra native"),
]
NUMBERS = (((1,), (0,)), ((), ()))
product = partial(ops.dot_general, numbers=NUMBERS)
has_bfloat16 = "avx512bw" in processor_identity()


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def with_gradients(a: Any, b: Any, outer: Any) -> Any:
    outputs, pull = jax.vjp(product, a, b)
    return outputs, *pull(outer.astype(outputs.dtype))


def native(function: Any, *arrays: Any) -> tuple[Any, int]:
    """Returns what a function gives by oneDNN, and how many native operations it has."""
    with library.computed_by("onednn"):
        traced = jax.jit(function)
        return traced(*arrays), traced.lower(*arrays).as_text().count("@jaxdl_product")


short = pytest.param(
    "bfloat16", marks=pytest.mark.skipif(not has_bfloat16, reason="the processor has no bfloat16 for oneDNN")
)


# The threads share rows of the result, or columns where there are more of them.
@pytest.mark.parametrize("shape", [(257, 1030, 64), (33, 1030, 513), (64, 4096, 64)])
@pytest.mark.parametrize("dtype", ["float32", short])
def test_values_and_both_gradients_equal_numpy_s(shape, dtype):
    rows, terms, columns = shape
    sizes = (rows, terms), (terms, columns), (rows, columns)
    arrays = [jnp.asarray(normal(*size, seed=seed), dtype) for seed, size in enumerate(sizes)]
    got, calls = native(with_gradients, *arrays)
    assert calls == 3
    x, w, g = (np.asarray(each, np.float64) for each in arrays)
    tolerance = 1e-5 if dtype == "float32" else 2**-8
    for found, expected in zip(got, (x @ w, g @ w.T, x.T @ g), strict=True):
        assert found.dtype == dtype
        most = tolerance * abs(expected).max()
        np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=tolerance, atol=most)


def test_derivatives_of_derivatives_and_trainings_side_by_side():
    a, b = jnp.asarray(normal(64, 512)), jnp.asarray(normal(512, 512, seed=1)) / 20
    penalty = lambda a, b: (jax.grad(lambda a: jnp.sin(product(a, b)).sum())(a) ** 2).sum()  # noqa: E731
    several = jax.vmap(jax.grad(lambda b: jnp.sin(product(a, b)).sum()))
    for function, arrays in ((jax.grad(penalty, (0, 1)), (a, b)), (several, (jnp.stack([b, 2 * b]),))):
        got, _ = native(function, *arrays)
        for found, expected in zip(jax.tree.leaves(got), jax.tree.leaves(jax.jit(function)(*arrays)), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * float(abs(expected).max()))


def test_the_devices_of_a_mesh_compute_their_own_examples():
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    a, b, outer = jnp.asarray(normal(128, 512)), jnp.asarray(normal(512, 512, seed=1)), jnp.asarray(normal(128, 512))
    alone, _ = native(with_gradients, a, b, outer)
    with jax.set_mesh(mesh):
        shared, calls = native(with_gradients, a, b, outer)
    assert calls == 3
    for found, expected in zip(shared, alone, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)


def test_programs_that_run_at_the_same_time_disturb_each_other_in_nothing():
    a, b = jnp.asarray(normal(96, 1024)), jnp.asarray(normal(1024, 512, seed=1))
    images, kernel = jnp.asarray(normal(16, 12, 12, 8)), jnp.asarray(normal(3, 3, 8, 16, seed=1))
    with library.computed_by("onednn"):
        multiplied = jax.jit(with_gradients).lower(a, b, a @ b).compile()
        convolved = jax.jit(jax.grad(lambda x, k: ops.convolution_max_pool(x, k, 2).sum(), 1)).lower(images, kernel)
    programs = [partial(multiplied, a, b, a @ b), partial(convolved.compile(), images, kernel)]
    alone = [jax.tree.map(np.asarray, program()) for program in programs]

    def many(number: int) -> bool:
        expected = jax.tree.leaves(alone[number % 2])
        return all(
            np.array_equal(found, wanted)
            for _ in range(60)
            for found, wanted in zip(jax.tree.leaves(programs[number % 2]()), expected, strict=True)
        )

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(many, range(6)))


@pytest.mark.parametrize(
    ("shapes", "options"),
    [
        (((8, 64), (64, 10)), {}),
        (((256, 512), (512, 256)), {"preferred_element_type": jnp.float32}),
        (((256, 512), (512, 256)), {"precision": jax.lax.Precision.HIGHEST}),
        (((256, 512), (256, 512)), {"numbers": (((1,), (1,)), ((), ()))}),
        (((4, 64, 512), (512, 256)), {"numbers": (((2,), (0,)), ((), ()))}),
    ],
    ids=["small", "result", "precision", "transposed", "three axes"],
)
def test_what_is_no_large_plain_product_is_xla_s_to_the_bit(shapes, options):
    options = dict(options)
    a, b = (jnp.asarray(normal(*shape)) for shape in shapes)
    numbers = options.pop("numbers", NUMBERS)
    got, calls = native(partial(ops.dot_general, numbers=numbers, **options), a, b)
    assert calls == 0
    own = partial(jax.lax.dot_general, dimension_numbers=numbers, **options)
    np.testing.assert_array_equal(got, jax.jit(own)(a, b))


def test_a_layer_of_a_network_is_native_only_where_asked_for():
    from jaxdl import MLP

    model, inputs = MLP(features=(1024,), outputs=10), jnp.asarray(normal(32, 784))
    variables = model.init(jax.random.key(0), inputs)
    assert "@jaxdl_" not in jax.jit(model.apply).lower(variables, inputs).as_text()
    got, calls = native(model.apply, variables, inputs)
    assert calls == 1
    np.testing.assert_allclose(got, model.apply(variables, inputs), rtol=1e-4, atol=1e-5)


# Multiplies by three threads, often and from two threads of Python; prints a digest of each result, and on which cores
# each thread of the process may run.
_ON_CORES = """
import hashlib, json, os, sys
os.sched_setaffinity(0, json.loads(sys.argv[1]))
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import jax, numpy as np
from jaxdl.ops import onednn
jax.config.update("jax_platforms", "cpu")
onednn.load()
a, b = (np.random.default_rng(seed).standard_normal((192, 192), np.float32) for seed in range(2))
multiply = jax.jit(lambda a, b: onednn.product(a, b, (False, False), 3))
with ThreadPoolExecutor(2) as pool:
    found = {hashlib.sha256(np.asarray(each)).hexdigest() for each in pool.map(lambda _: multiply(a, b), range(400))}
threads = [sorted(os.sched_getaffinity(int(task.name))) for task in Path("/proc/self/task").iterdir()]
print(json.dumps([sorted(found), threads]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_threads_stay_on_the_cores_that_the_process_may_use_and_one_core_is_enough():
    """The helping threads are moved off the core of their caller; where there is no other, they stay."""
    cores = sorted(os.sched_getaffinity(0))
    digests = set()
    for allowed in (cores[:1], cores[:2]):
        command = [sys.executable, "-c", _ON_CORES, json.dumps(allowed)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        found, threads = json.loads(done.stdout)
        assert len(threads) > 3 and all(mask and set(mask) <= set(allowed) for mask in threads)
        if len(allowed) > 1:  # callers and helping threads are more than the cores, so that they meet
            assert any(len(mask) < len(allowed) for mask in threads)
        digests.update(found)
    assert len(digests) == 1
