"""What is in the wheel works where there is no clone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of the wheel, in a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder / "wheel"), str(ROOT)]
    subprocess.run(command, check=True, cwd=folder, env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    (wheel,) = (folder / "wheel").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "packages")
    return folder / "packages"


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(installed), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "jaxdl", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_wheel_has_a_command_and_the_recipes_and_trains_resumes_predicts_and_sweeps(
    installed: Path, tmp_path: Path
) -> None:
    recipes = {path.name for path in (ROOT / "experiments").glob("*.py")}
    assert {path.name for path in (installed / "jaxdl" / "recipes").iterdir()} == recipes
    (told,) = installed.glob("jaxdl-*.dist-info/entry_points.txt")
    assert told.read_text().split() == ["[console_scripts]", "jaxdl", "=", "jaxdl.cli.main:main"]
    where = run(installed, tmp_path, "--experiment=none")
    assert f"Searched: {installed / 'jaxdl' / 'recipes'};" in where.stderr

    done = run(installed, tmp_path, "--experiment=iris_mlp", "--epochs=2", "--run_dir=run")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "completed"
    again = run(installed, tmp_path, "--experiment=iris_mlp", "--epochs=2", "--run_dir=run")
    assert again.returncode == 0 and "already has this run" in again.stderr
    assert run(installed, tmp_path, "--mode=eval", "--run_dir=run").returncode == 0
    sweep = run(installed, tmp_path, "--experiment=iris_mlp", "--epochs=1", "--sweep=seed=0,1", "--sweep_dir=sweep")
    assert sweep.returncode == 0, sweep.stderr

    assert run(installed, tmp_path, "--new=own_net").returncode == 0
    own = run(installed, tmp_path, "--experiment=own_net", "--fast_dev_run", "--run_dir=own")
    assert own.returncode == 0, own.stderr
