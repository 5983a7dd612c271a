"""Metrics against scikit-learn on whole splits, cut into batches of any size."""

from __future__ import annotations

import functools
import json
import math
import warnings
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from scipy.special import expit, softmax

from jaxdl.errors import UserError
from jaxdl.objectives.metrics import check_metrics, direction, metric, training_metrics

SEEDS = st.integers(0, 2**32 - 1)
EXAMPLES = st.integers(1, 40)
# Few shapes, so that JAX compiles few programs.
BATCHES = st.sampled_from([7, 64])
CLASSES = st.sampled_from([2, 5])


@functools.cache
def compiled_partial(name: str) -> Callable[..., dict[str, jax.Array]]:
    return jax.jit(metric(name).partial)


def evaluate(name: str, outputs: Any, targets: Any, batch_size: int, mask: Any = None) -> dict[str, Any]:
    """Evaluates a split in batches; the last is filled up with rows of NaN and class 0, which the mask leaves out."""
    count = len(outputs)
    mask = np.ones(count, bool) if mask is None else mask
    filling = -count % batch_size
    padded = [
        np.concatenate([array, np.full((filling, *array.shape[1:]), fill, array.dtype)])
        for array, fill in ((outputs, np.nan), (targets, 0), (mask, False))
    ]
    batches = [
        compiled_partial(name)(*(array[start : start + batch_size] for array in padded))
        for start in range(0, len(padded[0]), batch_size)
    ]
    partials = {key: np.stack([np.asarray(batch[key]) for batch in batches]) for key in batches[0]}
    return metric(name).result(partials)


def classified(seed: int, examples: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits on a coarse grid, so that ties are common, and labels that they say something about."""
    random = np.random.default_rng(seed)
    labels = random.integers(classes, size=examples)
    logits = random.integers(-2, 3, size=(examples, classes)) + np.eye(classes, dtype=int)[labels]
    return logits.astype(np.float32), labels.astype(np.int32)


@given(seed=SEEDS, examples=EXAMPLES, classes=CLASSES, batch_size=BATCHES)
def test_accuracy(seed: int, examples: int, classes: int, batch_size: int) -> None:
    logits, labels = classified(seed, examples, classes)
    expected = {"accuracy": reference.accuracy_score(labels, logits.argmax(-1))}
    assert evaluate("accuracy", logits, labels, batch_size) == expected
    assert evaluate("accuracy", logits, np.eye(classes, dtype=np.float32)[labels], batch_size) == expected


@given(seed=SEEDS, examples=EXAMPLES, batch_size=BATCHES)
def test_one_logit_is_decided_by_its_sign(seed: int, examples: int, batch_size: int) -> None:
    logits, labels = classified(seed, examples, 2)
    logit = logits[:, 1:]
    decided = (logit[:, 0] > 0).astype(int)
    matrix = reference.confusion_matrix(labels, decided, labels=[0, 1]).tolist()
    for targets in (labels, labels[:, None], labels.astype(np.float32)):
        assert evaluate("accuracy", logit, targets, batch_size)["accuracy"] == np.mean(decided == labels)
        assert evaluate("confusion", logit, targets, batch_size)["confusion"] == matrix
    assert evaluate("top_1", logit, labels, batch_size)["top_1"] == np.mean(decided == labels)


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
    macro = reference.precision_recall_fscore_support(labels, predicted, average="macro", **options)
    for name, values, mean in zip(("precision", "recall", "f1"), per_class, macro, strict=False):
        result = evaluate(name, logits, labels, batch_size)
        np.testing.assert_allclose(result[f"{name}_per_class"], values, rtol=1e-12)
        assert result[name] == pytest.approx(mean, rel=1e-12)


@given(seed=SEEDS, examples=EXAMPLES, classes=CLASSES, batch_size=BATCHES)
def test_perplexity_is_the_exponential_of_the_log_loss(seed: int, examples: int, classes: int, batch_size: int) -> None:
    logits, labels = classified(seed, examples, classes)
    loss = reference.log_loss(labels, softmax(logits.astype(np.float64), -1), labels=range(classes))
    expected = pytest.approx(math.exp(loss), rel=1e-5)
    assert evaluate("perplexity", logits, labels, batch_size)["perplexity"] == expected
    assert evaluate("perplexity", logits, np.eye(classes)[labels], batch_size)["perplexity"] == expected
    binary = labels % 2
    loss = reference.log_loss(binary, expit(logits[:, 0].astype(np.float64)), labels=[0, 1])
    value = evaluate("perplexity", logits[:, :1], binary, batch_size)["perplexity"]
    assert value == pytest.approx(math.exp(loss), rel=1e-5)


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


NAMES = [
    *("accuracy", "top_2", "confusion", "precision", "recall", "f1", "perplexity"),
    *("mean_squared_error", "mean_absolute_error", "r_squared"),
]
REGRESSION = NAMES[-3:]


def sequences(name: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs (6, 5, n), targets (6, 5), and a mask (6, 5) whose rows end where sequences do; one has no step."""
    random = np.random.default_rng(seed)
    outputs = random.normal(size=(6, 5, 1 if name in REGRESSION else 4)).astype(np.float32)
    targets = random.normal(size=(6, 5)) if name in REGRESSION else random.integers(4, size=(6, 5))
    lengths = random.permutation(6)
    targets = targets.astype(np.float32 if name in REGRESSION else np.int32)  # type: ignore[assignment]
    return outputs, targets, np.arange(5) < lengths[:, None]


def same(result: dict[str, Any], expected: dict[str, Any]) -> None:
    assert result.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(result[key], value, rtol=1e-5, err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_masked_steps_of_sequences_count_as_if_they_were_not_there(name: str) -> None:
    outputs, targets, mask = sequences(name, seed=4)
    result = evaluate(name, np.where(mask[..., None], outputs, np.nan), targets, 4, mask)
    same(result, evaluate(name, outputs[mask], targets[mask], 15))


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_of_examples_covers_all_their_steps(name: str) -> None:
    outputs, targets, _ = sequences(name, seed=0)
    mask = np.array([True, False, True, True, False, True])
    expected = evaluate(name, outputs, targets, 6, np.repeat(mask[:, None], 5, 1))
    same(evaluate(name, outputs, targets, 4, mask), expected)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_counted_gives_no_number(name: str) -> None:
    outputs, targets, mask = sequences(name, seed=0)
    with warnings.catch_warnings(action="error"):
        result = evaluate(name, outputs, targets, 4, np.zeros_like(mask))
    if name in ("confusion", "precision", "recall", "f1"):
        assert not np.any(result[name])
    else:
        assert math.isnan(result[name])


@pytest.mark.parametrize("name", NAMES)
def test_results_are_plain_numbers_under_the_metrics_name(name: str) -> None:
    outputs, targets, mask = sequences(name, seed=1)
    result = evaluate(name, outputs, targets, 4, mask)
    assert next(iter(result)) == metric(name).name == name
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize("name", NAMES)
def test_partial_sums_have_fixed_shapes_whole_counts_and_shared_names(name: str) -> None:
    outputs, targets, mask = sequences(name, seed=1)
    whole = compiled_partial(name)(outputs, targets, mask)
    part = compiled_partial(name)(outputs[:4], targets[:4], mask[:4])
    assert {k: v.shape for k, v in whole.items()} == {k: v.shape for k, v in part.items()}
    if "count" in whole:
        assert whole["count"].dtype == jnp.int32
        assert int(whole["count"]) == mask.sum()
    else:
        assert whole["confusion"].dtype == jnp.int32
        assert int(whole["confusion"].sum()) == mask.sum()


def test_counts_beyond_32_bits_add_up() -> None:
    partials = {"correct": np.full(4, 2**30, np.int32), "count": np.full(4, 2**31 - 1, np.int32)}
    assert metric("accuracy").result(partials)["accuracy"] == pytest.approx(2**30 / (2**31 - 1), rel=1e-12)


def test_sums_of_batches_keep_digits_that_float32_would_lose() -> None:
    partials = {"squared_error": np.array([2**25] + [1] * 7, np.float32), "count": np.ones(8, np.int32)}
    assert metric("mean_squared_error").result(partials)["mean_squared_error"] == (2**25 + 7) / 8


def test_better_is_higher_or_lower() -> None:
    assert [name for name in NAMES if metric(name).higher_is_better] == [
        *("accuracy", "top_2", "precision", "recall", "f1", "r_squared")
    ]
    assert metric("confusion").higher_is_better is None
    figures = ("loss", "train/loss", "validation/accuracy", "accuracy", "test/perplexity", "validation/confusion")
    assert [direction(figure) for figure in figures] == [
        *("minimize", "minimize", "maximize", "maximize", "minimize", None)
    ]
    with pytest.raises(UserError, match="unknown metric 'acuracy'"):
        direction("validation/acuracy")


def test_accuracy_alone_is_measured_in_training_as_its_mean_over_the_batch() -> None:
    (accuracy,) = training_metrics(NAMES)
    assert accuracy.name == "accuracy" and training_metrics(["perplexity", "confusion"]) == []
    logits, labels = classified(3, 40, 5)
    mask = np.arange(40) < 33
    value = jax.jit(lambda *batch: accuracy.of_batch(accuracy.partial(*batch)))(logits, labels, mask)
    expected = reference.accuracy_score(labels[mask], logits[mask].argmax(-1))
    assert value.dtype == jnp.float32 and float(value) == pytest.approx(expected, rel=1e-6)
    assert float(accuracy.of_batch(accuracy.partial(logits, labels, np.zeros(40, bool)))) == 0


@pytest.mark.parametrize(("name", "meant"), [("acuracy", "accuracy"), ("top_0", "top_5"), ("top_k", "top_5")])
def test_an_unknown_name_is_answered_with_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"unknown metric '{name}'. Did you mean '{meant}'"):
        metric(name)
    with pytest.raises(UserError, match="Choose from: accuracy, confusion"):
        check_metrics(("accuracy", name))


def test_a_list_of_metrics_is_checked() -> None:
    assert check_metrics(("accuracy", "top_3", "f1")) is None
    assert check_metrics(("accuracy", "f1", "accuracy")) == "must not name a metric twice"


@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_targets_that_do_not_fit_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="shape"):
        metric(name).partial(np.zeros((4, 3), np.float32), np.zeros((4, 2), np.float32), np.ones(4, bool))
