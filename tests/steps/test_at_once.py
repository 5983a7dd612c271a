"""A batch whose sums devices tell each other at once: which trainings do so, and that they are those of the batch.

What is told is counted in the compiled programs, on several devices, by `tests.steps.test_layout`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl
from jaxdl.backend.mesh import make_mesh
from jaxdl.steps.at_once import APART, differentiate_batch, figures_of, tell_at_once
from jaxdl.steps.forward import Forward
from jaxdl.steps.gradients import differentiate
from jaxdl.steps.layout import Layout
from tests.on_devices import on_devices
from tests.steps.test_functions import SPEC, batch, experiment
from tests.steps.test_layout import close, told

RANDOM = np.random.RandomState(0)
IMAGES, STEPS = RANDOM.random_sample((4, 8, 8, 1)), RANDOM.random_sample((4, 5, 3))
NIGHTLY = (pytest.mark.slow, pytest.mark.nightly)
MODELS: list[tuple[Any, np.ndarray]] = [
    (jaxdl.MLP(features=(6,), outputs=3, normalization="layer"), IMAGES),
    (jaxdl.CNN(features=(4, 8), outputs=3, pool_after=(1,), normalization="group"), IMAGES),
    (jaxdl.UNet(features=(4, 8), outputs=2, normalization="layer"), IMAGES),
    (jaxdl.Autoencoder(features=(6, 2)), IMAGES),
    (jaxdl.RNN(features=(4,), outputs=3, bidirectional=True, attention=2), STEPS),
    (jaxdl.Seq2Seq(units=4, outputs=3, output_length=2), STEPS),
]


def in_four_devices(code: str) -> None:
    """Runs a program in a process that has four devices of the CPU."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def alone(shard: Any = "replicated") -> Layout:
    """A mesh of one device, on which a program of several is the same."""
    return Layout(make_mesh((("data", 1),), jax.devices()), shard)


def test_each_model_that_tells_at_once_is_tried_here() -> None:
    assert {type(model) for model, _ in MODELS} == set(APART)


@pytest.mark.parametrize(
    ("model", "inputs"), [MODELS[0], *(pytest.param(*others, marks=NIGHTLY) for others in MODELS[1:])]
)
def test_no_example_depends_on_the_others_of_its_batch(model: Any, inputs: np.ndarray) -> None:
    inputs = inputs.astype(np.float32)
    given = {"targets": np.arange(8, dtype=np.int32).reshape(4, 2) % 3} if isinstance(model, jaxdl.Seq2Seq) else {}
    variables = jax.jit(model.init)(jax.random.key(0), inputs)
    assert variables.keys() == {"params"}
    apply = jax.jit(lambda inputs, given: model.apply(variables, inputs, train=True, **given))
    half = apply(inputs[2:], {name: array[2:] for name, array in given.items()})
    np.testing.assert_allclose(apply(inputs, given)[2:], half, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "shard", "expected"),
    [
        ({}, "replicated", True),
        ({"training.accumulate": 4}, "replicated", True),
        ({"training.accumulate": 3}, "replicated", False),
        ({}, "fsdp", False),
        ({"training.l2": 1e-3}, "replicated", False),
        ({"model": jaxdl.TreeLSTM()}, "replicated", False),
    ],
)
def test_what_is_told_at_once_follows_from_recipe_and_layout(
    changes: dict[str, Any], shard: Any, expected: bool
) -> None:
    assert tell_at_once(experiment(**changes), alone(shard), {}, 8) == expected


def test_a_model_with_batch_statistics_or_of_ones_own_is_left_to_the_compiler() -> None:
    class Own(jaxdl.MLP):
        pass

    assert not tell_at_once(experiment(), alone(), {"batch_stats": {"mean": jnp.zeros(3)}}, 8)
    assert not tell_at_once(experiment(model=Own()), alone(), {}, 8)
    assert not tell_at_once(experiment(objective=jaxdl.loss(lambda outputs, targets: outputs[:, 0])), alone(), {}, 8)


def test_loss_gradients_and_figures_are_those_of_the_batch() -> None:
    weights = {"training.class_weight": (1.0, 0.5, 0.0)}
    recipe = experiment(model=jaxdl.MLP(features=(6,), dropout=0.2), **weights).for_spec(SPEC)
    forward, state = Forward(recipe, SPEC, None), jaxdl.make_steps(recipe, SPEC, 10).init_state(0)
    data = {name: jnp.asarray(array) for name, array in batch().items()}
    data["inputs"] = SPEC.preprocess(data["inputs"])
    key = jax.random.key(1)
    expected = differentiate(forward, recipe, state.params, {}, data, key)

    @jax.jit
    def at_once(data: Any) -> Any:
        found = differentiate_batch(forward, recipe, alone(), state.params, {}, data, key)
        return found.loss, found.gradients, found.sums

    loss, gradients, sums = at_once(data)
    np.testing.assert_allclose(loss, expected.loss, rtol=1e-6)
    for one, other in zip(jax.tree.leaves(gradients), jax.tree.leaves(expected.gradients), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert sums["accuracy"] == figures_of(forward, recipe, expected)["accuracy"]
    assert sums["accuracy"]["correct"].dtype == jnp.int32


def test_devices_that_add_up_in_pairs_have_the_same_sums_to_the_bit() -> None:
    """On four devices, in another process than this one, which has one."""
    code = """
import jax, jax.numpy as jnp, numpy as np
from jaxdl.backend.mesh import DATA, make_mesh
from jaxdl.steps.at_once import added_up
from jax.sharding import PartitionSpec as P

random = np.random.RandomState(0)
arrays = {"large": random.normal(size=(4, 2**18)), "small": random.normal(size=(4, 3, 2))}
arrays = {name: jnp.asarray(array, jnp.float32) for name, array in arrays.items()}
arrays["count"] = jnp.asarray([[1], [2], [3], [2**20]], jnp.int32)
mesh = make_mesh((("data", 4),), jax.devices())

def own(arrays):
    each = jax.tree.map(lambda array: array[0], arrays)
    return jax.tree.map(lambda array: array[None], added_up(each, 2**21, 4))

found = jax.jit(jax.shard_map(own, mesh=mesh, in_specs=P(DATA), out_specs=P(DATA), check_vma=False))(arrays)
for name, array in found.items():
    array = np.asarray(array)
    assert all(np.array_equal(array[0], other) for other in array), name
    np.testing.assert_allclose(array[0], np.asarray(arrays[name], np.float64).sum(0), rtol=1e-5, atol=1e-6)
assert found["count"].dtype == jnp.int32 and int(found["count"][0, 0]) == 2**20 + 6
"""
    in_four_devices(code)


@pytest.mark.nightly
@pytest.mark.slow
def test_examples_of_different_weights_count_as_in_the_whole_batch() -> None:
    """On four devices whose shares of a batch weigh differently, in parts and with dropout."""
    found = on_devices("weighted", "1", "4")
    close(found)
    assert told(found["4"]) == {"all-reduce": 1}
