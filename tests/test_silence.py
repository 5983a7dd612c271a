"""Every public function that says what it does takes None in the place of what is told, and then says nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxdl
from jaxdl.search.batch_size import batch_find
from jaxdl.search.learning_rate import lr_find

SPACE = {"learning_rate": [1e-3, 1e-2]}
Call = Callable[[jaxdl.Experiment, Path, Path], Any]

CALLS: dict[str, Call] = {
    "train": lambda recipe, run, new: jaxdl.train(recipe, run_dir=new, notify=None),
    "fit": lambda recipe, run, new: jaxdl.fit(
        jaxdl.MLP(features=(4,)), jaxdl.Digits(), epochs=1, run_dir=new, notify=None
    ),
    "evaluate": lambda recipe, run, new: jaxdl.evaluate(run, data_dir=new, notify=None),
    "reproduce": lambda recipe, run, new: jaxdl.reproduce(run, new, data_dir=run.parent, notify=None),
    "look_at_data": lambda recipe, run, new: jaxdl.look_at_data(recipe, new, notify=None),
    "load": lambda recipe, run, new: recipe.data.load(new, notify=None),
    "predict": lambda recipe, run, new: jaxdl.load_run(run).predict(np.zeros((1, 8, 8, 1), np.uint8), notify=None),
    "sweep": lambda recipe, run, new: jaxdl.sweep(
        recipe, SPACE, sweep_dir=new, data_dir=run.parent, notify=None
    ).retrain(1, data_dir=run.parent, notify=None),
    "lr_find": lambda recipe, run, new: lr_find(recipe, data_dir=new, steps=40, notify=None),
    "batch_find": lambda recipe, run, new: batch_find(
        jaxdl.replace(recipe, {"training.overfit_batches": 1}), data_dir=new, notify=None
    ),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    run_dir = tmp_path_factory.mktemp("silence") / "run"
    jaxdl.train(made(), run_dir=run_dir, data_dir=run_dir.parent, notify=None)
    return run_dir


def made() -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="silent",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(4,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(learning_rate=1e-2),
        training=jaxdl.Training(epochs=1, batch_size=64),
    )


LONG = ("fit", "reproduce", "sweep", "lr_find", "batch_find")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LONG else []) for name in CALLS]
)
def test_without_anyone_to_tell_nothing_is_said(
    name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert CALLS[name](made(), run, tmp_path / "new") is not None
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
