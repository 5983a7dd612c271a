"""Epochs as compiled programs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.training.epoch import Pause
from jaxdl.training.feed import epoch_order
from jaxdl.training.hooks import OnProgress
from tests.small import blobs


def experiment(**changes: object) -> jaxdl.Experiment:
    base = jaxdl.Experiment(
        name="loop",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(8,), dropout=0.1),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=3, batch_size=16, eval_batch_size=7),
        metrics=("accuracy", "confusion"),
    )
    return jaxdl.replace(base, changes)


def parameters(state: jaxdl.TrainState) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state.params)]


def trained(
    recipe: jaxdl.Experiment, trainer: jaxdl.Trainer | None = None, on_progress: OnProgress | None = None
) -> list[np.ndarray]:
    trainer = trainer or jaxdl.Trainer(recipe, blobs())
    return parameters([epoch.state for epoch in trainer.train(trainer.init_state(), on_progress=on_progress)][-1])


def test_training_compiles_one_program_for_train_and_one_for_eval(caplog: pytest.LogCaptureFixture) -> None:
    with jax.log_compiles(), caplog.at_level("WARNING"):
        trainer = jaxdl.Trainer(experiment(**{"training.epochs": 4}), blobs())
        for epoch in trainer.train(trainer.init_state()):
            trainer.evaluate(epoch.state, "test")
    compiled = [message.split()[1] for message in caplog.messages if message.startswith("Compiling ")]
    assert sorted(compiled) == ["jit(init_state)", "jit(run_eval_steps)", "jit(run_train_steps)"]


def test_the_compiled_epochs_equal_a_plain_loop_over_the_pure_steps() -> None:
    recipe, dataset = experiment(), blobs()
    steps = jaxdl.make_steps(recipe, dataset.spec, 12)
    state, step = steps.init_state(0), jax.jit(steps.train_step)
    for epoch in range(3):
        order = epoch_order(0, epoch, 50)
        for i in range(4):
            index = order[np.arange(i * 16, i * 16 + 16) % 50]
            batch = {name: array[index] for name, array in dataset.splits["train"].items()}
            state, _ = step(state, batch, jaxdl.hyperparameters(recipe))
    for one, other in zip(trained(recipe), parameters(state), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_bits_however_an_epoch_is_cut_into_calls() -> None:
    results: list[list[np.ndarray]] = []
    ends: list[list[int]] = []
    for steps in (1, 3, 100):
        trainer = jaxdl.Trainer(experiment(), blobs())
        trainer.pace.steps = steps
        ends.append([])
        results.append(trained(experiment(), trainer, lambda step, *_: ends[-1].append(step)))
    assert [end[0] for end in ends] == [1, 3, 4]  # an epoch has four steps
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)
    assert any((a != b).any() for a, b in zip(results[0], trained(experiment(seed=1)), strict=True))


@pytest.mark.slow
def test_a_call_cut_short_by_the_end_of_an_epoch_slows_neither_the_next_epoch_nor_the_next_variant() -> None:
    trainer = jaxdl.Trainer(experiment(), blobs(train=21 * 16))
    trained(experiment(), trainer)  # compiles
    trainer.pace.steps = 20
    ends: list[int] = []
    trained(experiment(), trainer, lambda step, *_: ends.append(step))
    assert ends == [20, 21, 42, 63]
    variant = trainer.variant(experiment(seed=1))
    ends.clear()
    trained(experiment(seed=1), variant, lambda step, *_: ends.append(step))
    assert ends == [21, 42, 63]


@pytest.mark.slow
def test_training_goes_on_from_a_state_to_the_same_bits() -> None:
    whole = trained(experiment())
    trainer = jaxdl.Trainer(experiment(), blobs())
    first = next(trainer.train(trainer.init_state()))
    kept = jax.tree.map(lambda leaf: leaf.copy(), first.state)
    rest = [epoch.state for epoch in jaxdl.Trainer(experiment(), blobs()).train(kept)]
    assert len(rest) == 2
    for one, other in zip(whole, parameters(rest[-1]), strict=True):
        np.testing.assert_array_equal(one, other)


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


def test_one_program_trains_and_one_evaluates_whatever_the_number_of_epochs() -> None:
    compiled: list[str] = []

    def listen(name: str, seconds: float, **details: object) -> None:
        if name == "/jax/core/compile/backend_compile_duration":
            compiled.append(str(details.get("fun_name", name)))

    trainer = jaxdl.Trainer(experiment(**{"training.epochs": 5}), blobs())
    state = trainer.init_state()
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for epoch in trainer.train(state):
            last = epoch.state
        trainer.evaluate(last, "test")
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert len(compiled) == 2, compiled


def test_progress_reports_every_step_once() -> None:
    trainer = jaxdl.Trainer(experiment(), blobs())
    seen: list[int] = []
    for _ in trainer.train(trainer.init_state(), on_progress=lambda step, epoch, metrics, rate: seen.append(step)):
        pass
    assert seen[-1] == 12
    assert seen == sorted(set(seen))


def test_fewer_examples_than_a_batch_still_fill_one() -> None:
    trainer = jaxdl.Trainer(experiment(**{"training.batch_size": 64, "training.epochs": 1}), blobs(train=5))
    (epoch,) = trainer.train(trainer.init_state())
    assert epoch.step == 1
    assert np.isfinite(epoch.metrics["train"]["loss"])


class At:
    """Stands still at certain steps."""

    def __init__(self, steps: set[int]):
        self.steps = steps

    def at_most(self, step: int) -> int:
        return min((wanted - step for wanted in self.steps if wanted > step), default=2**31)

    def due(self, step: int) -> bool:
        return step in self.steps


@pytest.fixture(scope="module")
def trainer() -> jaxdl.Trainer:
    """Three epochs of 13 steps, the last of which is filled up."""
    recipe = jaxdl.Experiment(
        name="small",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(8,), dropout=0.3),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2, schedule=jaxdl.Cosine()),
        training=jaxdl.Training(epochs=3, batch_size=4),
    )
    return jaxdl.Trainer(recipe, blobs())


@given(st.sets(st.integers(1, 38), max_size=5))
def test_standing_still_anywhere_and_starting_anew_changes_no_bit(trainer: jaxdl.Trainer, steps: set[int]) -> None:
    whole = list(trainer.train(trainer.init_state()))
    expected = params_sha256(whole[-1].state), [epoch.metrics for epoch in whole]

    state, rows, epochs = trainer.init_state(), None, []
    for step in [*sorted(steps), None]:
        for point in trainer.train(state, rows=rows, pauses=At({step} if step else set())):
            if isinstance(point, Pause):
                assert point.step == step == int(point.state.step)
                assert all(row.shape == (trainer.steps_per_epoch,) for row in point.rows.values())
                state, rows = point.state, {name: np.array(row) for name, row in sorted(point.rows.items())}
                break
            epochs.append(point.metrics)
            if point.step == step:  # the end of an epoch needs no pause
                state, rows = point.state, None
                break
        else:
            state = point.state
    assert (params_sha256(state), epochs) == expected
    assert [list(metrics["train"]) for metrics in epochs] == [["loss", "accuracy"]] * 3


def test_shapes_of_rows_are_known_before_any_step(trainer: jaxdl.Trainer) -> None:
    shapes = {name: (shape.shape, shape.dtype) for name, shape in trainer.programs.row_shapes.items()}
    assert shapes == {name: ((13,), np.float32) for name in ("loss", "accuracy")}
