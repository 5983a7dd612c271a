"""``python -m jaxdl``, which takes its experiments from the folder in which it is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

RECIPE = '''"""A small recipe of one's own."""

import jaxdl


def own() -> jaxdl.Experiment:
    return jaxdl.Experiment(
        name="own",
        data=jaxdl.Digits(),
        model=jaxdl.MLP(features=(8,)),
        objective=jaxdl.SoftmaxCrossEntropy(),
        optimizer=jaxdl.Adam(),
        training=jaxdl.Training(epochs=1),
    )
'''


def python_m_jaxdl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "jaxdl", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_it_trains_an_experiment_of_the_folder_and_is_recorded_as_it_was_started(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "own.py").write_text(RECIPE)
    listed = python_m_jaxdl(tmp_path, "--list")
    assert (listed.returncode, listed.stdout) == (0, "own  A small recipe of one's own.\n")
    done = python_m_jaxdl(tmp_path, "--experiment=own", "--run_dir=run")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["command"] == ["-m", "jaxdl", "--experiment=own", "--run_dir=run"]


def test_without_a_folder_of_experiments_it_says_so_in_one_line(tmp_path: Path) -> None:
    done = python_m_jaxdl(tmp_path, "--experiment=own")
    assert done.returncode == 2
    assert done.stderr == "jaxdl: error: there is no folder experiments to take experiments from.\n"
    helped = python_m_jaxdl(tmp_path, "--help")
    assert helped.returncode == 0 and helped.stdout.startswith("usage: python -m jaxdl --experiment=NAME")
