"""What several tests of the command line look at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
