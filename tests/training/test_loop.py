"""The loop over epochs: the same bits however it is cut into calls, pauses and processes."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.epoch import NotFinite, Pause
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
    """Pauses at certain steps."""

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
def test_pausing_anywhere_and_starting_anew_changes_no_bit(trainer: jaxdl.Trainer, steps: set[int]) -> None:
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


def test_a_state_in_the_middle_of_an_epoch_needs_the_metrics_of_its_earlier_steps(trainer: jaxdl.Trainer) -> None:
    state, _ = trainer.advance(trainer.init_state(), 15)
    with pytest.raises(ValueError, match="in the middle of epoch 2: give the rows of its Pause"):
        next(trainer.train(state))


def test_advancing_gives_the_losses_that_training_averages(trainer: jaxdl.Trainer) -> None:
    epochs = [epoch.metrics["train"]["loss"] for epoch in trainer.train(trainer.init_state())]
    state, first = trainer.advance(trainer.init_state(), 20)
    state, rest = trainer.advance(state, 19)
    losses = np.concatenate([first, rest])
    assert losses.shape == (39,) and losses.dtype == np.float32 and int(state.step) == 39
    np.testing.assert_allclose(losses.reshape(3, 13).astype(np.float64).mean(1), epochs, rtol=1e-15)


def test_a_spent_budget_trains_no_more(trainer: jaxdl.Trainer) -> None:
    *_, last = trainer.train(trainer.init_state())
    assert last.is_last and last.number == 3
    assert list(trainer.train(last.state)) == []


@pytest.mark.parametrize("best", [1, 2])
def test_early_stopping_marks_the_best_epoch_and_the_last(trainer: jaxdl.Trainer, best: int) -> None:
    class Worse(EarlyStopping):
        """Sees a loss that is least in the epoch `best`."""

        def observe(self, figures: object, step: int) -> bool:
            return super().observe({"validation/loss": abs(step // 13 - best) + 1.0}, step)

    stopping = Worse("validation/loss", patience=1)
    epochs = list(trainer.train(trainer.init_state(), early_stopping=stopping))
    assert [epoch.number for epoch in epochs if epoch.is_best] == list(range(1, best + 1))
    assert [epoch.is_last for epoch in epochs] == [False] * best + [True]
    state = epochs[-1].state
    assert list(trainer.train(state, early_stopping=stopping)) == []  # nor does a resumed one train on


def test_the_first_loss_that_is_not_finite_ends_the_training_at_its_step() -> None:
    recipe = experiment(optimizer=jaxdl.SGD(learning_rate=1e30))
    trainer = jaxdl.Trainer(recipe, blobs())
    _, losses = trainer.advance(trainer.init_state(), 12)
    first = int(np.flatnonzero(~np.isfinite(losses))[0]) + 1
    with pytest.raises(NotFinite, match=f"not finite at step {first}: train loss") as caught:
        list(trainer.train(trainer.init_state()))
    assert (caught.value.step, caught.value.what) == (first, "train loss")


def test_a_closed_trainer_trains_alone_and_may_be_closed_again(trainer: jaxdl.Trainer) -> None:
    class One:
        """A place in a program for four."""

        size, left = 4, 0

        def call(self, *arguments: object) -> object:
            raise AssertionError("it was left")

        def leave(self) -> None:
            self.left += 1

    place = One()
    variant = trainer.variant(trainer.experiment, place)  # type: ignore[arg-type]
    assert (variant.side_by_side, trainer.side_by_side) == (4, 1)
    variant.close()
    variant.close()
    assert (variant.side_by_side, place.left) == (1, 1)
    state, _ = variant.advance(variant.init_state(), 1)
    assert int(state.step) == 1
