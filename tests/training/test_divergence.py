"""Numbers that cease to be finite: the step at which they do, what is concerned, and what is kept."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn

import jaxdl
from jaxdl.checkpoint import Checkpoints
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.fields import static
from jaxdl.record import read_metrics, read_summary
from jaxdl.training.divergence import Divergence, all_finite, locate


def run(recipe: jaxdl.Experiment, run_dir: Path, **changes: Any) -> Any:
    """Returns the summary, also that of a training that diverged."""
    try:
        return jaxdl.train(jaxdl.replace(recipe, changes), run_dir=run_dir, data_dir=run_dir, notify=lambda line: None)
    except jaxdl.Diverged as error:
        assert (error.summary["status"], error.run_dir) == ("diverged", run_dir)
        found = error.summary["divergence"]
        assert (error.step, error.first, error.learning_rate) == (
            found["step"] + 1,
            tuple(found["first"]),
            found["learning_rate"],
        )
        assert f"diverged at step {error.step:,}: no longer finite: {error.first[0]}" in str(error)
        assert "Lower learning_rate" in str(error) and str(run_dir) in str(error)
        return error.summary


class Breaks(nn.Module):
    """A linear model whose bias gets a gradient of infinity once the examples contain a certain pixel sum.

    Attributes:
        at: the sum of all pixels of the batch at which the loss is multiplied by infinity.
        outputs: size of the last layer.
    """

    at: float = static(-1.0, "sum at which it breaks")
    outputs: int | None = static(None, "size of the last layer")

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        assert self.outputs is not None
        outputs = nn.Dense(self.outputs, name="output")(inputs.reshape(len(inputs), -1))
        if not train:
            return outputs
        broken = jax.numpy.abs(inputs.sum() - self.at) < 1e-3
        return outputs * jax.numpy.where(broken, jax.numpy.inf, 1.0)


class Overflows(nn.Module):
    """A linear model with finite outputs, whose kernel's gradient is infinite.

    Attributes:
        outputs: size of the last layer.
    """

    outputs: int | None = static(None, "size of the last layer")

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        assert self.outputs is not None
        inputs = inputs.reshape(len(inputs), -1)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (inputs.shape[1], self.outputs))
        # At 0 the square root is finite and its slope infinite.
        zero = jax.numpy.sqrt(kernel - jax.lax.stop_gradient(kernel)).sum()
        return (inputs @ kernel).at[:, 0].add(zero)


@pytest.fixture(scope="module")
def breaking() -> tuple[jaxdl.Experiment, int]:
    """A recipe that breaks in the batch of one step in its second epoch, and the number of that step."""
    recipe = jaxdl.Experiment(
        name="breaks",
        data=jaxdl.Digits(),
        model=Breaks(),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2, schedule=jaxdl.Cosine()),
        training=jaxdl.Training(epochs=3, batch_size=64),
    )
    trainer = jaxdl.Trainer(recipe, recipe.data.load(Path(), print))
    step = trainer.steps_per_epoch + 5
    batch = trainer.feed.batch(step)
    scaled = trainer.spec.preprocess(np.asarray(batch["inputs"]))
    return jaxdl.replace(recipe, {"model.at": float(scaled.sum())}), step


def test_the_run_stops_at_that_step_and_says_what_was_first(
    breaking: tuple[jaxdl.Experiment, int], tmp_path: Path
) -> None:
    recipe, step = breaking
    summary = run(recipe, tmp_path / "run", **{"checkpoint.every": "7steps"})
    found = summary["divergence"]
    assert (summary["status"], found["step"], summary["step"]) == ("diverged", step, step)
    assert found["first"][0] == "train loss"
    assert "gradient of output/kernel" in found["first"] and "parameter output/kernel" in found["first"]
    total = jaxdl.Trainer(recipe, recipe.data.load(Path(), print)).total_steps
    expected = 1e-2 * 0.5 * (1 + math.cos(math.pi * step / total))
    assert found["learning_rate"] == pytest.approx(expected, rel=1e-5)
    with Checkpoints(tmp_path / "run" / "checkpoints", read_only=True) as checkpoints:
        last = checkpoints.latest_step()
        assert last == step // 7 * 7
        trainer = jaxdl.Trainer(recipe, recipe.data.load(Path(), print))
        assert all_finite(checkpoints.restore(trainer.state_shapes()).params)
    assert read_summary(tmp_path / "run")["status"] == "diverged"
    assert [line["epoch"] for line in read_metrics(tmp_path / "run")] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("bounded", [{"optimizer.clip_value": 1.0}, {"optimizer": jaxdl.Lion(learning_rate=1e-3)}])
def test_a_gradient_is_noticed_that_makes_a_finite_update(bounded: dict[str, Any], tmp_path: Path) -> None:
    recipe = jaxdl.Experiment(
        name="overflows",
        data=jaxdl.Digits(),
        model=Overflows(),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.SGD(learning_rate=1e-3),
        training=jaxdl.Training(epochs=1, batch_size=64),
    )
    summary = run(recipe, tmp_path / "run", **bounded)
    assert summary["status"] == "diverged" and summary["divergence"]["step"] == 0
    assert summary["divergence"]["first"] == ("gradient of kernel",)
    assert math.isfinite(summary["divergence"]["loss"])


@pytest.mark.slow
def test_an_update_that_overflows_a_parameter_is_skipped(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    changes = {"optimizer": jaxdl.SGD(learning_rate=3e38), "training.nan": "skip", "model.dropout": 0.0}
    trainer = jaxdl.Trainer(jaxdl.replace(recipe, changes), recipe.data.load(Path(), print))
    state, losses = trainer.advance(trainer.init_state(), 3)
    assert all_finite(state.params) and int(state.step) == 3


@pytest.mark.slow
def test_skipping_drops_that_update_alone_and_counts_it(breaking: tuple[jaxdl.Experiment, int], tmp_path: Path) -> None:
    recipe, step = breaking
    summary = run(recipe, tmp_path / "run", **{"training.nan": "skip"})
    assert summary["status"] == "completed"
    train = [line for line in read_metrics(tmp_path / "run") if line["split"] == "train"]
    skipped = [line["skipped"] for line in train]
    assert skipped[1] == 1 and skipped[0] == 0
    assert all(math.isfinite(line["loss"]) for line in train)

    # The state after the wrong step is the one before it, but for its number.
    skipping = jaxdl.replace(recipe, {"training.nan": "skip"})
    trainer = jaxdl.Trainer(skipping, skipping.data.load(Path(), print))
    before, _ = trainer.advance(trainer.init_state(), step)
    kept = jax.device_get((before.params, before.opt_state))
    after, losses = trainer.advance(before, 1)
    assert not np.isfinite(losses[0])
    assert int(after.step) == step + 1
    jax.tree.map(np.testing.assert_array_equal, jax.device_get((after.params, after.opt_state)), kept)


@pytest.mark.slow
def test_ignoring_goes_on_to_the_end(breaking: tuple[jaxdl.Experiment, int], tmp_path: Path) -> None:
    recipe, _ = breaking
    summary = run(recipe, tmp_path / "run", **{"training.nan": "ignore"})
    assert summary["status"] == "completed"
    assert math.isnan(summary["metrics"]["test/loss"])


@pytest.mark.slow
def test_nothing_is_found_where_all_is_finite(recipe: jaxdl.Experiment) -> None:
    trainer = jaxdl.Trainer(recipe, recipe.data.load(Path(), print))
    state = trainer.init_state()
    assert locate(trainer, state, trainer.total_steps) is None
    assert all_finite(state.params)  # it was not given up


@pytest.mark.slow
def test_looking_can_be_ended_between_any_two_calls(breaking: tuple[jaxdl.Experiment, int]) -> None:
    recipe, step = breaking
    trainer = jaxdl.Trainer(recipe, recipe.data.load(Path(), print))
    calls = 0

    def counted() -> None:
        nonlocal calls
        calls += 1

    found = locate(trainer, trainer.init_state(), trainer.total_steps, counted)
    assert found is not None and found.step == step
    asked = calls

    def last() -> None:
        counted()
        if calls == 2 * asked:
            raise KeyboardInterrupt

    assert asked > step % 64  # for each of the last steps, which are taken one by one
    with pytest.raises(KeyboardInterrupt):
        locate(trainer, trainer.init_state(), trainer.total_steps, last)


@pytest.mark.slow
def test_looking_repeats_the_training_to_the_bit(recipe: jaxdl.Experiment) -> None:
    trainer = jaxdl.Trainer(recipe, recipe.data.load(Path(), print))
    *_, last = trainer.train(trainer.init_state())
    trained = params_sha256(last.state)
    advanced, losses = trainer.advance(trainer.init_state(), trainer.total_steps)
    assert params_sha256(advanced) == trained
    assert losses.shape == (trainer.total_steps,)


def test_the_message_names_a_few_and_counts_the_rest() -> None:
    few = Divergence(4, ("train loss",), math.inf, 0.5)
    expected = "diverged at step 5: no longer finite: train loss (learning rate 0.5, train loss inf)"
    assert few.message() == expected
    many = dataclasses.replace(few, first=tuple(f"parameter {n}" for n in range(9)))
    assert "parameter 2 and 6 more" in many.message()
