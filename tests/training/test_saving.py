"""When a run is saved, and what."""

from __future__ import annotations

import time
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxdl
from jaxdl.backend.signals import StopSignals
from jaxdl.fields.interval import Interval
from jaxdl.record import RunDirectory
from jaxdl.training.early_stopping import EarlyStopping
from jaxdl.training.epoch import Diverged, Epoch, Pause
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


def test_the_best_epoch_is_written_with_the_next_state_and_a_pause_cannot_be_the_best(
    recipe: jaxdl.Experiment, tmp_path: Path
) -> None:
    trainer = jaxdl.Trainer(recipe, blobs())
    with RunDirectory.create(tmp_path, "recipe") as run:
        saving = Saving(run, recipe, EarlyStopping("validation/loss"))
        state = trainer.init_state()
        epoch = Epoch(1, 1, state, {"validation": {"loss": 0.5}}, 1.0, 64, is_best=True)
        saving.keep_best(epoch, epoch.figures)
        rows = {"loss": np.zeros(trainer.steps_per_epoch, np.float32)}
        saving.save(Pause(2, state, rows), 1, {"validation/loss": 0.1})
        saving.checkpoints.wait()
        assert saving.checkpoints.steps() == [1, 2]
        assert saving.checkpoints.best_step() == 1
        about = saving.checkpoints.about(1)
        assert (about["experiment"], about["epoch"]) == ("recipe", 1)
        saving.checkpoints.close()


def test_parameters_that_are_not_finite_are_never_saved(recipe: jaxdl.Experiment, tmp_path: Path) -> None:
    trainer = jaxdl.Trainer(recipe, blobs())
    state = trainer.init_state()
    broken = state.replace(params=jax.tree.map(lambda leaf: leaf * np.nan, state.params))
    with RunDirectory.create(tmp_path, "recipe") as run:
        saving = Saving(run, recipe, EarlyStopping())
        with pytest.raises(Diverged, match="parameters of step 3"):
            saving.save(Epoch(1, 3, broken, {}, 1.0, 64), 1, {})
        saving.checkpoints.close()
    assert not (tmp_path / "checkpoints").exists()
