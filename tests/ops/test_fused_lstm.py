"""An LSTM that native operations compute, against XLA's form of it; what they do not compute is XLA's as before."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from jaxdl import ops
from jaxdl.backend.compiler import compiler_options
from jaxdl.backend.jaxprs import product_flops
from jaxdl.ops import fused_lstm, library

# The operations are built once for all tests here: in one process.
pytestmark = [
    pytest.mark.xdist_group("onednn"),
    pytest.mark.skipif(not library.can_be_built(), reason="needs a C++ compiler and the extra native"),
]
FORMS = ("ahead", "reverse", "both")
LEVEL = "xla_backend_optimization_level"
ROOT = Path(__file__).resolve().parents[2]


def normal(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(0.5 * np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def weights_of(features: int, units: int, seed: int) -> list[jax.Array]:
    shapes = (features, 4 * units), (units, 4 * units), (4 * units,)
    return [normal(*shape, seed=seed + number) for number, shape in enumerate(shapes)]


def arrays_of(batch: int, time: int, features: int, units: int, seed: int = 0) -> tuple[Any, ...]:
    """Inputs, the weights of two layers, and an initial state."""
    both = weights_of(features, units, seed + 1), weights_of(features, units, seed + 11)
    return normal(batch, time, features, seed=seed), *both, (normal(batch, units, seed=7), normal(batch, units, seed=8))


def results(form: str, *arrays: Any, lengths: Any = None) -> Any:
    inputs, one, other, initial = arrays
    if form == "both":
        return ops.bidirectional(ops.lstm, inputs, one, other, lengths=lengths)
    return ops.lstm(inputs, *one, initial=initial, lengths=lengths, reverse=form == "reverse")


def with_gradients(form: str, lengths: Any, *arrays: Any) -> Any:
    """Outputs at valid steps, final states and the gradients of a weighted sum of all of them."""

    def loss(*arrays: Any) -> Any:
        found = results(form, *arrays, lengths=lengths)
        inputs = arrays[0]
        valid = jnp.ones(inputs.shape[:2]) if lengths is None else jnp.arange(inputs.shape[1]) < lengths[:, None]
        found = jax.tree.map(lambda x: x * valid[..., None] if x.ndim == 3 else x, found)
        weigh = lambda x: (jnp.cos(jnp.arange(x.size, dtype=jnp.float32)).reshape(x.shape) * x).sum()  # noqa: E731
        return sum(map(weigh, jax.tree.leaves(found))), found

    (_, found), gradients = jax.jit(jax.value_and_grad(loss, tuple(range(len(arrays))), has_aux=True))(*arrays)
    return found, gradients


def natively(function: Any, *arrays: Any) -> Any:
    with library.computed_by("onednn"):
        return function(*arrays)


def native_calls(function: Any, *arrays: Any) -> int:
    with library.computed_by("onednn"):
        return jax.jit(function).lower(*arrays).as_text().count("@jaxdl_lstm")


def assert_equal(got: Any, expected: Any, tolerance: float = 2e-5) -> None:
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * float(abs(b).max(initial=0)))


@st.composite
def cases(draw):
    # Sizes at which the last rows and columns of a register or panel are not full; few, since each is compiled twice.
    batch, time, features, units = draw(st.sampled_from([(1, 1, 1, 16), (7, 5, 3, 48), (13, 9, 20, 80)]))
    lengths = draw(st.none() | st.lists(st.integers(0, time), min_size=batch, max_size=batch))
    known = None if lengths is None else jnp.array(lengths)
    return draw(st.sampled_from(FORMS)), known, arrays_of(batch, time, features, units, draw(st.integers(0, 9)))


@pytest.mark.slow
@given(cases())
def test_values_and_gradients_equal_xlas(case) -> None:
    form, lengths, arrays = case
    assert_equal(natively(partial(with_gradients, form, lengths), *arrays), with_gradients(form, lengths, *arrays))


def test_both_directions_of_a_layer_are_one_operation_and_two_back():
    arrays, lengths = arrays_of(8, 6, 5, 32), jnp.array([6, 0, 3, 6, 1, 2, 6, 5])
    assert native_calls(partial(results, "both"), *arrays) == 1
    assert native_calls(partial(with_gradients, "both", lengths), *arrays) == 3
    assert_equal(natively(partial(with_gradients, "both", lengths), *arrays), with_gradients("both", lengths, *arrays))


def test_bits_do_not_depend_on_the_number_of_threads(monkeypatch):
    arrays = arrays_of(23, 7, 5, 48)
    found = []
    for count in (1, 2, 3, 5):
        monkeypatch.setattr(fused_lstm, "threads", lambda count=count: count)
        found.append(natively(partial(with_gradients, "both", None), *arrays))
    for other in found[1:]:
        jax.tree.map(np.testing.assert_array_equal, other, found[0])


def test_a_program_with_it_is_compiled_in_less_time_and_to_the_same_bits():
    arrays = arrays_of(8, 6, 5, 32)
    with library.computed_by("onednn"):
        traced = jax.jit(partial(with_gradients, "both", None)).trace(*arrays)
    given = compiler_options(traced.jaxpr.jaxpr)
    assert given[LEVEL] == "1"
    lowered = traced.lower()
    less, default = (lowered.compile(options)(*arrays) for options in (given, given | {LEVEL: "3"}))
    jax.tree.map(np.testing.assert_array_equal, less, default)
    plain = jax.jit(partial(with_gradients, "both", None)).trace(*arrays)
    assert LEVEL not in compiler_options(plain.jaxpr.jaxpr), "XLA's recurrence has slower steps with it"


def test_not_even_nan_in_the_padding_reaches_results_or_gradients_but_elsewhere_it_does():
    inputs, *others = arrays_of(4, 5, 3, 16)
    lengths = jnp.array([2, 5, 5, 0])
    function = partial(natively, partial(with_gradients, "reverse", lengths))
    expected = function(inputs, *others)
    jax.tree.map(np.testing.assert_array_equal, function(inputs.at[0, 2:].set(jnp.nan), *others), expected)
    outputs, (h, _) = function(inputs.at[1, 0, 1].set(jnp.nan), *others)[0]
    assert np.isnan(h[1]).all() and np.isfinite(h[2]).all() and np.isfinite(outputs[1, 1:]).all()


def test_activations_are_exact_to_a_few_units_in_the_last_place_and_saturate():
    """With open input and output gates the cell is tanh of its bias, and h the tanh of the cell."""
    values = np.concatenate([np.linspace(-12, 12, 470), np.geomspace(1e-6, 1e5, 42)]).astype(np.float32)
    opened = np.full_like(values, 30)
    weights = jnp.zeros((1, 2048)), jnp.zeros((512, 2048)), jnp.concatenate([opened, -opened, values, opened])
    outputs, (_, c) = natively(ops.lstm, jnp.zeros((1, 1, 1)), *weights)
    expected = np.tanh(values.astype(np.float64))
    np.testing.assert_allclose(c[0], expected, rtol=8e-7)
    np.testing.assert_allclose(outputs[0, 0], np.tanh(expected), rtol=1e-6)


@pytest.mark.slow
def test_trainings_side_by_side_and_derivatives_of_derivatives():
    inputs, one, other, initial = arrays_of(3, 4, 2, 16)
    lengths = jnp.array([4, 2, 0])

    def gradients(weights: Any) -> Any:
        def loss(weights: Any) -> Any:
            outputs, (h, c) = results("reverse", inputs, weights, other, initial, lengths=lengths)
            return (outputs**2).sum() + (h * c).sum()

        return jax.grad(loss)(weights)

    penalty = jax.grad(lambda weights: sum((g**2).sum() for g in gradients(weights)))
    several = lambda weights: jax.vmap(gradients)([jnp.stack([w, 2 * w]) for w in weights])  # noqa: E731
    for function in (penalty, several):
        assert_equal(natively(jax.jit(function), one), jax.jit(function)(one), tolerance=1e-4)


@pytest.mark.slow
def test_other_platforms_have_a_form_that_equals_xlas(monkeypatch):
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *arrays, cpu, default: default(*arrays))
    arrays, lengths = arrays_of(5, 4, 3, 16), jnp.array([4, 0, 3, 1, 4])
    got = natively(partial(with_gradients, "both", lengths), *arrays)
    assert_equal(got, with_gradients("both", lengths, *arrays))


def test_an_operation_counts_as_many_multiply_adds_as_xlas_form():
    arrays = arrays_of(4, 6, 5, 32)
    counted = {}
    for name in library.LIBRARIES:
        with library.computed_by(name):
            counted[name] = product_flops(jax.make_jaxpr(partial(with_gradients, "ahead", None))(*arrays).jaxpr)
    (xla,), (native,) = (each.values() for each in counted.values())
    assert native == pytest.approx(xla, rel=0.1)


@pytest.mark.parametrize(
    ("function", "arrays"),
    [
        (ops.lstm, (normal(4, 3, 5), *weights_of(5, 20, 0))),
        (ops.lstm, tuple(each.astype(jnp.bfloat16) for each in (normal(4, 3, 5), *weights_of(5, 16, 0)))),
        (partial(ops.lstm, recurrent_mask=jnp.ones((4, 16))), (normal(4, 3, 5), *weights_of(5, 16, 0))),
        (ops.lstm, (normal(4, 0, 5), *weights_of(5, 16, 0))),
    ],
    ids=["units", "bfloat16", "recurrent dropout", "no step"],
)
def test_what_the_operations_do_not_compute_is_left_to_xla(function, arrays):
    assert native_calls(function, *arrays) == 0
    jax.tree.map(np.testing.assert_array_equal, natively(function, *arrays), function(*arrays))


def test_an_exported_program_has_no_native_operation():
    (batch,) = jax.export.symbolic_shape("b")
    shapes = jax.ShapeDtypeStruct((batch, 3, 5), jnp.float32), *weights_of(5, 16, 0)
    with library.computed_by("onednn"):
        exported = jax.export.export(jax.jit(ops.lstm))(*shapes)
    assert "@jaxdl_" not in exported.mlir_module()


# A process with two devices, of which each computes the sequences of its own examples.
CODE = """
import jax, jax.numpy as jnp, numpy as np
jax.config.update("jax_num_cpu_devices", 2)
from jax.sharding import NamedSharding, PartitionSpec
from jaxdl import ops
from jaxdl.ops import library

normal = lambda seed, *shape: jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)
one, other = ([normal(seed, 3, 64), normal(seed + 1, 16, 64), normal(seed + 2, 64)] for seed in (1, 4))
x, lengths = normal(0, 4, 5, 3), jnp.array([5, 2, 0, 4])

def loss(x, weights):
    (a, (h, _)), (b, (_, c)) = ops.bidirectional(ops.lstm, x, *weights, lengths=lengths)
    return (a * b).sum() + (h * c).sum()

def program(x, weights):
    with library.computed_by("onednn"):
        return jax.jit(jax.value_and_grad(loss, (0, 1)))(x, weights)

expected = program(x, (one, other))
mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
    divided = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
    got = program(divided, jax.device_put((one, other), NamedSharding(mesh, PartitionSpec())))
assert got[1][0].sharding.is_equivalent_to(divided.sharding, 3), got[1][0].sharding
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), got, expected)
print("equal")
"""


@pytest.mark.slow
def test_devices_compute_the_sequences_of_their_own_examples():
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.stdout == "equal\n", done.stderr
