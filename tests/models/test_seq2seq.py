"""The encoder and decoder against a plain loop over steps in NumPy."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxdl import Seq2Seq

UNITS, EMBED, OUTPUTS, STEPS = 5, 4, 6, 4
LENGTHS = np.array([7, 3, 1])
IDS = np.random.default_rng(0).integers(0, 8, (3, 7)).astype(np.int32)
TARGETS = np.random.default_rng(1).integers(0, OUTPUTS, (3, STEPS)).astype(np.int32)


def model(cell: Any = "gru", **fields: Any) -> Seq2Seq:
    return Seq2Seq(units=UNITS, embed=EMBED, cell=cell, outputs=OUTPUTS, vocabulary=8, output_length=STEPS, **fields)


def drawn(of: Seq2Seq, inputs: np.ndarray = IDS) -> Any:
    """Returns variables drawn at random."""
    random = np.random.default_rng(3)
    shapes = jax.eval_shape(of.init, jax.random.key(0), inputs)
    return jax.tree.map(lambda leaf: random.normal(0, 0.7, leaf.shape).astype(np.float32), shapes)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def read(cell: str, weights: Any, state: list[np.ndarray], x: np.ndarray) -> list[np.ndarray]:
    """One step of a recurrence, in 64 bits; the state is that of the output first."""
    p, q = x @ weights["kernel"] + weights["bias"], state[0] @ weights["recurrent_kernel"]
    if cell == "simple":
        return [np.tanh(p + q)]
    if cell == "lstm":
        i, f, g, o = np.split(p + q, 4)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]
    (p_r, p_z, p_n), (q_r, q_z, q_n) = np.split(p, 3), np.split(q + weights["recurrent_bias"], 3)
    z = sigmoid(p_z + q_z)
    return [(1 - z) * np.tanh(p_n + sigmoid(p_r + q_r) * q_n) + z * state[0]]


def expected(cell: str, params: Any, vectors: np.ndarray, told: np.ndarray | None) -> np.ndarray:
    """The logits for one sequence of vectors (time, features); `told` are the true classes, None: its own are read."""
    zeros = [np.zeros(UNITS)] * (2 if cell == "lstm" else 1)
    forward: list[np.ndarray] = []
    backward: list[np.ndarray] = []
    for states, name, order in ((forward, "forward", vectors), (backward, "backward", vectors[::-1])):
        state = zeros
        for x in order:
            state = read(cell, params[f"encoder_{name}"], state, x)
            states.append(state[0])
    last = np.concatenate([forward[-1], backward[-1]])
    encoded = np.concatenate([forward, backward[::-1]], -1)
    state = [np.tanh(last @ params["bridge"]["kernel"] + params["bridge"]["bias"]), *zeros[1:]]
    logits, before = [], OUTPUTS
    for step in range(STEPS):
        state = read(cell, params["decoder"], state, params["embed_answer"][before])
        scores = np.exp(encoded @ (state[0] @ params["score"]))
        context = scores / scores.sum() @ encoded
        attended = np.tanh(np.concatenate([context, state[0]]) @ params["combine"])
        logits.append(attended @ params["output_kernel"] + params["output_bias"])
        before = int(np.argmax(logits[-1])) if told is None else int(told[step])
    return np.array(logits)


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_it_equals_a_loop_over_the_valid_steps(cell: str) -> None:
    seq2seq = model(cell)
    variables = drawn(seq2seq)
    params = jax.tree.map(np.float64, variables["params"])
    taught, greedy = jax.jit(
        lambda given: [seq2seq.apply(given, IDS, lengths=LENGTHS, targets=targets) for targets in (TARGETS, None)]
    )(variables)
    assert taught.shape == greedy.shape == (3, STEPS, OUTPUTS)
    for row, length in enumerate(LENGTHS):
        vectors = params["embed"]["embedding"][IDS[row, :length]]
        np.testing.assert_allclose(taught[row], expected(cell, params, vectors, TARGETS[row]), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(greedy[row], expected(cell, params, vectors, None), rtol=1e-4, atol=1e-4)


def test_an_answer_that_is_its_own_is_the_one_that_it_is_told() -> None:
    seq2seq = model()
    variables = drawn(seq2seq)
    apply = jax.jit(seq2seq.apply)
    greedy = apply(variables, IDS, lengths=LENGTHS)
    told = apply(variables, IDS, lengths=LENGTHS, targets=greedy.argmax(-1))
    np.testing.assert_allclose(told, greedy, rtol=1e-4, atol=1e-5)


def test_inputs_may_be_numbers() -> None:
    seq2seq = Seq2Seq(units=UNITS, embed=EMBED, outputs=OUTPUTS, output_length=STEPS)
    inputs = np.random.default_rng(0).normal(size=(2, 3, 2)).astype(np.float32)
    variables = drawn(seq2seq, inputs)
    found = jax.jit(seq2seq.apply)(variables, inputs)
    params = jax.tree.map(np.float64, variables["params"])
    np.testing.assert_allclose(found[1], expected("gru", params, inputs[1], None), rtol=1e-4, atol=1e-4)


def test_what_lies_beyond_an_answer_and_beyond_the_inputs_changes_nothing_that_counts() -> None:
    seq2seq = model()
    variables = drawn(seq2seq)

    @jax.jit
    @jax.grad
    def gradients(params: Any, ids: np.ndarray, targets: np.ndarray) -> jax.Array:
        logits: Any = seq2seq.apply({"params": params}, ids, lengths=LENGTHS, targets=targets)
        return jnp.sum(logits[:, :2] ** 2)

    other, beyond = IDS.copy(), TARGETS.copy()
    other[np.arange(7) >= LENGTHS[:, None]] = 7
    beyond[:, 2:] = -1
    before, after = (gradients(variables["params"], *pair) for pair in ((IDS, TARGETS), (other, beyond)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), before, after)


def test_it_computes_in_the_precision_of_its_parameters_and_drops_in_training() -> None:
    seq2seq = model(dropout=0.5)
    variables = drawn(seq2seq)
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables)
    for targets in (None, TARGETS):
        assert jax.eval_shape(seq2seq.apply, narrow, IDS, targets=targets).dtype == jnp.bfloat16
    apply = jax.jit(lambda key: seq2seq.apply(variables, IDS, targets=TARGETS, train=True, rngs={"dropout": key}))
    assert not np.allclose(*map(apply, jax.random.split(jax.random.key(0))))


@pytest.mark.parametrize(
    ("fields", "inputs", "targets", "message"),
    [
        ({"output_length": None}, IDS, None, "output_length is None"),
        ({"vocabulary": None}, IDS, None, "vocabulary is None"),
        ({"outputs": None}, IDS, None, "outputs is None"),
        ({}, np.ones((2, 3), np.float32), None, "ids of shape .* or numbers"),
        ({}, IDS, TARGETS[:, :2], r"classes of shape \(3, 4\), got int32 of shape \(3, 2\)"),
        ({}, IDS, TARGETS.astype(np.float32), "got float32"),
    ],
)
def test_what_does_not_fit_is_refused(fields: Any, inputs: Any, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(model().clone(**fields).init, jax.random.key(0), inputs, targets=targets)
