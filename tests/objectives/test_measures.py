"""Metrics of classes and of numbers against scikit-learn on whole splits, cut into batches of any size."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from scipy.special import softmax

from jaxdl.errors import UserError
from jaxdl.objectives import Objective, SigmoidCrossEntropy, SoftmaxCrossEntropy
from jaxdl.objectives.metrics import metric
from tests.objectives.splits import BATCHES, EXAMPLES, SEEDS, classified, compiled_partial, evaluate

CLASSES = st.sampled_from([2, 5])


@given(seed=SEEDS, examples=EXAMPLES, classes=CLASSES, batch_size=BATCHES)
def test_accuracy(seed: int, examples: int, classes: int, batch_size: int) -> None:
    logits, labels = classified(seed, examples, classes)
    expected = {"accuracy": reference.accuracy_score(labels, logits.argmax(-1))}
    assert evaluate("accuracy", logits, labels, batch_size) == expected
    assert evaluate("accuracy", logits, np.eye(classes, dtype=np.float32)[labels], batch_size) == expected


@given(seed=SEEDS, examples=EXAMPLES, k=st.integers(1, 4), batch_size=BATCHES)
def test_top_k(seed: int, examples: int, k: int, batch_size: int) -> None:
    classes = 5
    logits, labels = classified(seed, examples, classes)
    # Among equal scores scikit-learn ranks the highest class first and this project the lowest: so count backwards.
    expected = reference.top_k_accuracy_score(classes - 1 - labels, logits[:, ::-1], k=k, labels=range(classes))
    assert evaluate(f"top_{k}", logits, labels, batch_size) == {f"top_{k}": expected}


@given(seed=SEEDS, examples=EXAMPLES, classes=CLASSES, batch_size=BATCHES)
def test_confusion_precision_recall_and_f1(seed: int, examples: int, classes: int, batch_size: int) -> None:
    logits, labels = classified(seed, examples, classes)
    predicted = logits.argmax(-1)
    confusion = reference.confusion_matrix(labels, predicted, labels=range(classes))
    assert evaluate("confusion", logits, labels, batch_size) == {"confusion": confusion.tolist()}
    options = {"labels": range(classes), "zero_division": 0}
    per_class = reference.precision_recall_fscore_support(labels, predicted, **options)
    # Its own choice of labels: those that occur among labels or predictions.
    macro = reference.precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    for name, values, mean in zip(("precision", "recall", "f1"), per_class, macro, strict=False):
        result = evaluate(name, logits, labels, batch_size)
        np.testing.assert_allclose(result[f"{name}_per_class"], values, rtol=1e-12)
        assert result[name] == pytest.approx(mean, rel=1e-12)


@pytest.mark.slow
@given(seed=SEEDS, examples=EXAMPLES, classes=CLASSES, batch_size=BATCHES)
def test_perplexity_and_bits_are_forms_of_the_log_loss(seed: int, examples: int, classes: int, batch_size: int) -> None:
    logits, labels = classified(seed, examples, classes)
    loss = reference.log_loss(labels, softmax(logits.astype(np.float64), -1), labels=range(classes))
    expected = pytest.approx(math.exp(loss), rel=1e-5)
    assert evaluate("perplexity", logits, labels, batch_size)["perplexity"] == expected
    assert evaluate("perplexity", logits, np.eye(classes)[labels], batch_size)["perplexity"] == expected
    bits = evaluate("bits_per_step", logits, labels, batch_size)["bits_per_step"]
    assert bits == pytest.approx(loss / math.log(2), rel=1e-5, abs=1e-7)


@given(seed=SEEDS, examples=EXAMPLES, batch_size=BATCHES)
def test_classes_that_no_label_and_no_prediction_has_are_left_out_of_the_mean(
    seed: int, examples: int, batch_size: int
) -> None:
    """Letters in a set that also has digits: here the labels and predictions have at most 4 of 10 classes."""
    logits, labels = classified(seed, examples, 4)
    logits = np.concatenate([logits, np.full((examples, 6), -9, np.float32)], 1)
    expected = reference.precision_recall_fscore_support(labels, logits.argmax(-1), average="macro", zero_division=0)
    for name, mean in zip(("precision", "recall", "f1"), expected, strict=False):
        result = evaluate(name, logits, labels, batch_size)
        assert result[name] == pytest.approx(mean, rel=1e-12)
        assert evaluate(name, 9 * np.eye(10, dtype=np.float32)[labels], labels, batch_size)[name] == 1
        assert result[f"{name}_per_class"][4:] == [0] * 6


@given(seed=SEEDS, examples=EXAMPLES, batch_size=BATCHES)
def test_outputs_with_nan_are_wrong_and_choose_no_class(seed: int, examples: int, batch_size: int) -> None:
    """scikit-learn gets them as a class of their own, which is no label."""
    classes = 5
    logits, labels = classified(seed, examples, classes)
    random = np.random.default_rng(seed)
    rows = np.flatnonzero(random.random(examples) < 0.3)
    logits[rows, random.integers(classes, size=len(rows))] = np.nan
    predicted = np.where(np.isnan(logits).any(-1), classes, logits.argmax(-1))
    right = np.mean(predicted == labels)
    assert evaluate("accuracy", logits, labels, batch_size)["accuracy"] == right
    assert evaluate("top_1", logits, labels, batch_size)["top_1"] == right
    assert evaluate("top_5", logits, labels, batch_size)["top_5"] == np.mean(predicted < classes)
    confusion = reference.confusion_matrix(labels, predicted, labels=range(classes + 1))[:classes]
    expected = confusion if len(rows) else confusion[:, :classes]
    assert evaluate("confusion", logits, labels, batch_size)["confusion"] == expected.tolist()
    per_class = reference.precision_recall_fscore_support(labels, predicted, labels=range(classes), zero_division=0)
    for name, values in zip(("precision", "recall", "f1"), per_class, strict=False):
        result = evaluate(name, logits, labels, batch_size)
        np.testing.assert_allclose(result[f"{name}_per_class"], values, rtol=1e-12)
        present = np.isin(np.arange(classes), [*labels, *predicted])
        assert result[name] == pytest.approx(values[present].mean(), rel=1e-12)


def test_perplexity_of_a_model_that_knows_nothing_is_the_number_of_classes() -> None:
    assert evaluate("perplexity", np.zeros((4, 10), np.float32), np.arange(4), 4)["perplexity"] == pytest.approx(10)


def test_perplexity_may_be_infinite_or_unknown_but_never_an_error() -> None:
    wrong = np.array([[1e4, 0.0]], np.float32)
    assert evaluate("perplexity", wrong, np.array([1]), 1)["perplexity"] == math.inf
    assert math.isnan(evaluate("perplexity", wrong * np.nan, np.array([1]), 1)["perplexity"])


def regressed(seed: int, examples: int, outputs: int, mean: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = (mean + random.normal(size=(examples, outputs))).astype(np.float32)
    return (targets + random.normal(size=targets.shape) / 2).astype(np.float32), targets


@pytest.mark.slow
@given(
    seed=SEEDS,
    examples=EXAMPLES,
    outputs=st.sampled_from([1, 3]),
    mean=st.sampled_from([0.0, 1e3, 1e6]),
    batch_size=BATCHES,
)
def test_regression(seed: int, examples: int, outputs: int, mean: float, batch_size: int) -> None:
    values, targets = regressed(seed, examples, outputs, mean)
    figures: dict[str, Callable] = {
        "mean_squared_error": reference.mean_squared_error,
        "mean_absolute_error": reference.mean_absolute_error,
        "root_mean_squared_error": lambda *both: np.sqrt(reference.mean_squared_error(*both)),
    }
    if examples > 1:  # scikit-learn leaves R squared undefined for one example
        figures["r_squared"] = reference.r2_score
    for name, figure in figures.items():
        expected = figure(targets.astype(np.float64), values.astype(np.float64))
        assert evaluate(name, values, targets, batch_size)[name] == pytest.approx(expected, rel=1e-5, abs=1e-5)
        if outputs == 1:
            result = evaluate(name, values, targets[:, 0], batch_size)[name]
            assert result == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 4])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.3])
def test_r_squared_of_equal_targets_is_one_when_met_and_zero_otherwise(value: float, batch_size: int) -> None:
    targets = np.full((7, 1), value, np.float32)
    assert evaluate("r_squared", targets, targets, batch_size) == {"r_squared": 1}
    assert evaluate("r_squared", targets + 1, targets, batch_size) == {"r_squared": 0}


SIGMOID = SigmoidCrossEntropy(threshold=0.4)
REGRESSION = ["mean_squared_error", "root_mean_squared_error", "mean_absolute_error", "r_squared"]
COUNTED = ["confusion", "precision", "recall", "f1"]
NAMES = ["accuracy", "top_2", "perplexity", *COUNTED, *REGRESSION]
CASES = [
    *((name, None) for name in NAMES),
    *((name, SIGMOID) for name in ("accuracy", "exact_match", "perplexity", *COUNTED)),
]
EVERY = pytest.mark.parametrize(("name", "objective"), CASES)


def sequences(name: str, objective: Objective | None, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs (6, 5, n), targets (6, 5), for questions (6, 5, n), and a mask whose rows end where sequences do."""
    random = np.random.default_rng(seed)
    outputs = random.normal(size=(6, 5, 1 if name in REGRESSION else 4)).astype(np.float32)
    targets = random.normal(size=(6, 5)) if name in REGRESSION else random.integers(4, size=(6, 5))
    if objective is not None:
        targets = random.integers(2, size=(6, 5, 4))
    lengths = random.permutation(6)  # one sequence has no step
    targets = targets.astype(np.float32 if name in REGRESSION else np.int32)  # type: ignore[assignment]
    return outputs, targets, np.arange(5) < lengths[:, None]


def same(result: dict[str, Any], expected: dict[str, Any]) -> None:
    assert result.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(result[key], value, rtol=1e-5, err_msg=key)


@EVERY
def test_masked_steps_of_sequences_count_as_if_they_were_not_there(name: str, objective: Objective | None) -> None:
    outputs, targets, mask = sequences(name, objective, seed=4)
    result = evaluate(name, np.where(mask[..., None], outputs, np.nan), targets, 4, mask, objective)
    same(result, evaluate(name, outputs[mask], targets[mask], 15, None, objective))


@EVERY
def test_a_mask_of_examples_covers_all_their_steps(name: str, objective: Objective | None) -> None:
    outputs, targets, _ = sequences(name, objective, seed=0)
    mask = np.array([True, False, True, True, False, True])
    expected = evaluate(name, outputs, targets, 6, np.repeat(mask[:, None], 5, 1), objective)
    same(evaluate(name, outputs, targets, 4, mask, objective), expected)


@EVERY
def test_nothing_counted_gives_no_number(name: str, objective: Objective | None) -> None:
    outputs, targets, mask = sequences(name, objective, seed=0)
    with warnings.catch_warnings(action="error"):
        result = evaluate(name, outputs, targets, 4, np.zeros_like(mask), objective)
    if name == "confusion":
        assert not np.any(result[name])
    else:
        assert math.isnan(result[name])


@EVERY
def test_results_are_plain_numbers_under_the_metrics_name(name: str, objective: Objective | None) -> None:
    outputs, targets, mask = sequences(name, objective, seed=1)
    result = evaluate(name, outputs, targets, 4, mask, objective)
    assert next(iter(result)) == metric(name).name == name
    assert json.loads(json.dumps(result)) == result


@EVERY
def test_partial_sums_have_fixed_shapes_whole_counts_and_shared_names(name: str, objective: Objective | None) -> None:
    outputs, targets, mask = sequences(name, objective, seed=1)
    whole = compiled_partial(name, objective)(outputs, targets, mask)
    part = compiled_partial(name, objective)(outputs[:4], targets[:4], mask[:4])
    assert {k: v.shape for k, v in whole.items()} == {k: v.shape for k, v in part.items()}
    questions = 1 if objective is None else 4
    counts = {"count": mask.sum(), "answers": questions * mask.sum(), "confusion": questions * mask.sum()}
    (key,) = whole.keys() & counts.keys()
    assert whole[key].dtype == jnp.int32
    assert int(whole[key].sum()) == counts[key]


def test_counts_beyond_32_bits_add_up() -> None:
    partials = {"correct": np.full(4, 2**30, np.int32), "answers": np.full(4, 2**31 - 1, np.int32)}
    assert metric("accuracy").result(partials)["accuracy"] == pytest.approx(2**30 / (2**31 - 1), rel=1e-12)


def test_sums_of_batches_keep_digits_that_float32_would_lose() -> None:
    partials = {"squared_error": np.array([2**25] + [1] * 7, np.float32), "count": np.ones(8, np.int32)}
    assert metric("mean_squared_error").result(partials)["mean_squared_error"] == (2**25 + 7) / 8


@EVERY
def test_outputs_and_targets_that_do_not_fit_are_refused(name: str, objective: Objective | None) -> None:
    with pytest.raises(UserError, match="shape"):
        metric(name, objective).partial(np.zeros((4, 3), np.float32), np.zeros((4, 2), np.float32), np.ones(4, bool))


def test_the_accuracy_of_roots_is_that_of_the_last_step_that_counts() -> None:
    outputs, targets, mask = sequences("accuracy", None, seed=4)
    mask &= np.arange(mask.shape[1]) < np.array([1, 3, 5, 2, 0, 4])[:, None]
    roots = [(number, np.flatnonzero(row)[-1]) for number, row in enumerate(mask) if row.any()]
    right = [outputs[place].argmax() == targets[place] for place in roots]
    assert 0 < sum(right) < len(right)
    for batch_size in (4, 6):
        found = evaluate("root_accuracy", outputs, targets, batch_size, mask)
        assert found == {"root_accuracy": pytest.approx(np.mean(right))}
    weights = np.where(mask, np.arange(1, 7, dtype=np.float32)[:, None], 0)
    shares = [weights[place] for place in roots]
    weighted = evaluate("root_accuracy", outputs, targets, 6, weights)
    assert weighted == {"root_accuracy": pytest.approx(np.average(right, weights=shares))}


def test_the_accuracy_of_roots_is_the_accuracy_where_an_example_has_one_class() -> None:
    random = np.random.default_rng(2)
    outputs, targets = random.normal(size=(30, 3)).astype(np.float32), random.integers(3, size=30)
    found = evaluate("root_accuracy", outputs, targets, 7)["root_accuracy"]
    assert found == pytest.approx(evaluate("accuracy", outputs, targets, 7)["accuracy"])


@given(seed=SEEDS, examples=EXAMPLES, batch_size=BATCHES)
def test_an_exact_match_is_a_sequence_without_a_wrong_step_that_counts(seed, examples, batch_size) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(2, size=(examples, 3))
    logits = random.normal(size=(examples, 3, 2)).astype(np.float32) + 2 * np.eye(2, dtype=np.float32)[labels]
    mask = np.arange(3) < random.integers(4, size=examples)[:, None]
    result = evaluate("exact_match", logits, labels, batch_size, mask, SoftmaxCrossEntropy())["exact_match"]
    whole = [
        all(logits[row, step].argmax() == labels[row, step] for step in range(3) if mask[row, step])
        for row in range(examples)
        if mask[row].any()
    ]
    assert result == pytest.approx(np.mean(whole)) if whole else np.isnan(result)
    weights = random.choice([0.0, 0.5, 2.0], examples).astype(np.float32)
    if not (weights * mask.any(1)).any():
        return
    weighted = evaluate("exact_match", logits, labels, batch_size, weights[:, None] * mask, SoftmaxCrossEntropy())
    exact = ((logits.argmax(-1) == labels) | ~mask).all(1)
    assert weighted["exact_match"] == pytest.approx(np.average(exact, weights=weights * mask.any(1)))
