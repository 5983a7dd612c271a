"""The operations on a batch that is divided among devices; in a process of its own, which has two of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxdl import Augmentation, Preprocess, ops

augmentation = Augmentation("both", 1, 20.0, 0.2, 0.2, 0.2, 2, 0.1)
jax.config.update("jax_num_cpu_devices", 2)
random = np.random.default_rng(0)
normal = lambda *shape: jnp.asarray(random.standard_normal(shape), jnp.float32)
augmented = lambda x, k: augmentation.apply({"inputs": x * k}, Preprocess(), jax.random.key(0))["inputs"]
mixing = Augmentation(crop=0.5, saturation=0.3, hue=0.1, mixup=0.5, cutmix=1.0)
# Colours need images in [0, 1]. They are not differentiated: where channels tie, a gradient has no one value.
mixed = lambda x, k: x * jax.lax.stop_gradient(mixing.apply(
    {"inputs": jax.nn.sigmoid(x * k), "targets": jnp.arange(4)}, Preprocess(), jax.random.key(0)
)["inputs"])
weights = [normal(3, 16), normal(4, 16), normal(16)]
operations = {
    "convolution": (lambda x, k: ops.convolution(x, k, padding="SAME"), normal(4, 6, 6, 3), normal(3, 3, 3, 5)),
    "one_channel": (ops.convolution, normal(4, 6, 6, 1), normal(3, 3, 1, 16)),
    "both": (lambda x, k: ops.convolution_max_pool(x, k, 2), normal(4, 6, 6, 3), normal(3, 3, 3, 5)),
    "max_pool": (lambda x, k: ops.max_pool(x * k, 2), normal(4, 6, 6, 3), normal(3)),
    "average_pool": (lambda x, k: ops.average_pool(x * k, 3, 1), normal(4, 6, 6, 3), normal(3)),
    "rotate_and_zoom": (lambda x, k: ops.rotate_and_zoom(x * k, x[:, 0, 0, 0], k[:1]), normal(4, 6, 6, 3), normal(3)),
    "augmentation": (augmented, normal(4, 6, 6, 3), normal(3)),
    "mixing": (mixed, normal(4, 6, 6, 3), normal(3)),
    "shift": (lambda x, k: ops.shift(x * k, jnp.arange(8).reshape(4, 2) % 3 - 1, 1), normal(4, 6, 6, 3), normal(3)),
    "lstm": (lambda x, w: ops.lstm(x, *w)[0], normal(4, 5, 3), weights),
    "both_directions": (lambda x, w: ops.bidirectional(ops.lstm, x, w, w)[1][0], normal(4, 5, 3), weights),
}
function, x, w = operations[sys.argv[1]]
program = jax.jit(jax.value_and_grad(lambda x, w: (function(x, w) ** 2).sum(), (0, 1)))
expected = program(x, w)
mesh = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
divided = jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch")))
everywhere = jax.device_put(w, NamedSharding(mesh, PartitionSpec()))
got = program(divided, everywhere)
assert len(divided.sharding.device_set) == 2
of_x = got[1][0].sharding
assert of_x.is_equivalent_to(divided.sharding, x.ndim), of_x
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), got, expected)
print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "operation",
    [
        "convolution",
        "one_channel",
        "both",
        "max_pool",
        "average_pool",
        "augmentation",
        "mixing",
        "rotate_and_zoom",
        "shift",
        "lstm",
        "both_directions",
    ],
)
def test_a_batch_on_two_devices_gives_what_it_gives_on_one_and_stays_divided(operation: str) -> None:
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", CODE, operation], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "equal\n"
