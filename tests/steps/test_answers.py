"""Answers of several steps: training is told them, evaluation and prediction are not, padding counts nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.export
import numpy as np
import pytest
import sklearn.metrics as reference
from scipy.special import softmax

import jaxdl
from jaxdl.inference import counted_steps, predictions_csv
from tests.padded import untrained

DATA = jaxdl.Addition(digits=2, train_examples=40, test_examples=10)
RECIPE = jaxdl.Experiment(
    name="sums",
    data=DATA,
    model=jaxdl.Seq2Seq(units=6, embed=4, cell="simple"),
    objective=jaxdl.SoftmaxCrossEntropy(),
    optimizer=jaxdl.SGD(learning_rate=0.1),
    training=jaxdl.Training(epochs=1, batch_size=9, buckets=1),
    metrics=("exact_match", "accuracy"),
)


@pytest.fixture(scope="module")
def trained() -> tuple[jaxdl.TrainedModel, dict[str, np.ndarray]]:
    """A model with its initial parameters, and examples whose padding holds what must not matter."""
    model, split = untrained(RECIPE), dict(DATA.load().splits["train"])
    for key, lengths, wild in (("inputs", "lengths", 9), ("targets", "target_lengths", -1)):
        padding = np.arange(split[key].shape[1]) >= split[lengths][:, None]
        split[key] = np.where(padding, wild, split[key]).astype(np.int32)
    return model, split


def logits(model: jaxdl.TrainedModel, split: dict[str, np.ndarray], **told: Any) -> np.ndarray:
    given = {"params": model.state.params}, split["inputs"]
    apply = jax.jit(model.experiment.model.apply)
    return np.asarray(apply(*given, lengths=split["lengths"], **told), np.float64)


def loss(values: np.ndarray, split: dict[str, np.ndarray]) -> float:
    valid = np.arange(values.shape[1]) < split["target_lengths"][:, None]
    return float(reference.log_loss(split["targets"][valid], softmax(values, -1)[valid], labels=range(11)))


def test_the_loss_of_training_is_that_of_a_decoder_that_is_told_each_step(trained) -> None:
    model, split = trained
    _, figures = model.steps.train_step(model.state, split, jaxdl.hyperparameters(model.experiment))
    told = logits(model, split, targets=split["targets"])
    assert float(figures["loss"]) == pytest.approx(loss(told, split), rel=1e-5)


def test_figures_of_evaluation_are_those_of_its_own_answers(trained) -> None:
    model, split = trained
    sums = {key: np.asarray(value)[None] for key, value in model.steps.eval_step(model.state, split).items()}
    own = logits(model, split)
    valid = np.arange(own.shape[1]) < split["target_lengths"][:, None]
    right = own.argmax(-1) == split["targets"]
    assert sums["loss"][0] / sums["count"][0] == pytest.approx(loss(own, split), rel=1e-5)
    figures = {name: jaxdl.metric(name, RECIPE.objective).result(sums)[name] for name in RECIPE.measured}
    assert figures["accuracy"] == pytest.approx(right[valid].mean())
    assert figures["exact_match"] == pytest.approx((right | ~valid).all(1).mean())


def test_predictions_end_with_the_answer() -> None:
    spec = DATA.load().spec
    predictions = np.zeros((3, 4, 11))
    for row, answer in enumerate([(4, 2, 10, 7), (10, 1, 2, 3), (1, 2, 3, 4)]):
        predictions[row, range(4), answer] = 1
    counted = counted_steps(spec, predictions, np.array([1, 1, 1]))
    np.testing.assert_array_equal(counted, [2, 0, 4])
    text = predictions_csv(["a", "b", "c"], predictions, spec.class_names, lengths=counted)
    assert text.splitlines() == ["file,prediction", "a,4 2", "b,", "c,1 2 3 4"]


@pytest.mark.slow
def test_a_run_is_evaluated_again_and_predicts(tmp_path: Path) -> None:
    summary = jaxdl.train(RECIPE, run_dir=tmp_path / "run")
    again = jaxdl.evaluate(tmp_path / "run", notify=lambda line: None)
    assert again["metrics"]["test/loss"] == summary["metrics"]["test/loss"]
    model = jaxdl.load_run(tmp_path / "run")
    assert model.predict([np.array([1, 10, 2], np.int32)]).shape == (1, 4, 11)
    test = DATA.load().splits["test"]
    exported = jax.export.deserialize(jaxdl.export_program(model)).call(test["inputs"], test["lengths"])
    np.testing.assert_allclose(exported, model.predict(test["inputs"], test["lengths"]), rtol=1e-4, atol=1e-6)
