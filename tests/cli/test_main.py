"""``python -m jaxdl``, which takes its experiments from the folder in which it is started."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxdl.cli import main

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


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "a/b"), "cannot write a/b: No space left on device; free some space."),
        (OSError(28, "No space left on device"), "cannot write the output: No space left on device; free some space."),
        (OSError(13, "Permission denied", "a/b"), "cannot read a/b: Permission denied; check the permissions."),
        (OSError(2, "No such file or directory", "a/b"), "cannot read a/b: No such file or directory; check the path."),
    ],
)
def test_an_error_of_a_file_names_it_with_what_failed_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, line: str
) -> None:
    def fail(*arguments: object) -> int:
        raise error

    monkeypatch.setattr(main, "_command", fail)
    assert main.command([], [ROOT / "experiments"], 0.0) == 2
    assert capsys.readouterr().err.partition("error: ")[2] == f"{line}\n"


def python_m_jaxdl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "jaxdl", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_it_trains_an_experiment_of_the_folder_and_is_recorded_as_it_was_started(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "own.py").write_text(RECIPE)
    listed = python_m_jaxdl(tmp_path, "--list")
    assert listed.returncode == 0
    own, _, shipped = listed.stdout.partition("\n\n")
    assert own.split() == ["experiments:", *["own", "A", "small", "recipe", "of", "one's", "own."]]
    assert "\nmnist_cnn  " in shipped
    done = python_m_jaxdl(tmp_path, "--experiment=own", "--run_dir=run")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["command"] == ["-m", "jaxdl", "--experiment=own", "--run_dir=run"]


@pytest.mark.slow
def test_a_run_made_from_python_is_used_from_the_command_line(made_here: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "some.npy", np.zeros((3, 8, 8, 1), np.uint8))
    done = python_m_jaxdl(tmp_path, "--mode=predict", "--run_dir=run", "--input=some.npy", "--output=out.csv")
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 4
    done = python_m_jaxdl(tmp_path, "--run_dir=run")
    assert (done.returncode, done.stderr.count("already has this run, and it is finished")) == (0, 1)


def test_without_a_folder_of_experiments_those_that_come_with_it_are_taken(tmp_path: Path) -> None:
    done = python_m_jaxdl(tmp_path, "--experiment=own")
    assert done.returncode == 2
    assert done.stderr.startswith("jaxdl: error: unknown experiment 'own'. Choose from: adding_rnn,")
    assert done.stderr.endswith(f" Searched: {ROOT / 'experiments'}; --experiment=FILE.py names a file.\n")
    helped = python_m_jaxdl(tmp_path, "--help")
    assert helped.returncode == 0 and helped.stdout.startswith("usage: python -m jaxdl --experiment=NAME")


@pytest.mark.parametrize("made", ["pipe", "terminal"])
def test_output_whose_reader_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch, made: str) -> None:
    ours, theirs = os.pipe() if made == "pipe" else pty.openpty()
    os.close(ours)
    with open(theirs, "w") as output:

        def fail(*arguments: object) -> int:
            os.write(theirs, b"results of a sweep")
            raise AssertionError("somebody reads it")

        monkeypatch.setattr(main, "_command", fail)
        monkeypatch.setattr(sys, "stdout", output)
        assert main.command([], [], 0.0) == 0
