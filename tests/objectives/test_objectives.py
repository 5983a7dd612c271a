"""What a whole run measures follows from its objective: from the recipe to the summary and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.errors import UserError
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


OF_QUESTIONS = "accuracy, exact_match, perplexity, bits_per_step, confusion, precision, recall, f1, mean_iou"


@pytest.mark.parametrize(
    ("objective", "names", "fitting"),
    [
        (SQUARES, ("accuracy",), "mean_squared_error, root_mean_squared_error, mean_absolute_error, r_squared"),
        (QUESTIONS, ("top_2",), OF_QUESTIONS),
        (QUESTIONS, ("accuracy", "r_squared"), OF_QUESTIONS),
    ],
)
def test_a_metric_of_another_kind_of_target_is_refused_before_anything_is_written(
    objective: jaxdl.Objective, names: tuple[str, ...], fitting: str, tmp_path: Path
) -> None:
    experiment = recipe(objective, np.zeros((6, 3)), np.zeros((6, 3), int), names)
    with pytest.raises(UserError, match=f"metrics={names[-1]}: not defined for .* choose from: {fitting}\\."):
        jaxdl.train(experiment, run_dir=tmp_path / "run", data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
