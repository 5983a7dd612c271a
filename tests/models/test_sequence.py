"""Layers for sequences against NumPy: vectors for ids, attention, pooling over time, and the RNN that uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

import jaxdl
from jaxdl import RNN, Attention, Embed, pool_time

INPUTS = jax.random.normal(jax.random.key(0), (3, 5, 6))
LENGTHS = jnp.array([5, 2, 3])


def drawn(shapes: Any) -> Any:
    """Returns variables drawn at random."""
    random = np.random.default_rng(3)
    return jax.tree.map(lambda leaf: random.normal(0, 0.5, leaf.shape).astype(np.float32), shapes)


def normalized(hidden: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    centred = hidden - hidden.mean(-1, keepdims=True)
    return centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-6) * scale + bias


def block(params: Any, inputs: np.ndarray, heads: int, causal: bool) -> np.ndarray:
    """The block of Vaswani et al. for one sequence (time, units), head by head, in 64 bits."""
    params = jax.tree.map(np.float64, params)
    dense = lambda name, values: values @ params[name]["kernel"] + params[name]["bias"]  # noqa: E731
    query, key, value = (np.split(dense(name, inputs), heads, -1) for name in ("query", "key", "value"))
    attended = []
    for q, k, v in zip(query, key, value, strict=True):
        scores = np.exp(q @ k.T / np.sqrt(q.shape[-1]))
        scores = np.tril(scores) if causal else scores
        attended.append(scores / scores.sum(-1, keepdims=True) @ v)
    hidden = normalized(inputs + dense("output", np.concatenate(attended, -1)), **params["normalize"])
    wide = np.maximum(dense("dense_1", hidden), 0)
    return normalized(hidden + dense("dense_2", wide), **params["normalize_dense"])


@pytest.mark.parametrize("causal", [False, True])
def test_attention_equals_numpy_and_does_not_see_padding(causal: bool) -> None:
    layer = Attention(heads=3, causal=causal)
    variables = drawn(jax.eval_shape(layer.init, jax.random.key(0), INPUTS))
    found = jax.jit(layer.apply)(variables, INPUTS, lengths=LENGTHS)
    for sequence, length, outputs in zip(np.asarray(INPUTS, np.float64), LENGTHS, found, strict=True):
        expected = block(variables["params"], sequence[:length], 3, causal)
        np.testing.assert_allclose(outputs[:length], expected, rtol=1e-4, atol=1e-4)
    whole = jax.jit(layer.apply)(variables, INPUTS)
    np.testing.assert_allclose(whole[0], found[0], rtol=1e-5, atol=1e-5)


def test_a_sequence_without_a_valid_step_gives_no_nan_and_no_nan_in_gradients() -> None:
    layer, lengths = Attention(heads=2), jnp.array([5, 0, 1])
    variables = drawn(jax.eval_shape(layer.init, jax.random.key(0), INPUTS))
    total = lambda variables: jnp.sum(pool_time(layer.apply(variables, INPUTS, lengths=lengths), lengths))  # noqa: E731
    value, gradients = jax.jit(jax.value_and_grad(total))(variables)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in (value, *jax.tree.leaves(gradients)))


def test_attention_says_what_it_takes() -> None:
    with pytest.raises(ValueError, match=r"units that are a multiple of the 4 heads, got \(3, 5, 6\)"):
        jax.eval_shape(Attention(heads=4).init, jax.random.key(0), INPUTS)


def test_dropout_is_in_training_only() -> None:
    layer = Attention(heads=2, dropout=0.5)
    variables = drawn(jax.eval_shape(layer.init, jax.random.key(0), INPUTS))
    np.testing.assert_array_equal(layer.apply(variables, INPUTS), Attention(heads=2).apply(variables, INPUTS))
    dropped = layer.apply(variables, INPUTS, train=True, rngs={"dropout": jax.random.key(0)})
    assert not np.allclose(dropped, layer.apply(variables, INPUTS))


@given(
    seed=st.integers(0, 2**32 - 1),
    lengths=st.lists(st.integers(0, 4), min_size=3, max_size=3),
    kind=st.sampled_from(["mean", "max", "last"]),
)
def test_pooling_takes_the_valid_steps_alone(seed: int, lengths: list[int], kind: Any) -> None:
    inputs = np.random.default_rng(seed).normal(size=(3, 4, 2)).astype(np.float32)
    functions = {"mean": lambda rows: rows.mean(0), "max": lambda rows: rows.max(0), "last": lambda rows: rows[-1]}
    expected = [
        functions[kind](rows[:length]) if length else np.zeros(2) for rows, length in zip(inputs, lengths, strict=True)
    ]
    noisy = np.where(np.arange(4)[None, :, None] < np.array(lengths)[:, None, None], inputs, np.nan)
    found = pool_time(jnp.asarray(noisy), jnp.asarray(lengths), kind)
    np.testing.assert_allclose(found, np.stack(expected), rtol=1e-5, atol=1e-6)
    whole = [functions[kind](rows) for rows in inputs]
    np.testing.assert_allclose(pool_time(jnp.asarray(inputs), kind=kind), np.stack(whole), rtol=1e-5, atol=1e-6)


def test_another_kind_of_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="'sum': must be last, mean or max"):
        pool_time(INPUTS, kind="sum")  # type: ignore[arg-type]


def test_each_id_has_its_vector() -> None:
    layer, ids = Embed(7, 3), jnp.array([[0, 6, 2], [2, 2, 5]], jnp.uint8)
    variables = layer.init(jax.random.key(0), ids)
    table = np.asarray(variables["params"]["embedding"])
    assert table.shape == (7, 3)
    np.testing.assert_array_equal(layer.apply(variables, ids), table[np.asarray(ids)])


@pytest.mark.parametrize(("ids", "range"), [([0, 7], "from 0 to 7"), ([-1, 3], "from -1 to 3")])
def test_an_id_beyond_the_vocabulary_is_refused_and_nan_where_it_is_compiled(ids: list[int], range: str) -> None:
    layer = Embed(7, 3)
    variables = layer.init(jax.random.key(0), jnp.array([0]))
    with pytest.raises(ValueError, match=f"ids are {range}, but must be from 0 to 6"):
        layer.apply(variables, jnp.array(ids))
    found = jax.jit(layer.apply)(variables, jnp.array(ids))
    np.testing.assert_array_equal(np.isnan(found).all(-1), [not 0 <= each < 7 for each in ids])


def test_numbers_are_no_ids() -> None:
    with pytest.raises(ValueError, match=r"Embed takes ids, which are integers, got float32 of shape \(3, 5, 6\)"):
        Embed(7, 3).init(jax.random.key(0), INPUTS)


def test_the_defaults_of_rnn_have_the_parameters_of_before() -> None:
    variables = jax.eval_shape(RNN(features=(4,), cell="gru", outputs=2).init, jax.random.key(0), INPUTS)
    assert set(variables["params"]) == {"forward_1", "output"}


@pytest.mark.parametrize("pool", ["mean", "max", "last"])
def test_rnn_pools_the_states_of_its_last_layer(pool: Any) -> None:
    model = RNN(features=(4,), cell="simple", pool=pool, outputs=2)
    params = drawn(jax.eval_shape(model.init, jax.random.key(0), INPUTS))["params"]
    found = jax.jit(model.apply)({"params": params}, INPUTS, lengths=LENGTHS)
    of = params["forward_1"]
    for sequence, length, outputs in zip(np.asarray(INPUTS), LENGTHS, found, strict=True):
        state, states = np.zeros(4), []
        for step in sequence[:length]:
            state = np.tanh(step @ of["kernel"] + state @ of["recurrent_kernel"] + of["bias"])
            states.append(state)
        one = {"mean": np.mean(states, 0), "max": np.max(states, 0), "last": state}[pool]
        expected = one @ params["output"]["kernel"] + params["output"]["bias"]
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("every_step", [False, True])
def test_rnn_with_all_of_them_gives_the_same_whatever_the_padding(every_step: bool) -> None:
    pool: Any = "last" if every_step else "mean"
    model = RNN(
        features=(4,), cell="gru", embed=3, vocabulary=9, attention=2, pool=pool, every_step=every_step, outputs=2
    )
    ids = np.random.default_rng(0).integers(9, size=(3, 5)).astype(np.int32)
    variables = drawn(jax.eval_shape(model.init, jax.random.key(0), ids))
    run = jax.jit(model.apply)
    padded = run(variables, ids, lengths=LENGTHS)
    other = run(variables, np.where(np.arange(5) < np.asarray(LENGTHS)[:, None], ids, (ids + 4) % 9), lengths=LENGTHS)
    alone = run(variables, ids[2:, :3])[0]
    for found in (padded[2], other[2]):
        np.testing.assert_allclose(found[:3] if every_step else found, alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(padded[1][:2], other[1][:2], rtol=1e-4, atol=1e-5)


def test_with_an_output_for_every_step_no_step_sees_a_later_one() -> None:
    """Else a model that predicts the next of a sequence would only have to look."""
    model = RNN(features=(4,), cell="gru", attention=2, every_step=True, outputs=2)
    variables = drawn(jax.eval_shape(model.init, jax.random.key(0), INPUTS))
    changed = INPUTS.at[:, 3:].set(7.0)
    before, after = (jax.jit(model.apply)(variables, inputs) for inputs in (INPUTS, changed))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert not np.allclose(before[:, 3:], after[:, 3:])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (RNN(outputs=2, pool="mean", every_step=True), "pool='mean' gives one output for a sequence, every_step one"),
        (RNN(outputs=2, embed=3), r"embed=3 needs the number of ids: give it, as in RNN\(embed=3, vocabulary=1000\)"),
        (RNN(outputs=2, features=(6,), attention=4), "a multiple of the 4 heads"),
        (RNN(outputs=2, embed=3, vocabulary=9), "Embed takes ids, which are integers, got float32"),
    ],
)
def test_what_does_not_fit_is_named(model: RNN, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(model.init, jax.random.key(0), INPUTS)


def ids_experiment(**fields: Any) -> jaxdl.Experiment:
    """Sequences of ids from 0 to 11, of different lengths; the class is whether an 11 is among them."""
    random = np.random.RandomState(0)
    sequences = [random.randint(0, 11, size=random.randint(2, 9)) for _ in range(300)]
    labels = random.randint(2, size=300)
    for sequence, label in zip(sequences, labels, strict=True):
        if label:
            sequence[random.randint(len(sequence))] = 11
    data = jaxdl.Arrays(train=(sequences[:200], labels[:200]), test=(sequences[200:], labels[200:]), ids=True)
    model = jaxdl.replace(RNN(features=(8,), cell="gru", embed=4, attention=2, pool="max"), fields)
    recipe = jaxdl.Experiment("ids", data, model, jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam(learning_rate=0.02))
    return jaxdl.replace(recipe, {"training.epochs": 10, "training.batch_size": 20})


@pytest.mark.slow
def test_the_vocabulary_follows_the_data_and_predictions_know_no_other_id(tmp_path: Path) -> None:
    summary = jaxdl.train(ids_experiment(), run_dir=tmp_path / "run", data_dir=tmp_path)
    assert summary["metrics"]["test/accuracy"] > 0.95
    trained = jaxdl.load_run(tmp_path / "run", ids_experiment())
    assert trained.spec.vocabulary == 12
    assert trained.experiment.model.vocabulary == 12  # type: ignore[attr-defined]
    assert trained.predict([np.array([3, 11]), np.array([3, 4, 5])]).argmax(-1).tolist() == [1, 0]
    with pytest.raises(jaxdl.UserError, match="inputs have the id 12, but the model knows 12 ids, from 0 to 11"):
        trained.predict([np.array([3, 12])])


def test_a_vocabulary_that_is_too_small_is_refused(tmp_path: Path) -> None:
    experiment = ids_experiment(vocabulary=11)
    with pytest.raises(jaxdl.UserError, match="vocabulary=11: the data have ids up to 11; leave it out"):
        experiment.for_spec(experiment.data.spec(tmp_path))
