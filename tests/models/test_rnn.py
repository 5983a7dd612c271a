"""The recurrent network against NumPy, and what its masks leave out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from jaxdl import RNN
from jaxdl.models.rnn import RecurrentLayer
from jaxdl.models.stepping import advance, first_states

INPUTS = jax.random.normal(jax.random.key(0), (3, 5, 2))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(params, inputs):
    """(batch, time, features) to (batch, time, units)."""
    h = c = np.zeros((len(inputs), params["recurrent_kernel"].shape[0]))
    outputs = []
    for x in np.swapaxes(inputs, 0, 1):
        i, f, g, o = np.split(x @ params["kernel"] + h @ params["recurrent_kernel"] + params["bias"], 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, 1)


@pytest.mark.slow
@pytest.mark.parametrize("every_step", [False, True])
def test_two_bidirectional_lstm_layers_equal_numpy(every_step: bool) -> None:
    model = RNN(features=(4, 3), cell="lstm", bidirectional=True, every_step=every_step, outputs=2)
    variables = model.init(jax.random.key(1), INPUTS)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])
    hidden = np.asarray(INPUTS, np.float64)
    for number in (1, 2):
        forward = lstm(params[f"forward_{number}"], hidden)
        backward = lstm(params[f"backward_{number}"], hidden[:, ::-1])[:, ::-1]
        hidden = np.concatenate([forward, backward], -1)
    if not every_step:
        hidden = np.concatenate([forward[:, -1], backward[:, 0]], -1)
    expected = hidden @ params["output"]["kernel"] + params["output"]["bias"]
    np.testing.assert_allclose(model.apply(variables, INPUTS), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("cell", "gates", "biases"), [("simple", 1, 1), ("lstm", 4, 1), ("gru", 3, 2)])
def test_parameters_and_their_initial_values(cell: str, gates: int, biases: int) -> None:
    params = RNN(features=(6,), cell=cell, outputs=3).init(jax.random.key(0), INPUTS)["params"]
    layer = params["forward_1"]
    assert layer["kernel"].shape == (2, gates * 6)
    assert layer["recurrent_kernel"].shape == (6, gates * 6)
    assert {name: leaf.shape for name, leaf in layer.items() if "bias" in name} == {
        name: (gates * 6,) for name in ("bias", "recurrent_bias")[:biases]
    }
    for block in jnp.split(layer["recurrent_kernel"], gates, -1):
        np.testing.assert_allclose(block.T @ block, np.eye(6), atol=1e-5)
    forget = jnp.repeat(jnp.array([0, 1, 0, 0]), 6) if cell == "lstm" else jnp.zeros(gates * 6)
    np.testing.assert_array_equal(layer["bias"], forget)


@pytest.mark.parametrize(("cell", "expected"), [("lstm", 81_674), ("gru", 3 * 128 * (28 + 128 + 2) + 1290)])
def test_the_rows_of_an_image_are_its_steps(cell: str, expected: int) -> None:
    model = RNN(cell=cell, outputs=10)
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1))))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == expected


@pytest.mark.parametrize("inputs", [INPUTS, INPUTS[..., 0]], ids=["features", "no features"])
@pytest.mark.parametrize(("every_step", "expected"), [(False, (3, 2)), (True, (3, 5, 2))])
def test_output_shapes(inputs: jax.Array, every_step: bool, expected) -> None:
    outputs, _ = RNN(features=(4,), every_step=every_step, outputs=2).init_with_output(jax.random.key(0), inputs)
    assert outputs.shape == expected


def masked_program(cell: str, bidirectional: bool, every_step: bool):
    model = RNN(features=(4, 3), cell=cell, bidirectional=bidirectional, every_step=every_step, outputs=2)
    variables = model.init(jax.random.key(1), INPUTS)
    return jax.jit(lambda inputs, lengths: model.apply(variables, inputs, lengths=lengths))


# Cell, bidirectional, every step.
KINDS = [("simple", True, False), ("lstm", True, True), ("lstm", False, False), ("gru", True, False)]


@pytest.fixture(scope="module")
def programs():
    return {kind: masked_program(*kind) for kind in KINDS}


@pytest.mark.slow
@given(
    kind=st.sampled_from(KINDS),
    lengths=st.lists(st.integers(1, 5), min_size=3, max_size=3),
    padding=st.sampled_from([0.0, 7.0, -1e30, np.nan, np.inf]),
)
def test_padding_never_changes_the_result(programs, kind, lengths, padding: float) -> None:
    valid = np.arange(5) < np.array(lengths)[:, None]
    spoiled = jnp.where(valid[..., None], INPUTS, padding)
    run = programs[kind]
    got, expected = run(spoiled, jnp.array(lengths)), run(INPUTS, jnp.array(lengths))
    if kind[2]:
        got, expected = got[valid], expected[valid]
    np.testing.assert_array_equal(got, expected)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_shorter_sequence_gives_what_it_gives_alone(programs, kind) -> None:
    lengths = [2, 5, 3]
    together = programs[kind](INPUTS, jnp.array(lengths))
    for example, length in enumerate(lengths):
        alone = programs[kind](INPUTS[example : example + 1, :length], jnp.array([length]))[0]
        mine = together[example, :length] if kind[2] else together[example]
        np.testing.assert_allclose(mine, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("every_step", [False, True])
def test_dropout_is_in_training_only_and_keeps_the_mean(every_step: bool) -> None:
    model = RNN(features=(32,), cell="gru", dropout=0.5, every_step=every_step, outputs=1)
    variables = model.init(jax.random.key(0), INPUTS)
    plain = model.apply(variables, INPUTS)
    draw = jax.jit(jax.vmap(lambda key: model.apply(variables, INPUTS, train=True, rngs={"dropout": key})))
    draws = draw(jax.random.split(jax.random.key(2), 2000))
    assert float(draws.std(0).min()) > 0
    np.testing.assert_allclose(draws.mean(0), plain, atol=float(6 * draws.std(0).max() / np.sqrt(2000)))


def test_recurrent_dropout_is_in_training_only_and_the_same_at_each_step() -> None:
    layer = RecurrentLayer(64, "gru", recurrent_dropout=0.25)
    mask: Any = layer.apply({}, INPUTS, True, method="recurrent_mask", rngs={"dropout": jax.random.key(0)})
    assert mask.shape == (3, 64)
    np.testing.assert_allclose(np.unique(mask), [0, 4 / 3], rtol=1e-6)
    assert layer.apply({}, INPUTS, False, method="recurrent_mask") is None
    model = RNN(features=(4,), cell="lstm", bidirectional=True, recurrent_dropout=0.5, outputs=2)
    variables = model.init(jax.random.key(0), INPUTS)
    plain = RNN(features=(4,), cell="lstm", bidirectional=True, outputs=2).apply(variables, INPUTS)
    run = jax.jit(lambda rate, key: model.clone(recurrent_dropout=rate).apply(variables, INPUTS, train=True, rngs=key))
    dropped = run(0.5, {"dropout": jax.random.key(1)})
    np.testing.assert_array_equal(model.apply(variables, INPUTS), plain)
    assert bool((dropped != plain).any()) and bool((run(0.2, {"dropout": jax.random.key(1)}) != dropped).any())
    assert run._cache_size() == 1  # type: ignore[attr-defined]


def test_a_gru_that_resets_before_has_one_bias_and_steps_alike() -> None:
    model = RNN(features=(4,), cell="gru", reset_after=False, every_step=True, outputs=2)
    variables = model.init(jax.random.key(0), INPUTS)
    assert set(variables["params"]["forward_1"]) == {"kernel", "recurrent_kernel", "bias"}
    whole: Any = model.apply(variables, INPUTS)
    states = first_states(model, 3)
    for step in range(INPUTS.shape[1]):
        outputs, states = advance(model, variables["params"], INPUTS[:, step : step + 1], states)
        np.testing.assert_allclose(outputs[:, 0], whole[:, step], rtol=1e-5, atol=1e-6)
    after = RNN(features=(4,), cell="gru", every_step=True, outputs=2)
    params: Any = jax.tree.map(lambda leaf: leaf, variables["params"])
    params["forward_1"] |= {"recurrent_bias": jnp.zeros(12)}
    other: Any = after.apply({"params": params}, INPUTS)
    assert float(jnp.abs(other - whole).max()) > 1e-4


def test_a_traced_dropout_rate_is_compiled_once() -> None:
    variables = RNN(features=(4, 4), outputs=2).init(jax.random.key(0), INPUTS)

    @jax.jit
    def run(rate):
        model = RNN(features=(4, 4), outputs=2, dropout=rate)
        return model.apply(variables, INPUTS, train=True, rngs={"dropout": jax.random.key(0)})

    assert bool((run(0.1) != run(0.5)).any())
    assert run._cache_size() == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (RNN(outputs=2), (3,), "needs inputs of shape"),
        (RNN(outputs=2, features=()), (3, 5, 2), "at least one layer"),
        (RNN(outputs=2, cell="lstn"), (3, 5, 2), "cell='lstn': must be one of simple, lstm, gru"),
    ],
)
def test_what_does_not_fit_is_named(model: RNN, inputs, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.init(jax.random.key(0), jnp.zeros(inputs))


@pytest.mark.slow
def test_tracing_a_model_from_shapes_starts_no_backend() -> None:
    program = """
import jax
from jax._src import xla_bridge
from jaxdl import CNN, MLP, RNN
for model in (CNN(outputs=2), MLP(outputs=2), RNN(outputs=2)):
    images = jax.ShapeDtypeStruct((2, 12, 12, 1), "float32")
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = jax.eval_shape(model.init, key, images)
    loss = lambda v, x: model.apply(v, x, train=True).sum()
    jax.eval_shape(jax.grad(loss), variables, images)
assert not xla_bridge._backends, xla_bridge._backends
"""
    subprocess.run([sys.executable, "-c", program], check=True)
