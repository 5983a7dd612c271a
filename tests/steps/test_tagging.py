"""An answer for every step of padded sequences: padding counts nowhere, neither in the loss nor in any metric."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as reference

import jaxdl
from jaxdl.inference import counted_steps, predictions_csv
from tests.padded import untrained

STEPS, CLASSES = 5, 5  # as many, so that nothing may take steps for classes
RANDOM = np.random.default_rng(0)
COUNT = 12
INPUTS = RANDOM.normal(size=(COUNT, STEPS, 2)).astype(np.float32)
LENGTHS = np.array([5, 1, 3, 2, 4, 5, 1, 2, 3, 4, 5, 2], np.int32)
VALID = np.arange(STEPS) < LENGTHS[:, None]
LABELS = RANDOM.integers(0, CLASSES, (COUNT, STEPS)).astype(np.int32)
BITS = RANDOM.integers(0, 2, (COUNT, STEPS)).astype(np.int32)
VALUES = RANDOM.normal(3, 2, (COUNT, STEPS)).astype(np.float32)


def recipe(targets: np.ndarray, objective: jaxdl.Objective, metrics: tuple[str, ...]) -> jaxdl.Experiment:
    wild = {"f": 1e9, "i": 0}[targets.dtype.kind]  # what stands in the padding must not matter
    split = {
        "inputs": np.where(VALID[..., None], INPUTS, 1e3),
        "targets": np.where(VALID, targets, wild).astype(targets.dtype),
        "lengths": LENGTHS,
    }
    return jaxdl.Experiment(
        name="tagging",
        data=jaxdl.Arrays(train=split, test=split, validation=0, outputs=1 if objective.kind != "classes" else None),
        model=jaxdl.RNN(features=(4,), cell="simple", every_step=True),
        objective=objective,
        optimizer=jaxdl.SGD(learning_rate=0.1),
        training=jaxdl.Training(epochs=1, batch_size=COUNT),
        metrics=metrics,
    )


def measured(experiment: jaxdl.Experiment) -> tuple[dict[str, Any], dict[str, Any], np.ndarray]:
    """Returns figures of evaluation and of a train step of an untrained model, and what it predicts."""
    model = untrained(experiment)
    dataset = experiment.data.load()
    split = dict(dataset.splits["train"])
    steps = jaxdl.make_steps(model.experiment, dataset.spec, 1)
    sums = {key: np.asarray(value)[None] for key, value in steps.eval_step(model.state, split).items()}
    figures: dict[str, Any] = {}
    for name in experiment.measured:
        figures |= jaxdl.metric(name, experiment.objective).result(sums)
    figures["loss"] = float(sums["loss"].sum() / sums["count"].sum())
    _, trained = steps.train_step(model.state, split, jaxdl.hyperparameters(experiment))
    predicted = np.asarray(steps.predict_step(model.state, split))
    return figures, {name: float(value) for name, value in trained.items()}, predicted


def test_classes() -> None:
    names = ("accuracy", "exact_match", "f1", "confusion", "perplexity", "top_2")
    figures, trained, predicted = measured(recipe(LABELS, jaxdl.SoftmaxCrossEntropy(), names))
    probabilities, labels = predicted.astype(np.float64)[VALID], LABELS[VALID]
    loss = reference.log_loss(labels, probabilities / probabilities.sum(-1, keepdims=True), labels=range(CLASSES))
    chosen = probabilities.argmax(-1)
    assert figures["loss"] == pytest.approx(loss, rel=1e-5)
    assert figures["perplexity"] == pytest.approx(np.exp(loss), rel=1e-5)
    assert figures["accuracy"] == pytest.approx(reference.accuracy_score(labels, chosen))
    assert figures["f1"] == pytest.approx(reference.f1_score(labels, chosen, average="macro", zero_division=0))
    assert figures["top_2"] == pytest.approx(
        reference.top_k_accuracy_score(labels, probabilities, k=2, labels=range(CLASSES))
    )
    np.testing.assert_array_equal(
        figures["confusion"], reference.confusion_matrix(labels, chosen, labels=range(CLASSES))
    )
    right = (predicted.argmax(-1) == LABELS) | ~VALID
    assert figures["exact_match"] == pytest.approx(right.all(1).mean())
    assert trained["loss"] == pytest.approx(loss, rel=1e-5)
    assert trained["accuracy"] == pytest.approx(figures["accuracy"])


def test_yes_or_no() -> None:
    figures, trained, predicted = measured(recipe(BITS, jaxdl.SigmoidCrossEntropy(), ("accuracy", "f1")))
    probabilities, bits = predicted.astype(np.float64)[VALID], BITS[VALID]
    assert predicted.shape == (COUNT, STEPS)
    assert figures["loss"] == pytest.approx(reference.log_loss(bits, probabilities), rel=1e-5)
    assert figures["accuracy"] == pytest.approx(reference.accuracy_score(bits, probabilities > 0.5))
    assert figures["f1"] == pytest.approx(
        reference.f1_score(bits, probabilities > 0.5, average="macro", labels=[0, 1], zero_division=0)
    )
    assert trained["loss"] == pytest.approx(figures["loss"], rel=1e-5)


def test_numbers() -> None:
    names = ("mean_absolute_error", "root_mean_squared_error", "r_squared")
    figures, trained, predicted = measured(recipe(VALUES, jaxdl.MeanSquaredError(), names))
    found, values = predicted.astype(np.float64)[VALID], VALUES[VALID].astype(np.float64)
    error = reference.mean_squared_error(values, found)
    assert figures["mean_absolute_error"] == pytest.approx(reference.mean_absolute_error(values, found), rel=1e-5)
    assert figures["root_mean_squared_error"] == pytest.approx(np.sqrt(error), rel=1e-5)
    assert figures["r_squared"] == pytest.approx(reference.r2_score(values, found), rel=1e-4, abs=1e-5)
    assert figures["loss"] == pytest.approx(error / values.var(), rel=1e-4)
    assert trained["loss"] == pytest.approx(figures["loss"], rel=1e-5)


def test_the_classes_of_steps_are_counted_without_padding() -> None:
    look = jaxdl.look_at_data(recipe(LABELS, jaxdl.SoftmaxCrossEntropy(), ("accuracy",)), notify=lambda line: None)
    assert look.found.class_counts["train"] == tuple(np.bincount(LABELS[VALID], minlength=CLASSES))


def test_predictions_name_the_label_of_each_valid_step() -> None:
    model = untrained(recipe(LABELS, jaxdl.SoftmaxCrossEntropy(), ("accuracy",)))
    predictions = model.predict(INPUTS, LENGTHS)
    counted = counted_steps(model.spec, predictions, LENGTHS)
    text = predictions_csv(list(map(str, range(COUNT))), predictions, model.spec.class_names, lengths=counted)
    rows = list(csv.DictReader(text.splitlines()))
    chosen = predictions.argmax(-1)
    expected = [" ".join(map(str, row[:length])) for row, length in zip(chosen, LENGTHS, strict=True)]
    assert [row["prediction"] for row in rows] == expected


def test_numbers_beyond_a_sequence_are_left_empty() -> None:
    spec = recipe(VALUES, jaxdl.MeanSquaredError(), ()).data.load().spec
    predictions = np.arange(6.0).reshape(2, 3)
    assert counted_steps(spec, predictions, np.array([2, 3])) is None  # of another number of steps
    found = counted_steps(spec, VALUES, LENGTHS)
    np.testing.assert_array_equal(found, LENGTHS)
    text = predictions_csv(["a", "b"], predictions, (), lengths=np.array([1, 3]))
    assert text.splitlines() == ["file,prediction_0,prediction_1,prediction_2", "a,0,,", "b,3,4,5"]
