"""How much each element of a batch counts in the loss, its gradients and the metrics."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.special import softmax

import jaxdl
from jaxdl.data import Preprocess, Spec
from jaxdl.errors import UserError
from jaxdl.steps.elements import element_mask, element_weights

RANDOM = np.random.RandomState(0)
SPEC = Spec((4,), "float32", Preprocess(), (), 3, ("a", "b", "c"))
TABLE = (0.5, 1.0, 4.0)


def experiment(**changes: Any) -> jaxdl.Experiment:
    base = jaxdl.Experiment(
        name="weighted",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=()),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.SGD(learning_rate=0.1),
    )
    return jaxdl.replace(base, changes)


def batch(count: int = 12) -> dict[str, np.ndarray]:
    inputs = RANDOM.standard_normal((count, 4)).astype(np.float32)
    return {"inputs": inputs, "targets": (np.arange(count) % 3).astype(np.int32)}


def trained(recipe: jaxdl.Experiment, data: Any, class_weights: Any = None) -> tuple[Any, Any, Any]:
    """Returns the parameters before and after one step, and its metrics."""
    steps = jaxdl.make_steps(recipe, SPEC, 10, class_weights)
    state = steps.init_state(0)
    after, metrics = steps.train_step(state, data, jaxdl.hyperparameters(recipe))
    return state.params, after.params, metrics


def probabilities(params: Any, data: Any) -> np.ndarray:
    (layer,) = params.values()
    kernel, bias = np.asarray(layer["kernel"], np.float64), np.asarray(layer["bias"], np.float64)
    shares: np.ndarray = softmax(data["inputs"] @ kernel + bias, axis=1)
    return shares


@pytest.mark.parametrize("table", [None, TABLE])
def test_the_loss_of_training_and_its_gradient_are_those_of_scikit_learns_sample_weight(table: Any) -> None:
    data = batch() | {"weights": RANDOM.choice([0.0, 0.3, 2.0], 12).astype(np.float32)}
    before, after, metrics = trained(experiment(**{"training.class_weight": table}), data)
    weights = data["weights"] * (1.0 if table is None else np.asarray(TABLE)[data["targets"]])
    shares, labels = probabilities(before, data), np.eye(3)[data["targets"]]
    expected = reference.log_loss(data["targets"], shares, sample_weight=weights)
    assert float(metrics["loss"]) == pytest.approx(expected, rel=1e-5)
    gradient = data["inputs"].T @ (weights[:, None] * (shares - labels)) / weights.sum()
    (one,), (other,) = before.values(), after.values()
    np.testing.assert_allclose(other["kernel"], one["kernel"] - 0.1 * gradient, rtol=1e-4, atol=1e-6)
    accuracy = (shares.argmax(1) == data["targets"]).mean()
    assert float(metrics["accuracy"]) == pytest.approx(accuracy), "it is not weighted unless asked for"


def test_a_weight_of_two_is_a_second_copy_and_one_of_zero_none() -> None:
    data = batch(6)
    weighted = data | {"weights": np.array([2, 1, 0, 1, 0, 2], np.float32)}
    copies = {name: array[[0, 0, 1, 3, 5, 5]] for name, array in data.items()}
    recipe = experiment(weighted_metrics=True)
    (_, got, metrics), (_, expected, expected_metrics) = trained(recipe, weighted), trained(recipe, copies)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), got, expected)
    for name, value in expected_metrics.items():
        np.testing.assert_allclose(metrics[name], value, rtol=1e-6)


def test_weights_of_one_change_nothing_but_rounding() -> None:
    data = batch()
    plain = trained(experiment(), data)
    for given, table in ((data | {"weights": np.ones(12, np.float32)}, None), (data, (1.0, 1.0, 1.0))):
        found = trained(experiment(**{"training.class_weight": table}), given)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), found, plain)


def test_evaluation_is_weighted_only_where_asked_for() -> None:
    data = batch() | {"weights": RANDOM.choice([0.3, 2.0], 12).astype(np.float32)}
    mask = np.arange(12) < 10
    figures = {}
    for asked in (False, True):
        recipe = experiment(weighted_metrics=asked, **{"training.class_weight": TABLE})
        steps = jaxdl.make_steps(recipe, SPEC, 10)
        state = steps.init_state(0)
        sums = steps.eval_step(state, data | {"mask": mask})
        figures[asked] = float(sums["loss"] / sums["count"]), float(sums["correct"] / sums["answers"])
    shares, labels = probabilities(state.params, data)[mask], data["targets"][mask]
    weights = data["weights"][mask] * np.asarray(TABLE)[labels]
    for asked, sample_weight in ((False, None), (True, weights)):
        assert figures[asked] == pytest.approx(
            (
                reference.log_loss(labels, shares, sample_weight=sample_weight),
                reference.accuracy_score(labels, shares.argmax(1), sample_weight=sample_weight),
            ),
            rel=1e-5,
        )


def test_the_numbers_of_balanced_come_from_the_data() -> None:
    recipe, data = experiment(**{"training.class_weight": "balanced"}), batch()
    with pytest.raises(UserError, match="class_weight=balanced: its numbers follow from the data"):
        trained(recipe, data)
    found, numbers = trained(recipe, data, TABLE), experiment(**{"training.class_weight": TABLE})
    jax.tree.map(np.testing.assert_array_equal, found[1], trained(numbers, data)[1])


@pytest.mark.parametrize(
    ("targets", "shape", "expected"),
    [
        (np.array([2, 0], np.int32), (2,), [8.0, 1.5]),
        (np.array([[2, 0], [0, 1]], np.int32), (2, 2), [[8.0, 1.0], [1.5, 0.0]]),
        (np.array([[0, 0.25, 0.75], [1, 0, 0]], np.float32), (2,), [6.5, 1.5]),
        (np.array([[0, 0, 1], [1, 0, 0]], np.int32), (2,), [8.0, 1.5]),
    ],
)
def test_the_weight_of_a_class_is_that_of_its_share(targets: np.ndarray, shape: Any, expected: Any) -> None:
    given = {"targets": targets, "weights": np.array([2, 3], np.float32), "lengths": np.array([2, 1])}
    mask = element_mask(given, shape)
    np.testing.assert_allclose(element_weights(given, mask, shape, TABLE), expected)


def test_of_yes_or_no_the_weight_lies_between_the_two() -> None:
    given = {"targets": np.array([0.0, 1.0, 0.25], np.float32)}
    np.testing.assert_allclose(element_weights(given, np.ones(3, bool), (3,), (1.0, 5.0)), [1.0, 5.0, 2.0])


def test_lengths_mask_the_steps_of_a_sequence() -> None:
    sequences = {"lengths": np.array([1, 3]), "mask": np.array([True, True])}
    expected = [[True, False, False, False], [True, True, True, False]]
    np.testing.assert_array_equal(element_mask(sequences, (2, 4)), expected)
    np.testing.assert_array_equal(element_mask(sequences, (2,)), [True, True])  # one-hot labels: no time axis
    np.testing.assert_array_equal(element_mask(sequences | {"mask": np.array([False, True])}, (2, 4))[0], [False] * 4)
