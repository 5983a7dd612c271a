"""What a whole run measures follows from its objective: from the recipe to the summary and the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics as reference
from flax import linen as nn
from scipy.special import softmax

import jaxdl
from jaxdl.errors import UserError
from jaxdl.objectives import ctc
from jaxdl.objectives.alignment import only_blank_beyond
from jaxdl.training.hooks import Hooks

QUESTIONS = jaxdl.SigmoidCrossEntropy()
SQUARES = jaxdl.MeanSquaredError()


class Given(nn.Module):
    """A model whose outputs are its inputs; NaN where those are below -5."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        bias = self.param("bias", nn.initializers.zeros, (inputs.shape[-1],))
        return jnp.where(inputs < -5, jnp.nan, inputs) + bias


def recipe(objective: jaxdl.Objective, outputs: Any, targets: Any, metrics: Any = None, classes: Any = None) -> Any:
    split = (np.asarray(outputs, np.float32), np.asarray(targets))
    train = (np.maximum(split[0], -5), split[1])  # without NaN, which would spread to the parameters
    return jaxdl.Experiment(
        name="given",
        data=jaxdl.Arrays(train=train, test=split, validation=0.0, outputs=classes, standardize=False),
        model=Given(),
        objective=objective,
        optimizer=jaxdl.SGD(learning_rate=1e-30),
        training=jaxdl.Training(epochs=1, nan="ignore"),
        metrics=metrics,
    )


def measured(experiment: Any, run_dir: Path) -> dict[str, Any]:
    hooks = Hooks(plots=False)
    summary = jaxdl.train(experiment, run_dir=run_dir, data_dir=run_dir, notify=lambda message: None, hooks=hooks)
    return {name.removeprefix("test/"): value for name, value in summary["metrics"].items() if name.startswith("test/")}


def test_all_answers_to_several_questions_right_is_an_accuracy_of_one(tmp_path: Path) -> None:
    answers = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 1], [1, 0, 1]])
    logits = answers * [1.0, 2.0, 3.0] - (1 - answers)  # their largest is always the last
    names = ("accuracy", "f1", "confusion")
    figures = measured(recipe(QUESTIONS, logits, answers, names), tmp_path / "run")
    assert figures["accuracy"] == figures["f1"] == 1
    assert figures["confusion"] == [[[2, 0], [0, 3]], [[3, 0], [0, 2]], [[0, 0], [0, 5]]]
    assert "<h2>Questions</h2>" in (tmp_path / "run" / "report.html").read_text()


def test_a_perfect_model_has_an_f1_of_one_whatever_classes_occur(tmp_path: Path) -> None:
    labels = np.array([0, 3, 3, 7])
    experiment = recipe(jaxdl.SoftmaxCrossEntropy(), 9 * np.eye(10)[labels], labels, ("f1",), classes=10)
    assert measured(experiment, tmp_path / "run")["f1"] == 1


def test_outputs_with_nan_are_wrong(tmp_path: Path) -> None:
    labels = np.array([0, 0, 1])
    experiment = recipe(jaxdl.SoftmaxCrossEntropy(), [[-9, 1], [1, 0], [-9, 1]], labels, ("accuracy", "confusion"))
    figures = measured(experiment, tmp_path / "run")
    assert figures["accuracy"] == pytest.approx(1 / 3) and figures["confusion"] == [[1, 0, 1], [0, 0, 1]]


def test_a_regression_measures_its_mean_absolute_error(tmp_path: Path) -> None:
    figures = measured(recipe(SQUARES, [[1.0], [2.0], [5.0]], [1.5, 2.0, 4.0]), tmp_path / "run")
    assert figures == {"loss": pytest.approx(1.25 / 3), "mean_absolute_error": pytest.approx(0.5)}


def test_counts_are_measured_as_counts(tmp_path: Path) -> None:
    counts = np.array([0.0, 3.0, 2.0, 7.0], np.float32)
    figures = measured(recipe(jaxdl.Poisson(), np.log([[1.0], [2.0], [3.0], [4.0]]), counts), tmp_path / "run")
    expected = np.mean([1.0, 2.0, 3.0, 4.0] - counts * np.log([1.0, 2.0, 3.0, 4.0]))
    assert figures == {"loss": pytest.approx(expected, rel=1e-5), "mean_absolute_error": pytest.approx(1.5)}


def test_steps_with_the_label_to_be_ignored_count_nowhere(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    logits, labels = random.normal(size=(8, 5, 3)), random.integers(0, 3, size=(8, 5))
    labels[random.random((8, 5)) < 0.4] = 255
    experiment = recipe(jaxdl.SoftmaxCrossEntropy(), logits, labels, ("accuracy", "confusion", "perplexity"))
    changes = {"data.ignore_index": 255, "training.class_weight": (1.0, 2.0, 3.0)}
    figures = measured(jaxdl.replace(experiment, changes), tmp_path / "run")
    counted = labels < 3
    probabilities = softmax(logits, -1)[counted]
    truth, predicted = labels[counted], logits[counted].argmax(-1)
    assert figures["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    assert figures["confusion"] == reference.confusion_matrix(truth, predicted).tolist()
    assert figures["loss"] == pytest.approx(reference.log_loss(truth, probabilities), rel=1e-5)
    assert figures["perplexity"] == pytest.approx(np.exp(figures["loss"]), rel=1e-6)
    train = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    expected = reference.log_loss(truth, probabilities, sample_weight=1.0 + truth)
    assert train["loss"] == pytest.approx(expected, rel=1e-5)


def test_answers_of_other_lengths_are_aligned_with_the_steps(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lengths = np.array([7, 9, 6, 9])
    padded = random.normal(size=(4, 9, 5)).astype(np.float32)
    answers = np.array([[0, 1, -1], [3, -1, -1], [2, 0, 2], [1, 1, -1]])
    losses = ctc(only_blank_beyond(jnp.asarray(padded), jnp.asarray(lengths)), answers)
    x = [each[:length] for each, length in zip(padded, lengths, strict=True)]
    y = [answer[answer >= 0] for answer in answers]
    data = jaxdl.Arrays(train=(x, y), test=(x, y), validation=0.0).load(tmp_path, lambda line: None)
    experiment = recipe("ctc", np.ones((2, 2)), np.ones(2, int))
    steps = jaxdl.make_steps(experiment, data.spec, 1)
    assert jaxdl.replace(experiment, {"model": jaxdl.MLP()}).for_spec(data.spec).model.outputs == 5  # and the blank
    _, metrics = steps.train_step(steps.init_state(0), data.splits["train"], jaxdl.hyperparameters(experiment))
    assert float(metrics["loss"]) == pytest.approx(float(losses.mean()), rel=1e-5)


OF_QUESTIONS = "accuracy, exact_match, perplexity, bits_per_step, confusion, precision, recall, f1, mean_iou"
OF_VALUES = (
    "mean_squared_error, root_mean_squared_error, mean_absolute_error, mean_absolute_percentage_error, r_squared"
)


@pytest.mark.parametrize(
    ("objective", "names", "fitting"),
    [
        (SQUARES, ("accuracy",), OF_VALUES),
        (QUESTIONS, ("top_2",), OF_QUESTIONS),
        (QUESTIONS, ("accuracy", "r_squared"), OF_QUESTIONS),
    ],
)
def test_a_metric_of_another_kind_of_target_is_refused_before_anything_is_written(
    objective: jaxdl.Objective, names: tuple[str, ...], fitting: str, tmp_path: Path
) -> None:
    experiment = recipe(objective, np.zeros((6, 3)), np.zeros((6, 3), int), names)
    with pytest.raises(UserError, match=f"metrics={names[-1]}: not defined for .* choose from: {fitting}[.,]"):
        jaxdl.train(experiment, run_dir=tmp_path / "run", data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
