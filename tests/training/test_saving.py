"""When a run is saved, and which states."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.backend.signals import StopSignals
from jaxdl.checkpoint import Saved, SharedCheckpoints
from jaxdl.checkpoint.digest import params_sha256
from jaxdl.errors import UserError
from jaxdl.fields.interval import Interval
from jaxdl.record import RunDirectory
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.epoch import Epoch, NotFinite, Pause
from jaxdl.training.saving import Saving, SavingPauses
from tests.small import blobs


@given(st.integers(1, 50), st.integers(0, 200))
def test_steps_between_savings_are_met_exactly(every: int, start: int) -> None:
    pauses = SavingPauses(Interval.parse(f"{every}steps"), 100, start, StopSignals())
    step = start
    saved: list[int] = []
    while len(saved) < 5:
        step += min(7, pauses.at_most(step))
        if pauses.due(step):
            saved.append(step)
            pauses.saved(step)
    assert saved == [(start // every + 1 + n) * every for n in range(5)]


def test_time_between_savings_is_not_that_of_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = SavingPauses(Interval.parse("0.2s"), 100, 0, StopSignals())
    monkeypatch.setattr(time, "time", lambda: 0.0)  # the clock is set back by decades
    assert not pauses.due(1)
    time.sleep(0.21)
    assert pauses.due(1) and pauses.at_most(1) > 10**6
    pauses.saved(1)
    assert not pauses.due(2)


def test_a_signal_pauses_at_once_and_is_no_reason_to_save_twice() -> None:
    signals = StopSignals()
    pauses = SavingPauses(Interval.parse("1h"), 100, 0, signals)
    assert not pauses.due(3)
    signals.received = 15
    assert pauses.due(3) and not pauses.due_to_save(3)


@pytest.fixture(scope="module")
def trainer() -> jaxdl.Trainer:
    recipe = jaxdl.Experiment(
        name="saved",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=4, batch_size=25),
    )
    return jaxdl.Trainer(recipe, blobs())


def test_the_best_state_is_kept_until_it_is_written_beside_the_last(trainer: jaxdl.Trainer, tmp_path: Path) -> None:
    stopping = EarlyStopping("validation/loss")
    with RunDirectory.create(tmp_path / "run", "saved") as run:
        saving = Saving(run, trainer.experiment, stopping)
        assert saving.resume(trainer, print) is None
        digests = {}
        for epoch in trainer.train(trainer.init_state()):
            digests[epoch.step] = params_sha256(epoch.state)
            loss = {"validation/loss": {1: 3.0, 2: 1.0, 3: 2.0, 4: 2.5}[epoch.number]}
            if stopping.observe(loss, epoch.step):
                saving.keep_best(epoch, loss)
            run.log_metrics(epoch.step, epoch.number, "validation", {"loss": loss["validation/loss"]})
        saving.save(epoch, epoch.number, loss)
        saving.checkpoints.wait()
        assert saving.checkpoints.steps() == [4, 8]  # the first epoch was the best for a while, but was never written
        like = trainer.state_shapes()
        assert params_sha256(saving.checkpoints.restore(like, "best")) == digests[4]
        saved = saving.resume(trainer, print)
        saving.checkpoints.close()
    assert saved is not None and (saved.step, saved.rows) == (8, None)
    assert params_sha256(saved.state) == digests[8]
    assert saved.about["epoch"] == 4 and saved.about["experiment"] == "saved"
    assert saved.about["metrics"]["bytes"] == (tmp_path / "run" / "metrics.jsonl").stat().st_size


def test_a_pause_is_saved_with_the_metrics_of_its_epoch_and_is_never_the_best(
    trainer: jaxdl.Trainer, tmp_path: Path
) -> None:
    rows = {name: np.full(shape.shape, 0.5, np.float32) for name, shape in trainer.programs.row_shapes.items()}
    with RunDirectory.create(tmp_path / "run", "saved") as run:
        saving = Saving(run, trainer.experiment, EarlyStopping("validation/loss"))
        saving.save(Pause(3, trainer.init_state(), rows), 1, {"validation/loss": 0.0})
        saved = saving.resume(trainer, print)
        assert saving.checkpoints.best_step() is None
        saving.checkpoints.close()
    assert saved is not None and saved.rows is not None and saved.step == 3
    for name, row in rows.items():
        np.testing.assert_array_equal(saved.rows[name], row)


@pytest.mark.parametrize("nan", ["stop", "ignore"])
def test_parameters_that_are_not_finite_are_not_saved_unless_the_recipe_ignores_them(
    trainer: jaxdl.Trainer, tmp_path: Path, nan: str
) -> None:
    state = trainer.init_state()
    broken = state.replace(params=jax.tree.map(lambda leaf: leaf * np.nan, state.params))
    epoch = Epoch(2, 4, broken, {}, 1.0, 50)
    with RunDirectory.create(tmp_path / "run", "saved") as run:
        saving = Saving(run, jaxdl.replace(trainer.experiment, {"training.nan": nan}), EarlyStopping())
        if nan == "stop":
            with pytest.raises(NotFinite, match="not finite at step 4: parameters"):
                saving.save(epoch, 2, {})
            assert saving.checkpoints.steps() == []
        else:
            saving.save(epoch, 2, {})
            saving.checkpoints.wait()
            assert saving.checkpoints.steps() == [4]
        saving.checkpoints.close()


class Beside:
    """A training's place in a program where all others have already come to where it waits for them."""

    size, all_due = 2, False

    def __init__(self) -> None:
        self.is_due: Callable[[int], bool] = lambda step: False

    def once(self, action: Callable[[], None]) -> None:
        action()

    def call(self, *given: Any) -> Any:
        raise AssertionError

    def leave(self) -> None:
        raise AssertionError


def test_beside_others_it_pauses_where_one_of_them_is_due() -> None:
    place = Beside()
    pauses = SavingPauses(Interval.parse("10steps"), 100, 0, StopSignals(), place)
    assert place.is_due(10) and not place.is_due(9) and not pauses.due(10)
    place.all_due = True
    assert pauses.due(9)
    pauses.saved(9)
    assert not place.is_due(9) and place.is_due(10)


def test_beside_others_it_is_saved_with_them_until_it_ends(trainer: jaxdl.Trainer, tmp_path: Path) -> None:
    stopping = EarlyStopping("validation/loss")
    like, rows_like = trainer.state_shapes(), trainer.programs.row_shapes
    rows = {name: np.full(shape.shape, 0.5, np.float32) for name, shape in rows_like.items()}
    states = {step: trainer.advance(trainer.init_state(), step)[0] for step in (2, 3, 8)}

    def together() -> SharedCheckpoints:
        return SharedCheckpoints(tmp_path / "programs" / "key" / "checkpoints", tmp_path / "trials", like, rows_like)

    def begun(run: RunDirectory, place: Beside | None) -> tuple[Saving, Saved | None]:
        saving = Saving(run, trainer.experiment, stopping, place, together())
        return saving, saving.resume(trainer, print)

    with RunDirectory.create(tmp_path / "trials" / "0004", "saved") as run:
        saving, saved = begun(run, Beside())
        assert saved is None
        run.write_config({"name": "saved"})
        run.log_metrics(2, 1, "validation", {"loss": 1.0})
        saving.keep_best(Epoch(1, 2, states[2], {}, 1.0, 50), {"validation/loss": 1.0})
        saving.save(Pause(3, states[3], rows), 1, {"validation/loss": 1.0})
        for place in (Beside(), None):  # it goes on beside others, or alone
            saving, saved = begun(run, place)
            assert saved is not None and saved.step == 3 and saved.about["metrics"] == run.mark()
            assert params_sha256(saved.state) == params_sha256(states[3]) and saved.rows is not None
            np.testing.assert_array_equal(saved.rows["loss"], rows["loss"])
        assert not run.checkpoints.exists()
        saving, _ = begun(run, Beside())
        saving.save(Epoch(4, 8, states[8], {}, 1.0, 50), 4, {"validation/loss": 2.0}, is_last=True)
        assert saving.checkpoints.steps() == [2, 8]
        assert params_sha256(saving.checkpoints.restore(like, "best").params) == params_sha256(states[2].params)
        saving.checkpoints.close()
        again, saved = begun(run, Beside())
        assert saved is not None and saved.step == 8
        again.checkpoints.close()


def test_a_training_that_ends_without_a_last_saving_gets_what_was_saved(trainer: jaxdl.Trainer, tmp_path: Path) -> None:
    like, rows_like = trainer.state_shapes(), trainer.programs.row_shapes
    together = SharedCheckpoints(tmp_path / "programs" / "k" / "checkpoints", tmp_path / "trials", like, rows_like)
    with RunDirectory.create(tmp_path / "trials" / "0000", "saved") as run:
        saving = Saving(run, trainer.experiment, EarlyStopping(), Beside(), together)
        run.write_config({"name": "saved"})
        saving.settle()
        assert saving.checkpoints.steps() == []
        state = trainer.init_state()
        saving.save(Epoch(1, 2, state, {}, 1.0, 50), 1, {})
        saving.settle()
        assert saving.checkpoints.steps() == [2] and together.get("0000") is None
        assert params_sha256(saving.checkpoints.restore(like)) == params_sha256(state)
        saving.checkpoints.close()


class WithNothing(nn.Module):
    """Has a parameter of size zero, as a layer of no units would."""

    @nn.compact
    def __call__(self, inputs: jax.Array, *, train: bool = False, lengths: jax.Array | None = None) -> jax.Array:
        self.param("nothing", nn.initializers.zeros_init(), (0, 3))
        return nn.Dense(10)(inputs.reshape(len(inputs), -1))


def test_a_parameter_without_numbers_is_named_before_the_first_step(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the parameter nothing of the model has the shape \(0, 3\)"):
        jaxdl.train(jaxdl.replace(recipe, {"model": WithNothing()}), run_dir=tmp_path / "run", notify=None)
    assert not (tmp_path / "run").exists()
