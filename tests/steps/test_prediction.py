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


def predicted_and_compiled(recipe: jaxdl.Experiment, folder: Path) -> tuple[int, int]:
    """Returns both for the train program, with the order of the examples and the rows of metrics."""
    trainer = jaxdl.Trainer(recipe, load_data(recipe, folder, lambda line: None))
    batch = batch_shapes(trainer.experiment, trainer.spec)
    assert batch == trainer.feed.data.shapes(recipe.training.batch_size)
    order = 4 * len(trainer.feed.order(0)) + sum(4 * rows.size for rows in trainer.programs.row_shapes.values())
    predicted = predicted_memory(trainer.experiment, trainer.spec, batch).needed + order
    return predicted, trainer.programs.memory_needed()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("mnist_cnn", {}),
        ("mnist_rnn", {}),
        pytest.param("sentiment_lstm", {}, marks=pytest.mark.nightly),
        pytest.param("cifar10_resnet", {}, marks=pytest.mark.nightly),
        ("digits_cnn", {}),
        ("adding_rnn", {}),
        pytest.param("spoken_digit_rnn", {}, marks=pytest.mark.nightly),
        ("digits_cnn", {"training.precision": "bfloat16", "training.batch_size": 128}),
        ("digits_cnn", {"training.accumulate": 4, "training.batch_size": 128}),
        ("digits_mlp", {"model.features": (256,) * 6, "training.batch_size": 1024, "training.remat": True}),
        ("cifar10_resnet", {"model.depth": 8, "training.remat": True}),
    ],
)
def test_it_is_within_a_fifth_of_what_the_compiled_program_needs(
    name: str, changes: dict[str, object], tmp_path: Path
) -> None:
    """Several devices are in `tests.steps.test_layout`."""
    predicted, compiled = predicted_and_compiled(jaxdl.replace(load_experiment(name, EXPERIMENTS), changes), tmp_path)
    assert predicted == pytest.approx(compiled, rel=0.2)


def test_of_a_small_recipe_it_is_within_a_fifth(tmp_path: Path) -> None:
    predicted, compiled = predicted_and_compiled(load_experiment("digits_mlp", EXPERIMENTS), tmp_path)
    assert predicted == pytest.approx(compiled, rel=0.2)


def test_it_says_what_the_data_take_and_how_many_operations_a_step_has(recipe: jaxdl.Experiment) -> None:
    spec = blobs().spec
    recipe = jaxdl.replace(recipe, {"training.batch_size": 32}).for_spec(spec)
    batch = batch_shapes(recipe, spec)
    without, found = predicted_memory(recipe, spec, batch), predicted_memory(recipe, spec, batch, examples=500)
    assert without.data is None and "data" not in without.parts
    assert found.data == found.parts["data"] == 500 * found.example
    assert found.needed == without.needed + found.data
    # Both layers: the outputs, the kernel's gradient; of the second also the gradient of its inputs.
    products = 32 * 16 * 16, 32 * 16 * 3
    assert found.flops == {"float32": 2 * (2 * products[0] + 3 * products[1])}


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
    assert same.flops == divided.flops == one.flops
    assert same.activations < 0.5 * one.activations
    assert divided.parameters < 0.3 * one.parameters
    # Biases and the last kernel have few numbers, and stay whole.
    assert divided.collected == 4 * (16 * 256 + 256 * 256)
    assert divided.parameters == one.parameters - divided.collected * 3 / 4
