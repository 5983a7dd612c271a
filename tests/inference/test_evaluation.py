"""Evaluation against NumPy, over every example once, and of finished runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxdl
from jaxdl.backend.compiler import compiled
from jaxdl.data.resident import put_on_device
from jaxdl.errors import UserError
from jaxdl.inference.evaluation import Evaluation, device_hparams
from jaxdl.objectives.measures import Metric
from jaxdl.steps.figures import eval_metrics
from jaxdl.training import loop
from tests.small import blobs


def experiment(**changes: object) -> jaxdl.Experiment:
    base = jaxdl.Experiment(
        name="evaluated",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(8,), dropout=0.1),
        objective=jaxdl.SoftmaxCrossEntropy(label_smoothing=0.1),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=3, batch_size=16, eval_batch_size=7),
        metrics=("accuracy", "confusion"),
    )
    return jaxdl.replace(base, changes)


@pytest.mark.parametrize("size", [1, 7, 20, 40])
def test_evaluation_counts_every_example_once_on_any_batch_size(size: int) -> None:
    recipe, dataset = experiment(**{"training.eval_batch_size": size}), blobs()
    trainer = jaxdl.Trainer(recipe, dataset)
    state = trainer.init_state()
    for split in ("validation", "test"):
        inputs, targets = dataset.splits[split]["inputs"], dataset.splits[split]["targets"]
        figures = trainer.evaluate(state, split)
        predictions = np.asarray(trainer.programs.steps.predict_step(state, {"inputs": jnp.asarray(inputs)}))
        assert figures["accuracy"] == (predictions.argmax(1) == targets).mean()
        assert np.sum(figures["confusion"]) == len(targets)
        losses = -np.log(predictions[np.arange(len(targets)), targets].astype(np.float64))
        assert figures["loss"] == pytest.approx(losses.mean(), rel=1e-5)


def test_recipes_that_share_an_evaluation_are_evaluated_by_their_own_metrics() -> None:
    trainer = jaxdl.Trainer(experiment(), blobs())
    state = trainer.init_state()
    assert set(trainer.evaluate(state, "test")) == {"loss", "accuracy", "confusion"}
    other = trainer.variant(jaxdl.replace(trainer.experiment, {"metrics": ("accuracy",)}))
    for _ in range(2):
        assert set(trainer.evaluate(state, "test")) == {"loss", "accuracy", "confusion"}
        assert set(other.evaluate(state, "test")) == {"loss", "accuracy"}
    other.vary(trainer.experiment)
    assert set(other.evaluate(state, "test")) == {"loss", "accuracy", "confusion"}


def test_recipes_that_share_an_evaluation_make_their_metrics_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[jaxdl.Experiment] = []

    def counted(recipe: jaxdl.Experiment) -> list[Metric]:
        made.append(recipe)
        return eval_metrics(recipe)

    monkeypatch.setattr(loop, "eval_metrics", counted)
    trainer = jaxdl.Trainer(experiment(), blobs())
    state, several = trainer.init_state(), [trainer.variant(trainer.experiment) for _ in range(2)]
    for each in (*several, *several, *several):
        each.evaluate(state, "test")
    assert len(made) == 2


@pytest.mark.slow
def test_figures_do_not_depend_on_the_batch_size() -> None:
    dataset, found = blobs(), []
    for size in (1, 7, 33, 500):
        recipe = experiment(**{"training.eval_batch_size": size}).for_spec(dataset.spec)
        steps = jaxdl.make_steps(recipe, dataset.spec, 1)
        evaluation, state = Evaluation(recipe, steps, put_on_device(dataset)), steps.init_state(0)
        program, _ = compiled(evaluation.trace(jax.eval_shape(steps.init_state, np.uint32(0)), device_hparams(recipe)))
        found.append([evaluation.figures(program, recipe, state, split) for split in ("train", "validation", "test")])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert one["loss"] == pytest.approx(two["loss"], rel=1e-6)
            assert (one["accuracy"], np.asarray(one["confusion"]).tolist()) == (
                two["accuracy"], np.asarray(two["confusion"]).tolist(),
            )  # fmt: skip


def test_numbers_enter_the_programs_as_float32_by_path_and_the_seed_does_not() -> None:
    found = device_hparams(experiment(seed=3))
    assert found["model.dropout"] == np.float32(0.1) and found["objective.label_smoothing"] == np.float32(0.1)
    assert "seed" not in found and {value.dtype for value in found.values()} == {np.dtype(np.float32)}


@pytest.mark.slow
def test_a_finished_run_is_evaluated_to_the_figures_of_its_summary(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    summary = jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    found = jaxdl.evaluate(tmp_path / "run", recipe, tmp_path, notify=pytest.fail)
    measured = {name: value for name, value in summary["metrics"].items() if not name.startswith("train/")}
    assert found["metrics"] == measured
    assert (found["status"], found["step"], found["parameters"]) == (
        "evaluated",
        summary["step"],
        summary["parameters"],
    )
    assert found["data"] == summary["data"]


@pytest.mark.slow
def test_other_data_are_named_and_data_of_another_shape_are_refused(
    recipe: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    digits = recipe.data.load(tmp_path)
    lines: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("jaxdl.data.sources.digits._SPLIT_SEED", 1)
        jaxdl.evaluate(tmp_path / "run", recipe, tmp_path, notify=lines.append)
    assert len(lines) == 1 and "not the data that" in lines[0] and "another fingerprint" in lines[0]
    monkeypatch.setattr(jaxdl.Digits, "load", lambda *arguments: blobs())
    with pytest.raises(UserError, match=r"was trained on examples of shape \(8, 8, 1\), but blobs has \(4, 4, 1\)"):
        jaxdl.evaluate(tmp_path / "run", recipe, tmp_path)
    for change, message in (
        ({"input_dtype": "float32"}, "examples of dtype 'uint8', but digits has 'float32'"),
        ({"outputs": 11}, "examples of outputs 10, but digits has 11"),
    ):
        other = dataclasses.replace(digits, spec=dataclasses.replace(digits.spec, **change))
        monkeypatch.setattr(jaxdl.Digits, "load", lambda *arguments, other=other: other)
        with pytest.raises(UserError, match=message):
            jaxdl.evaluate(tmp_path / "run", recipe, tmp_path)
