"""The loss of a train step and its gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.backend.jaxprs import computes_again
from jaxdl.data import Preprocess, Spec
from jaxdl.errors import UserError
from jaxdl.steps.forward import Forward
from jaxdl.steps.gradients import differentiate, update_errors
from tests.experiments.twins import twin
from tests.steps.test_functions import SPEC, batch, experiment


def test_a_scale_changes_no_gradient() -> None:
    """A power of two moves only the exponent: in float32 the bits are the same."""
    recipe = experiment(model=jaxdl.MLP(features=(6,), activation="tanh")).for_spec(SPEC)
    state = jaxdl.make_steps(recipe, SPEC, 10).init_state(0)
    forward, data = Forward(recipe, SPEC, None), {name: jnp.asarray(array) for name, array in batch().items()}
    data["inputs"] = SPEC.preprocess(data["inputs"])

    def found(scale: float | None) -> tuple[jax.Array, object]:
        given = None if scale is None else jnp.float32(scale)
        result = differentiate(forward, recipe, state.params, {}, data, jax.random.key(0), given)
        return result.loss, result.gradients

    for plain, scaled in zip(jax.tree.leaves(found(None)), jax.tree.leaves(found(1024.0)), strict=True):
        np.testing.assert_array_equal(plain, scaled)


NIGHTLY = (pytest.mark.slow, pytest.mark.nightly)
PARTS = 4
SEQUENCES = Spec((6, 2), "float32", Preprocess(), (), 3, ("a", "b", "c"), lengths=True)
RANDOM = np.random.RandomState(1)


class Sowing(nn.Module):
    """Adds a loss that is a mean over the batch, and sows a metric."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        hidden = nn.Dense(3)(inputs.reshape(len(inputs), -1))
        self.sow("losses", "size", 0.1 * jnp.square(hidden).mean())
        self.sow("intermediates", "hidden", hidden)
        return hidden


def of_images(**more: np.ndarray) -> dict[str, np.ndarray]:
    return batch(24) | more


def of_sequences() -> dict[str, np.ndarray]:
    inputs = RANDOM.standard_normal((24, 6, 2)).astype(np.float32)
    lengths = RANDOM.randint(1, 7, 24).astype(np.int32)
    return {"inputs": inputs, "lengths": lengths, "targets": (np.arange(24) % 3).astype(np.int32)}


def stepped(recipe: jaxdl.Experiment, spec: Spec, data: Any, parts: int) -> Any:
    """Returns the gradients, and the metrics and the state after a step."""
    recipe = jaxdl.replace(recipe, {"training.batch_size": len(data["targets"]), "training.accumulate": parts})
    steps = jaxdl.make_steps(recipe, spec, 10)
    state = steps.init_state(0)
    hparams: Any = {**jaxdl.hyperparameters(recipe), "optimizer.learning_rate": 1.0}
    after, metrics = steps.train_step(state, data, hparams)
    gradients = jax.tree.map(lambda before, after: before - after, state.params, after.params)
    return gradients, metrics, after


@pytest.mark.parametrize(
    ("changes", "spec", "data"),
    [
        ({}, SPEC, of_images()),
        ({"model": jaxdl.MLP(features=(8,), normalization="layer")}, SPEC, of_images(mask=np.arange(24) < 13)),
        ({"training.class_weight": (0.5, 1.0, 4.0)}, SPEC, of_images(weights=np.linspace(0, 2, 24, dtype=np.float32))),
        ({"model": Sowing(), "weighted_metrics": True}, SPEC, of_images(weights=np.ones(24, np.float32))),
        ({"augmentation": jaxdl.Augmentation(shift=1, mixup=0.4)}, SPEC, of_images()),
        ({"model": jaxdl.RNN(features=(4,))}, SEQUENCES, of_sequences()),
        ({"training.precision": "float16"}, SPEC, of_images()),
    ],
    ids=["plain", "mask", "weights", "added loss", "mixup", "sequences", "float16"],
)
def test_a_batch_in_parts_gives_what_the_whole_batch_gives(changes: Any, spec: Spec, data: Any) -> None:
    """In float32 to a relative 1e-5 of each array's largest entry: the order of sums is another one."""
    recipe = experiment(**changes)
    near = 1e-2 if "training.precision" in changes else 1e-5
    whole, parts = (stepped(recipe, spec, data, number) for number in (1, PARTS))
    for one, other in zip(jax.tree.leaves(whole[0]), jax.tree.leaves(parts[0]), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=near * float(np.abs(one).max()) + 2e-7)
    assert parts[1].keys() == whole[1].keys()
    for name, value in whole[1].items():
        np.testing.assert_allclose(parts[1][name], value, rtol=near, err_msg=name)
    assert str(jax.tree.structure(whole[2])) == str(jax.tree.structure(parts[2]))


IMAGES = Spec((8, 8, 1), "float32", Preprocess(), (), 3, ("a", "b", "c"))
PIXELS = Spec((8, 8, 1), "float32", Preprocess(), (8, 8), 3, ("a", "b", "c"))


def of_pixels(target_shape: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
    inputs = RANDOM.standard_normal((8, 8, 8, 1)).astype(np.float32)
    return {"inputs": inputs, "targets": RANDOM.randint(0, 3, (8, *target_shape)).astype(np.int32)}


@pytest.mark.parametrize(
    ("changes", "spec", "data"),
    [
        ({"model": jaxdl.MLP(features=(8,) * 6, dropout=0.3), "training.accumulate": 2}, SPEC, of_images()),
        ({"model": Sowing(), "training.precision": "float16", "training.ema": 0.9}, SPEC, of_images()),
        ({"model": jaxdl.RNN(features=(4, 4, 4), dropout=0.3)}, SEQUENCES, of_sequences()),
        pytest.param({"model": jaxdl.CNN((4, 4, 4), kernel=(2, 2), dropout=0.3)}, IMAGES, of_pixels(), marks=NIGHTLY),
        pytest.param({"model": jaxdl.ResNet(8, (4, 4, 8))}, IMAGES, of_pixels(), marks=pytest.mark.slow),
        pytest.param({"model": jaxdl.UNet((4, 8), None, "batch", 0.3)}, PIXELS, of_pixels((8, 8)), marks=NIGHTLY),
    ],
    ids=["MLP in parts", "float16 and an average", "RNN", "CNN", "ResNet", "UNet"],
)
def test_what_is_computed_again_gives_the_same_gradients_and_state(changes: Any, spec: Spec, data: Any) -> None:
    """To a relative 1e-5 of each array's largest entry, and the loss to 1e-6: XLA may fuse other operations."""
    recipe = experiment(**changes)
    parts = recipe.training.accumulate
    plain, again = (
        stepped(jaxdl.replace(recipe, {"training.remat": remat}), spec, data, parts) for remat in (False, True)
    )
    assert str(jax.tree.structure(plain)) == str(jax.tree.structure(again))
    np.testing.assert_allclose(again[1]["loss"], plain[1]["loss"], rtol=1e-6)
    paths = jax.tree_util.tree_leaves_with_path((plain[0], plain[2].model_state, plain[2].opt_state))
    others = jax.tree.leaves((again[0], again[2].model_state, again[2].opt_state))
    for (path, one), other in zip(paths, others, strict=True):
        near = 1e-5 * float(np.abs(one).max()) + 2e-7
        np.testing.assert_allclose(other, one, rtol=0, atol=near, err_msg=jax.tree_util.keystr(path))


@pytest.mark.parametrize("remat", [False, True])
def test_only_with_remat_a_step_computes_anything_again(remat: bool) -> None:
    recipe = experiment(model=jaxdl.MLP(features=(8,) * 6), **{"training.remat": remat})
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    hparams: Any = jaxdl.hyperparameters(recipe)
    assert computes_again(jax.make_jaxpr(steps.train_step)(steps.init_state(0), of_images(), hparams).jaxpr) == remat


def test_batch_statistics_are_those_of_each_part_one_after_the_other() -> None:
    """A reference that knows nothing of parts: a step for each of them, with a learning rate of 0."""
    recipe = experiment(model=jaxdl.MLP(features=(4,), normalization="batch"))
    data = of_images()
    found = stepped(recipe, SPEC, data, PARTS)[2].model_state
    steps = jaxdl.make_steps(recipe, SPEC, 10)
    state = steps.init_state(0)
    for part in range(PARTS):
        rows = {name: array[part::PARTS] for name, array in data.items()}
        state, _ = steps.train_step(state, rows, {"optimizer.learning_rate": 0.0})
    for one, other in zip(jax.tree.leaves(state.model_state), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-7)
    whole = stepped(recipe, SPEC, data, 1)[2].model_state
    assert any(
        np.abs(one - other).max() > 0.01
        for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(found), strict=True)
    )


def test_not_a_number_in_one_part_drops_the_whole_update_once() -> None:
    recipe = experiment(model=jaxdl.MLP(features=(4,), normalization="batch"), **{"training.nan": "skip"})
    spec = Spec((4,), "float32", Preprocess(), (), 3, ("a", "b", "c"))
    data = {"inputs": RANDOM.standard_normal((24, 4)).astype(np.float32), "targets": np.arange(24, dtype=np.int32) % 3}
    steps = jaxdl.make_steps(jaxdl.replace(recipe, {"training.accumulate": PARTS}), spec, 10)
    state = steps.init_state(0)
    good, metrics = steps.train_step(state, data, jaxdl.hyperparameters(recipe))
    assert metrics["skipped"] == 0
    data["inputs"][5] = np.nan
    after, metrics = steps.train_step(good, data, jaxdl.hyperparameters(recipe))
    assert metrics["skipped"] == 1
    for name in ("params", "model_state", "opt_state"):
        jax.tree.map(np.testing.assert_array_equal, getattr(after, name), getattr(good, name))


def test_each_part_has_its_own_dropout() -> None:
    """Of equal examples each part would otherwise drop the same activations, and so have the same outputs."""

    class Outputs(nn.Module):
        @nn.compact
        def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
            hidden = nn.Dropout(0.5, deterministic=not train)(jnp.ones((len(inputs), 64)))
            self.sow("intermediates", "first", hidden[0] @ jnp.arange(64.0))
            return nn.Dense(3)(hidden)

    recipe = experiment(model=Outputs(), **{"training.accumulate": 2}).for_spec(SPEC)
    forward, state = Forward(recipe, SPEC, None), jaxdl.make_steps(recipe, SPEC, 10).init_state(0)
    data = {name: jnp.asarray(array) for name, array in of_images().items()}
    found = differentiate(forward, recipe, state.params, {}, data, jax.random.key(0))
    alone = [
        recipe.model.apply({"params": state.params}, data["inputs"][:12], train=True, rngs={"dropout": key})
        for key in (jax.random.fold_in(jax.random.key(0), number) for number in range(2))
    ]
    np.testing.assert_allclose(found.outputs[0::2], alone[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.outputs[1::2], alone[1], rtol=1e-5, atol=1e-6)
    assert not np.allclose(alone[0], alone[1])


@pytest.mark.parametrize(("size", "parts", "nearest"), [(30, 4, "28 or 32"), (3, 8, "8")])
def test_parts_that_do_not_divide_the_batch_are_refused(size: int, parts: int, nearest: str) -> None:
    recipe = experiment(**{"training.batch_size": size, "training.accumulate": parts})
    with pytest.raises(UserError, match=f"accumulate={parts} does not .*={size}; the nearest sizes are {nearest}"):
        recipe.for_spec(SPEC)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits_mlp", "sentiment_lstm"])
def test_a_training_in_parts_ends_where_that_of_whole_batches_ends(name: str, tmp_path: Path) -> None:
    """4 parts of 32 against batches of 128, also of sequences in buckets: to 1e-4 of each parameter's largest entry."""
    found = []
    for parts in (1, PARTS):
        changes = {"training.batch_size": 128, "training.accumulate": parts, "training.epochs": 2}
        recipe = jaxdl.replace(twin(name), changes | {"model.dropout": 0.0})
        summary = jaxdl.train(recipe, run_dir=tmp_path / str(parts), data_dir=tmp_path, notify=None)
        found.append((summary["metrics"], jaxdl.load_run(tmp_path / str(parts), recipe).state.params))
    for metric in ("train/loss", "test/loss"):
        assert found[1][0][metric] == pytest.approx(found[0][0][metric], rel=1e-4)
    for one, other in zip(*(jax.tree.leaves(params) for _, params in found), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-4 * float(np.abs(one).max()))


def test_a_transformation_that_needs_more_than_gradients_is_named_by_what_it_needs() -> None:
    search, params = optax.lbfgs(), {"w": jnp.ones(2)}
    with (
        pytest.raises(UserError, match="the optimizer needs 'value', 'grad', and 'value_fn' beside gradients"),
        update_errors(),
    ):
        search.update(params, search.init(params), params)
    with pytest.raises(TypeError, match="another"), update_errors():
        raise TypeError("another")
