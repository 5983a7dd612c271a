"""A model that is restored from its run directory, and what it predicts."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from flax import linen as nn

import jaxdl
from jaxdl.errors import UserError
from jaxdl.inference.predictor import bucket_sizes
from tests import named, serving_models
from tests.padded import recurrent, untrained

COUNTS = (1, 2, 3, 6, 7, 8, 13, 20)


@pytest.fixture
def compiled() -> Iterator[list[str]]:
    """Names of the functions that predict and are compiled during a test, in order."""
    names: list[str] = []

    def listen(event: str, seconds: float, **details: object) -> None:
        name = str(details.get("fun_name"))
        if event == "/jax/core/compile/backend_compile_duration" and "predict" in name:
            names.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)


def trained(recipe: jaxdl.Experiment, folder: Path) -> tuple[jaxdl.TrainedModel, np.ndarray]:
    """Trains; returns the restored model, which predicts for at most 7 examples at a time, and test inputs."""
    recipe = jaxdl.replace(recipe, {"training.eval_batch_size": 7})
    jaxdl.train(recipe, run_dir=folder / "run", data_dir=folder)
    inputs = recipe.data.load(folder, print).splits["test"]["inputs"]
    return jaxdl.load_run(folder / "run", recipe), np.asarray(inputs)


@pytest.mark.slow
@pytest.mark.parametrize("model", [jaxdl.MLP(features=(16,)), jaxdl.CNN(features=(8,), pool_after=(1,), dense=())])
def test_a_prediction_does_not_depend_on_how_many_are_asked_for(
    recipe: jaxdl.Experiment, model: jaxdl.MLP | jaxdl.CNN, tmp_path: Path
) -> None:
    restored, inputs = trained(dataclasses.replace(recipe, model=model), tmp_path)
    whole = restored.predict(inputs[:20])
    assert whole.shape == (20, 10) and whole.dtype == np.float32
    np.testing.assert_allclose(whole.sum(1), 1, rtol=1e-5)
    alone = np.asarray(restored.steps.predict_step(restored.state, {"inputs": jnp.asarray(inputs[:20])}))
    np.testing.assert_allclose(whole, alone, rtol=1e-4, atol=1e-6)
    for count in COUNTS:
        np.testing.assert_allclose(restored.predict(inputs[:count]), whole[:count], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_each_bucket_is_compiled_once_whatever_the_number_of_examples(
    recipe: jaxdl.Experiment, tmp_path: Path, compiled: list[str]
) -> None:
    model, inputs = trained(recipe, tmp_path)
    compiled.clear()
    model.predict(inputs[:3])
    assert compiled == ["jit(predict_step)"]
    model.predict(inputs[:4])  # the same bucket
    assert len(compiled) == 1
    for count in COUNTS:
        model.predict(inputs[:count])
    assert len(compiled) == len(bucket_sizes(7)) == 4
    for count in range(21):
        model.predict(inputs[:count])
    assert len(compiled) == 4


@pytest.mark.parametrize(
    ("largest", "sizes"), [(1, (1,)), (2, (1, 2)), (7, (1, 2, 4, 7)), (8, (1, 2, 4, 8)), (9, (1, 2, 4, 8, 9))]
)
def test_buckets_are_the_powers_of_two_and_the_largest(largest: int, sizes: tuple[int, ...]) -> None:
    assert bucket_sizes(largest) == sizes


def test_no_examples_give_no_predictions_of_the_same_kind(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    model, inputs = trained(recipe, tmp_path)
    none = model.predict(inputs[:0])
    assert none.shape == (0, 10) and none.dtype == np.float32


def test_inputs_of_another_shape_or_dtype_are_refused(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    """Float inputs, scaled already, would otherwise be scaled a second time."""
    model, inputs = trained(recipe, tmp_path)
    with pytest.raises(UserError, match=r"inputs is float32 .*; the model takes uint8 of shape \(n, 8, 8, 1\)"):
        model.predict(inputs.astype(np.float32) / 16)
    with pytest.raises(UserError, match=r"inputs is uint8 of shape \(8, 8, 1\)"):
        model.predict(inputs[0])


def test_a_run_of_built_in_parts_is_loaded_and_evaluated_from_its_folder_alone(
    recipe: jaxdl.Experiment, tmp_path: Path
) -> None:
    summary = jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    model = jaxdl.load_run(str(tmp_path / "run"))
    inputs = recipe.data.load(tmp_path, print).splits["test"]["inputs"]
    expected = jaxdl.load_run(tmp_path / "run", recipe).predict(inputs)
    assert model.experiment == recipe.for_spec(model.spec)
    np.testing.assert_array_equal(model.predict(inputs), expected)
    found = jaxdl.evaluate(str(tmp_path / "run"), notify=pytest.fail)
    assert (found["experiment"], found["metrics"]["test/loss"]) == ("recipe", summary["metrics"]["test/loss"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [{}, *(pytest.param(more, marks=pytest.mark.slow) for more in ({"bidirectional": True}, {"features": (4, 4)}))],
)
def test_each_example_is_predicted_by_its_valid_steps_alone(fields: dict[str, object]) -> None:
    """Compared with the model on each sequence without its padding; without a step only the last bias is left."""
    model = untrained(recurrent(**fields))
    params = dict(model.state.params)
    params["output"] = {**params["output"], "bias": jnp.array([0.5, -1.0])}
    model = dataclasses.replace(model, state=model.state.replace(params=params))
    inputs = np.random.default_rng(0).normal(size=(6, 7, 2)).astype(np.float32)
    lengths = [7, 0, 1, 3, 3, 7]
    found = model.predict(inputs, lengths)
    for row, example, length in zip(found, inputs, lengths, strict=True):
        alone = model.experiment.model.apply({"params": params}, example[None, :length]) if length else [[0.5, -1.0]]
        np.testing.assert_allclose(row, scipy.special.softmax(np.asarray(alone)[0]), rtol=1e-4, atol=1e-6)
    again = model.predict([example[:length] for example, length in zip(inputs, lengths, strict=True)])
    np.testing.assert_array_equal(again, found)
    assert model.predict(inputs[:0], lengths[:0]).shape == (0, 2)


def test_lengths_that_are_missing_or_wrong_are_refused() -> None:
    model = untrained(recurrent())
    inputs = np.zeros((2, 7, 2), np.float32)
    with pytest.raises(UserError, match="the model was trained with lengths"):
        model.predict(inputs)
    with pytest.raises(UserError, match=r"lengths\[1\] is 8; a length .* from 0 to 7"):
        model.predict(inputs, [7, 8])


@pytest.mark.slow
def test_a_run_on_padded_sequences_predicts_as_well_as_it_was_tested(tmp_path: Path) -> None:
    recipe = recurrent()
    summary = jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    test = recipe.data.load(tmp_path).splits["test"]
    found = jaxdl.load_run(tmp_path / "run").predict(test["inputs"], test["lengths"])  # the config has no arrays
    assert (found.argmax(1) == test["targets"]).mean() == summary["metrics"]["test/accuracy"] > 0.8
    assert jaxdl.evaluate(tmp_path / "run", recipe)["metrics"]["test/loss"] == summary["metrics"]["test/loss"]
    with pytest.raises(UserError, match="give the experiment with the same arrays"):
        jaxdl.evaluate(tmp_path / "run")


class Own(nn.Module):
    """A module of the user's own."""

    outputs: int | None = None

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        assert self.outputs is not None
        return nn.Dense(self.outputs)(inputs.reshape(len(inputs), -1))


@pytest.mark.slow
def test_a_run_with_a_module_of_ones_own_asks_for_the_experiment(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    own = dataclasses.replace(recipe, model=Own())
    jaxdl.train(own, run_dir=tmp_path / "run", data_dir=tmp_path)
    for load in (jaxdl.load_run, jaxdl.evaluate):
        with pytest.raises(UserError, match=r"the model 'Own' is not a part of jaxdl.*experiment="):
            load(tmp_path / "run")
    assert jaxdl.load_run(tmp_path / "run", own).predict(np.zeros((2, 8, 8, 1), np.uint8)).shape == (2, 10)


def test_a_checkpoint_of_another_shape_is_refused_by_name(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path)
    other = jaxdl.replace(recipe, {"model.features": (17,)})
    with pytest.raises(UserError, match=r"params/.*16.*in the checkpoint and .*17.*in the model"):
        jaxdl.load_run(tmp_path / "run", other)


def test_a_warm_model_compiles_nothing_for_any_number_of_examples(compiled: list[str]) -> None:
    model = untrained(recurrent()).warmed((4, 1))
    assert (model.sizes, len(compiled)) == ((1, 4), 2)
    inputs = np.random.default_rng(0).normal(size=(11, 7, 2)).astype(np.float32)
    lengths = np.arange(11) % 8
    whole = model.predict(inputs, lengths)
    for count in (1, 2, 4, 5, 11):
        found = model.predict(inputs[:count], lengths[:count])
        np.testing.assert_allclose(found, whole[:count], rtol=1e-4, atol=1e-6)
    assert len(compiled) == 2
    for sizes in ((0,), (1.5,), ()):
        with pytest.raises(UserError, match=r"give numbers of examples from 1, such as warm=\(1, 32\)"):
            model.warmed(sizes)


@pytest.mark.parametrize(
    "model",
    [
        serving_models.of_pictures,
        serving_models.of_texts,
        serving_models.of_rows,
        pytest.param(lambda: untrained(named.recipe()), id="several"),
    ],
)
def test_the_first_prediction_of_a_warm_model_prepares_nothing(model: Callable[[], jaxdl.TrainedModel]) -> None:
    """Neither is a program traced or compiled, nor a module imported."""
    warm = model().warmed((1, 2))
    spec, events = warm.spec, []
    inputs, lengths = {}, {}
    for name, each in spec.inputs or (("", spec),):
        inputs[name] = np.ones((2, *each.input_shape), each.input_dtype)
        if each.lengths:
            lengths[name] = [1, each.input_shape[0]]
    given: list[Any] = [inputs, lengths or None] if spec.inputs else [inputs[""], lengths.get("")]
    before = set(sys.modules)
    listen = lambda event, seconds, **details: events.append(event)  # noqa: E731
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        warm.predict(given[0], given[1], lambda line: None)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert (events, set(sys.modules) - before) == ([], set())
