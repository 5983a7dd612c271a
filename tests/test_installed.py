"""What is in the wheel works where there is no clone, with what it requires and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from jaxdl.errors import EXTRAS
from tests.data.recordings import tone, write_wav
from tests.installed import ROOT, environment, link, project, wheel

# In one process, and in this order.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("installed")]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with jaxdl and without any of its extras."""
    folder = tmp_path_factory.mktemp("installed")
    return environment(folder / "environment", wheel(folder))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder, empty at first."""
    return tmp_path_factory.mktemp("work")


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    clean |= {"JAX_PLATFORMS": "cpu", "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)


def jaxdl_command(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run([str(python.with_name("jaxdl")), *arguments], folder)


def test_the_wheel_has_the_command_and_the_recipes(python: Path, folder: Path) -> None:
    where = jaxdl_command(python, folder, "--experiment=none")
    (package,) = python.parents[1].glob("lib/python*/site-packages/jaxdl")
    assert f"Searched: {package / 'recipes'};" in where.stderr
    recipes = {path.name for path in (ROOT / "experiments").glob("*.py")}
    assert {path.name for path in (package / "recipes").glob("*.py")} == recipes
    said = run([str(python), "-c", "import jaxdl; print(jaxdl.__file__, jaxdl.__version__)"], folder)
    assert said.stdout.split()[0] == str(package / "__init__.py")
    listed = run([str(python), "-m", "jaxdl", "--list"], folder)
    assert "iris_mlp" in listed.stdout


TRAINING = ["--experiment=iris_mlp", "--schedule=constant", "--run_dir=run"]


@pytest.fixture(scope="module")
def trained(python: Path, folder: Path) -> None:
    """A finished run, in the folder's ``run``: each worker has its own."""
    done = jaxdl_command(python, folder, *TRAINING, "--epochs=2")
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("trained")
def test_it_trains_resumes_and_predicts(python: Path, folder: Path) -> None:
    assert json.loads((folder / "run" / "summary.json").read_text())["status"] == "completed"
    assert (folder / "run" / "report.html").is_file()
    longer = jaxdl_command(python, folder, *TRAINING, "--epochs=3")
    assert longer.returncode == 0, longer.stderr
    resumed = json.loads((folder / "run" / "summary.json").read_text())
    assert (resumed["status"], resumed["epoch"]) == ("completed", 3)
    np.save(folder / "some.npy", np.zeros((3, 4), np.float32))
    asked = ["--mode=predict", "--run_dir=run", "--input=some.npy", "--output=some.csv"]
    predicted = jaxdl_command(python, folder, *asked)
    assert predicted.returncode == 0, predicted.stderr
    assert len((folder / "some.csv").read_text().splitlines()) == 4


def test_it_takes_a_recipe_of_ones_own(python: Path, folder: Path) -> None:
    assert jaxdl_command(python, folder, "--new=own_net").returncode == 0
    own = jaxdl_command(python, folder, "--experiment=own_net", "--fast_dev_run", "--run_dir=own")
    assert own.returncode == 0, own.stderr


@pytest.fixture(scope="module")
def mistakes(python: Path, folder: Path, trained: None) -> dict[str, str]:
    """The error of each use of an extra, in one process, since most of a command's time is its start."""
    for name in ("a", "b"):
        (folder / "sounds" / name).mkdir(parents=True)
        write_wav(folder / "sounds" / name / "1.wav", tone(), 16000)
    (folder / "weights.safetensors").write_bytes(b"")
    (folder / "words.csv").write_text("text,target\n" + "good,1\nbad,0\n" * 20)
    digits = ["--experiment=digits_mlp", "--run_dir=other"]
    sweep = ["--experiment=digits_mlp", "--sweep=seed=0,1"]
    export = ["--mode=export", "--run_dir=run", "--output=model.bin"]
    commands = {
        "export": export,
        "onnx": [*export, "--format=onnx"],
        "weights": [*digits, "--init_from=weights.safetensors"],
        "sound": ["--experiment=spoken_digit_rnn", "--data=audio:sounds", "--run_dir=other"],
        "text": ["--experiment=sentiment_lstm", "--data=text:words.csv", "--data.level=subword", "--run_dir=other"],
        "sweep": sweep,
        "ray": [*sweep, "--executor=ray"],
        "serve": ["--mode=serve", "--run_dir=run", "--port=0"],
        **{name: [*digits, f"--tracker={name}"] for name in ("aim", "mlflow", "trackio", "wandb")},
        "tf": ["--experiment=mnist_mlp", "--data=svhn_cropped", "--data.fallback=none", "--run_dir=other"],
    }
    script = (
        "import contextlib, io, json, pathlib\nfrom jaxdl.cli.main import command\n"
        "from jaxdl.cli.finding import folders_of, shipped_folder\nsaid = {}\n"
        f"for name, arguments in {commands!r}.items():\n"
        "    with contextlib.redirect_stderr(io.StringIO()) as stream:\n"
        "        status = command(arguments, folders_of(shipped_folder()), 0.0)\n"
        "    said[name] = f'{status} {stream.getvalue().strip()}'\n"
        "print(json.dumps(said))\n"
    )
    done = run([str(python), "-c", script], folder)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"pictures", "tables", "ray"}))
def test_an_absent_extra_is_named_in_one_line_with_its_packages(mistakes: dict[str, str], extra: str) -> None:
    *_, last = mistakes[extra].splitlines()
    assert mistakes[extra].startswith("2 ") and f"(jaxdl's extra {extra!r})" in last
    # Other packages may bring these two.
    assert set(EXTRAS[extra]) - {"cloudpickle", "prometheus_client"} <= set(last.partition("pip install ")[2].split())
    assert "Traceback" not in mistakes[extra]


def test_the_extra_brings_sweeps(python: Path, folder: Path, mistakes: dict[str, str]) -> None:
    link(python.parents[1], project()["sweep"])
    arguments = ["--experiment=iris_mlp", "--epochs=1", "--sweep=seed=0,1", "--sweep_dir=sweep"]
    sweep = jaxdl_command(python, folder, *arguments)
    assert sweep.returncode == 0, sweep.stderr
    assert len(list((folder / "sweep" / "trials").iterdir())) == 2
    shutil.rmtree(folder / "sweep")
