"""What several tests of the command line look at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import jaxdl
from tests.cli.launched import QUICK, launch


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a finished training."""
    folder = tmp_path_factory.mktemp("finished")
    done = launch(folder, *QUICK, f"--run_dir={folder / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "test" in done.stdout
    assert str(folder / "run") in done.stdout
    assert "epoch 2/2" in done.stderr
    record = json.loads((folder / "run" / "record.json").read_text())
    assert record["command"] == ["launch.py", *QUICK, f"--run_dir={folder / 'run'}"]
    return folder / "run"


@pytest.fixture
def made_here(tmp_path: Path) -> Path:
    """The run directory of a training that was started from Python and has no file in ``experiments/``."""
    model = jaxdl.MLP(features=(4,))
    recipe = jaxdl.Experiment("made_here", jaxdl.Digits(), model, jaxdl.SoftmaxCrossEntropy(), jaxdl.Adam())
    recipe = jaxdl.replace(recipe, {"training.epochs": 1})
    jaxdl.train(recipe, run_dir=tmp_path / "run", data_dir=tmp_path, notify=lambda line: None)
    return tmp_path / "run"
