"""The Tree-LSTM against the plain recursion of its equations, tree by tree: values, and gradients."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxdl
from jaxdl.data.trees.encoding import TreeFormat, encode
from jaxdl.data.trees.parsing import parse
from tests.trees import LABELS, WORDS, Nested, is_leaf, nested, text

IDS = TreeFormat(WORDS, lowercase=False).ids()
MODEL = jaxdl.TreeLSTM(features=5, embed=4, outputs=3, vocabulary=len(WORDS) + 2)
NODES = 23
# One program for all drawn batches.
BATCH = 3


def batch_of(trees: list[Nested], size: int = NODES) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return encode([parse(text(tree)) for tree in trees], size, IDS.__getitem__, lambda label: LABELS.index(label or ""))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def recursion(tree: Nested, params: Any) -> list[np.ndarray]:
    """Returns the logits of each node, in the order of their heights."""
    found: list[Any] = []

    def visit(node: Nested) -> tuple[Any, Any, int]:
        b_i, b_f, b_o, b_u = np.split(params["bias"], 4)
        if is_leaf(node):
            x = params["embed"]["embedding"][IDS[node[1]]]
            i, o, u = np.split(x @ params["kernel"], 3)
            c = sigmoid(i + b_i) * np.tanh(u + b_u)
            o, height = o + b_o, 0
        else:
            (h_l, c_l, n_l), (h_r, c_r, n_r) = visit(node[1]), visit(node[2])
            i, f_l, f_r, o, u = np.split(np.concatenate([h_l, h_r]) @ params["recurrent_kernel"], 5)
            c = sigmoid(i + b_i) * np.tanh(u + b_u) + sigmoid(f_l + b_f) * c_l + sigmoid(f_r + b_f) * c_r
            o, height = o + b_o, 1 + max(n_l, n_r)
        h = sigmoid(o) * np.tanh(c)
        found.append((height, h @ params["output"]["kernel"] + params["output"]["bias"]))
        return h, c, height

    visit(tree)
    return [logits for _, logits in sorted(found, key=lambda node: node[0])]


def variables(seed: int = 0) -> Any:
    drawn = MODEL.init(jax.random.key(seed), jnp.zeros((1, NODES, 3), jnp.int32))
    # Zeros would hide what biases do.
    bias = jax.random.normal(jax.random.key(1), drawn["params"]["bias"].shape)
    return {"params": {**drawn["params"], "bias": bias}}


VARIABLES = variables()
APPLY = jax.jit(lambda variables, inputs, lengths: MODEL.apply(variables, inputs, lengths=lengths))
TREES = st.lists(nested(), min_size=BATCH, max_size=BATCH)


@settings(deadline=None, max_examples=40)
@given(TREES)
def test_outputs_are_those_of_the_recursion_at_every_node(trees: list[Nested]) -> None:
    inputs, _, lengths = batch_of(trees)
    outputs = APPLY(VARIABLES, inputs, lengths)
    params = jax.tree.map(lambda param: np.asarray(param, np.float64), VARIABLES["params"])
    assert outputs.shape == (BATCH, NODES, 3)
    for tree, own, length in zip(trees, outputs, lengths, strict=True):
        expected = np.stack(recursion(tree, params))
        np.testing.assert_allclose(own[:length], expected, rtol=1e-5, atol=2e-6)


def loss(variables: Any, inputs: Any, lengths: Any, targets: Any) -> Any:
    outputs = MODEL.apply(variables, inputs, lengths=lengths)
    valid = jnp.arange(NODES) < lengths[:, None]
    chosen = jnp.take_along_axis(jax.nn.log_softmax(outputs), targets[..., None], 2)[..., 0]
    return -jnp.sum(jnp.where(valid, chosen, 0))


GRADIENT = jax.jit(jax.grad(loss))


@settings(deadline=None, max_examples=20)
@given(TREES, st.integers(0, 2**32 - 1))
def test_gradients_are_the_slopes_of_the_recursion(trees: list[Nested], seed: int) -> None:
    """Along a random direction, by differences in float64."""
    inputs, targets, lengths = batch_of(trees)
    found = GRADIENT(VARIABLES, inputs, lengths, targets)["params"]
    random = np.random.default_rng(seed)
    params = jax.tree.map(lambda param: np.asarray(param, np.float64), VARIABLES["params"])
    direction = jax.tree.map(lambda param: random.standard_normal(param.shape), params)

    def loss_at(step: float) -> float:
        moved = jax.tree.map(lambda param, move: param + step * move, params, direction)
        total = 0.0
        for tree, labels in zip(trees, targets, strict=True):
            for logits, label in zip(recursion(tree, moved), labels, strict=False):
                total += np.log(np.exp(logits).sum()) - logits[label]
        return total

    slope = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5
    along = sum(np.vdot(g, d) for g, d in zip(jax.tree.leaves(found), jax.tree.leaves(direction), strict=True))
    size = sum(np.abs(g * d).sum() for g, d in zip(jax.tree.leaves(found), jax.tree.leaves(direction), strict=True))
    assert abs(along - slope) < 1e-5 * (1 + size)


def test_what_lies_beyond_a_tree_changes_nothing() -> None:
    tree = ("0", ("1", "the"), ("2", ("0", "film"), ("1", "is")))
    inputs, targets, lengths = batch_of([tree] * BATCH)
    rubbish = inputs.copy()
    rubbish[:, 5:] = np.random.RandomState(0).randint(-(2**30), 2**30, rubbish[:, 5:].shape)
    rubbish[:, 5:, 0] = 3
    np.testing.assert_array_equal(APPLY(VARIABLES, inputs, lengths)[:, :5], APPLY(VARIABLES, rubbish, lengths)[:, :5])
    own, other = (GRADIENT(VARIABLES, rows, lengths, targets) for rows in (inputs, rubbish))
    jax.tree.map(np.testing.assert_array_equal, own, other)


def test_fewer_rows_of_padding_change_nothing() -> None:
    """Buckets by length cut inputs behind the largest tree of a batch."""
    trees = [("0", ("1", "the"), ("2", ("0", "film"), ("1", "is"))), ("1", "good"), ("0", ("1", "bad"), ("2", "is"))]
    inputs, _, lengths = batch_of(trees)
    whole = APPLY(VARIABLES, inputs, lengths)
    np.testing.assert_allclose(APPLY(VARIABLES, inputs[:, :8], lengths), whole[:, :8], rtol=1e-5, atol=1e-6)


def test_without_lengths_all_nodes_count_and_the_root_is_the_last() -> None:
    tree = ("0", ("1", "the"), ("2", ("0", "film"), ("1", "is")))
    inputs, _, lengths = batch_of([tree], size=5)
    every = jax.jit(MODEL.apply)(VARIABLES, inputs)
    np.testing.assert_allclose(every, APPLY(VARIABLES, inputs, lengths), rtol=1e-6)


def at_root(variables: Any, inputs: Any, lengths: Any) -> Any:
    return MODEL.clone(every_node=False).apply(variables, inputs, lengths=lengths)


AT_ROOT = jax.jit(at_root)


@given(TREES)
@settings(deadline=None, max_examples=10)
def test_the_root_alone_is_the_last_node_of_all(trees: list[Nested]) -> None:
    inputs, _, lengths = batch_of(trees)
    every = APPLY(VARIABLES, inputs, lengths)[np.arange(BATCH), lengths - 1]
    np.testing.assert_allclose(AT_ROOT(VARIABLES, inputs, lengths), every, rtol=1e-5, atol=1e-6)


def test_several_trainings_in_one_program_have_their_own_steps() -> None:
    trees = [("0", ("1", "the"), ("2", ("0", "film"), ("1", "is"))), ("1", "good"), ("0", ("1", "bad"), ("2", "is"))]
    inputs, targets, lengths = batch_of(trees)
    order = np.array([[0, 0, 0], [1, 1, 1], [0, 1, 2]])
    each_alone = jax.jit(jax.vmap(jax.grad(loss), (None, 0, 0, 0)))
    many = each_alone(VARIABLES, inputs[order], lengths[order], targets[order])
    for number, each in enumerate(order):
        alone = GRADIENT(VARIABLES, inputs[each], lengths[each], targets[each])
        for own, other in zip(jax.tree.leaves(many), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(own[number], other, rtol=1e-4, atol=1e-5)


def test_dropout_drops_only_in_training() -> None:
    inputs, _, lengths = batch_of([("0", ("1", "the"), ("2", "is"))] * BATCH)

    @partial(jax.jit, static_argnames="train")
    def outputs(train: bool) -> Any:
        model, keys = MODEL.clone(dropout=0.5), {"dropout": jax.random.key(0)}
        return model.apply(VARIABLES, inputs, lengths=lengths, train=train, rngs=keys)

    still = APPLY(VARIABLES, inputs, lengths)
    np.testing.assert_allclose(outputs(train=False), still, rtol=1e-6)
    assert not np.allclose(outputs(train=True)[:, :3], still[:, :3])


def test_bfloat16_is_close_to_float32() -> None:
    inputs, _, lengths = batch_of([("0", ("1", "the"), ("2", ("0", "film"), ("1", "is")))] * BATCH)
    small: Any = jax.tree.map(lambda param: param.astype(jnp.bfloat16), VARIABLES)
    outputs = APPLY(small, inputs, lengths)
    assert outputs.dtype == jnp.bfloat16
    np.testing.assert_allclose(outputs[:, :5].astype(jnp.float32), APPLY(VARIABLES, inputs, lengths)[:, :5], atol=0.05)


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (MODEL, np.zeros((2, 5), np.int32), r"takes trees, integers of shape \(batch, nodes, 3\)"),
        (MODEL, np.zeros((2, 5, 3), np.float32), "takes trees"),
        (MODEL.clone(outputs=None), np.zeros((2, 5, 3), np.int32), "outputs is None"),
        (MODEL.clone(vocabulary=None), np.zeros((2, 5, 3), np.int32), "vocabulary is None"),
    ],
)
def test_what_does_not_fit_is_refused(model: jaxdl.TreeLSTM, inputs: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.init(jax.random.key(0), inputs)


@pytest.mark.slow
def test_it_learns_a_rule_in_which_brackets_count(tmp_path: Path) -> None:
    data = jaxdl.Subtraction(leaves=5, train_examples=1500, test_examples=200)
    experiment = jaxdl.Experiment(
        name="subtraction",
        data=data,
        model=jaxdl.TreeLSTM(features=32, embed=16),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=12, batch_size=32),
    )
    summary = jaxdl.train(experiment, run_dir=tmp_path / "run", data_dir=tmp_path)
    assert summary["metrics"]["test/accuracy"] > 0.97
