"""The memory of a training, predicted from shapes and compared with what the compiled program says."""

from __future__ import annotations

from pathlib import Path

import jax
import pytest

import jaxdl
from jaxdl.backend.mesh import make_mesh
from jaxdl.experiment.load import load_data
from jaxdl.experiment.registry import load_experiment
from jaxdl.steps.layout import Layout
from jaxdl.steps.prediction import batch_shapes, predicted_memory
from tests.small import blobs

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn", "mnist_rnn", "sentiment_lstm", "cifar10_resnet"])
def test_it_is_within_a_fifth_of_what_the_compiled_program_needs(name: str, tmp_path: Path) -> None:
    """Dense layers, convolutions, a recurrence, embeddings, and batch statistics; beside the order of the examples."""
    recipe = load_experiment(name, EXPERIMENTS)
    trainer = jaxdl.Trainer(recipe, load_data(recipe, tmp_path, lambda line: None))
    batch = batch_shapes(trainer.experiment, trainer.spec)
    assert batch == trainer.feed.data.shapes(recipe.training.batch_size)
    order = 4 * len(trainer.feed.order(0)) + sum(4 * rows.size for rows in trainer.programs.row_shapes.values())
    predicted = predicted_memory(trainer.experiment, trainer.spec, batch).needed + order
    assert predicted == pytest.approx(trainer.programs.memory_needed(), rel=0.2)


def test_parts_of_the_state_are_those_of_its_shapes(recipe: jaxdl.Experiment) -> None:
    spec = blobs().spec
    recipe = recipe.for_spec(spec)
    found = predicted_memory(recipe, spec, batch_shapes(recipe, spec))
    weights = 4 * (16 * 16 + 16 + 16 * 3 + 3)
    assert (found.parameters, found.model_state, found.collected, found.devices) == (weights, 0, 0, 1)
    assert found.optimizer >= weights
    assert found.activations > weights, "the gradients"
    assert found.example == 16 + 4
    assert found.parts["together"] == found.needed == sum(list(found.parts.values())[:-1])


def test_a_divided_batch_takes_less_on_each_device_and_divided_parameters_too() -> None:
    """Shapes alone: the mesh is abstract enough that one device may stand four times."""
    spec = blobs().spec
    recipe = jaxdl.Experiment(
        name="wide",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(256, 256)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(batch_size=1024),
    ).for_spec(spec)
    batch = batch_shapes(recipe, spec)
    one = predicted_memory(recipe, spec, batch)
    devices = [jax.devices()[0]] * 4
    same = predicted_memory(recipe, spec, batch, Layout(make_mesh((("data", 4),), devices)))
    divided = predicted_memory(recipe, spec, batch, Layout(make_mesh((("data", 4),), devices), "fsdp"))
    assert same.parameters == one.parameters and same.devices == 4
    assert same.activations < 0.5 * one.activations
    assert divided.parameters < 0.3 * one.parameters
    assert divided.parameters + divided.collected == one.parameters
