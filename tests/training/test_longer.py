"""A finished run that goes on for more epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.errors import UserError
from jaxdl.training.longer import first_other_rate
from jaxdl.training.reproduce import compare
from jaxdl.training.resuming import newest_unfinished
from tests.steps.test_functions import experiment

RECIPE = experiment(
    model=jaxdl.MLP(features=(8,), dropout=0.2, normalization="batch"),
    augmentation=jaxdl.Augmentation(shift=1),
    optimizer=jaxdl.Adam(learning_rate=3e-2),
    **{"training.ema": 0.9, "training.final": "best", "training.watch": "validation/accuracy"},
)


def train(recipe: jaxdl.Experiment, run_dir: Path, epochs: int, told: list[str] | None = None) -> Any:
    notify = (told if told is not None else []).append
    recipe = jaxdl.replace(recipe, {"training.epochs": epochs})
    return jaxdl.train(recipe, run_dir=run_dir, data_dir=run_dir, notify=notify)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four epochs, and one of two that was then made one of four."""
    folder = tmp_path_factory.mktemp("longer")
    train(RECIPE, folder / "straight", 4)
    train(RECIPE, folder / "longer", 2)
    return folder


def test_it_ends_with_the_bits_of_one_that_was_that_long_from_the_start(runs: Path) -> None:
    told: list[str] = []
    summary = train(RECIPE, runs / "longer", 4, told)
    assert compare(runs / "straight", runs / "longer") == []
    assert f"{runs / 'longer'} has a finished run of fewer epochs; it goes on to 4." in told
    assert (summary["last_epoch"], summary["best"]) == (
        4,
        jaxdl.train(jaxdl.replace(RECIPE, {"training.epochs": 4}), run_dir=runs / "straight", notify=None)["best"],
    )
    with pytest.raises(UserError, match=r"another recipe: training\.epochs=3 \(not 4\)"):
        train(RECIPE, runs / "longer", 3)


def test_a_run_that_was_killed_as_it_went_on_is_not_taken_for_finished(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(RECIPE, runs / "killed", 1)

    class Killed(BaseException):
        pass

    def killed(self: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("jaxdl.training.one_run.OneRun.start", killed)
        with pytest.raises(Killed):
            train(RECIPE, runs / "killed", 4)
    assert not (runs / "killed/summary.json").exists()
    train(RECIPE, runs / "killed", 4)
    assert compare(runs / "straight", runs / "killed") == []


def test_only_the_run_that_is_named_goes_on(tmp_path: Path) -> None:
    train(experiment(), tmp_path / "steps/one", 1)
    longer = jaxdl.replace(experiment(), {"training.epochs": 2})
    assert newest_unfinished(tmp_path, longer) is None


@pytest.mark.parametrize(
    ("schedule", "same"),
    [
        (jaxdl.Constant(), True),
        (jaxdl.Constant(warmup=0.25), False),
        (jaxdl.Cosine(), False),
        (jaxdl.Exponential(every=0.5), False),
        (jaxdl.Piecewise(boundaries=(0.5,), factors=(0.1,)), False),
        (jaxdl.schedule(lambda step, steps, *, offset=5: (offset / (offset + step)) ** 0.5)(), True),
        (jaxdl.OneCycle(), False),
    ],
)
def test_whether_the_learning_rates_are_the_same_is_found_by_comparing_them(schedule: Any, same: bool) -> None:
    optimizer = jaxdl.SGD(schedule=schedule)
    found = first_other_rate(optimizer, 40, 60)
    rates = [[float(optimizer.learning_rate_at(np.int32(count), steps)) for count in range(40)] for steps in (40, 60)]
    expected = next((count for count in range(40) if rates[0][count] != rates[1][count]), None)
    assert (found is None) is same
    assert found == expected


def test_where_it_is_impossible_what_to_do_is_said(tmp_path: Path) -> None:
    recipe = experiment(optimizer=jaxdl.SGD(schedule=jaxdl.Cosine(warmup=0.5)))
    train(recipe, tmp_path / "run", 1)
    before = (tmp_path / "run/summary.json").read_text()
    with pytest.raises(
        UserError,
        match=r"a run of 1 epoch, which cannot go on to the bits of one of 3: schedule=cosine with warmup=0\.5, a "
        r"fraction of all steps, depends on the number of all steps, so the learning rates were others from step 2 "
        r"on\. Train 3 epochs with another --run_dir; or begin a new run of 2 epochs with its weights: --init_from=",
    ):
        train(recipe, tmp_path / "run", 3)
    assert (tmp_path / "run/summary.json").read_text() == before
