"""``--on_end``: a program that is told how a training ended."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import jaxdl
from jaxdl.cli.main import command
from jaxdl.cli.on_end import check_on_end, run_on_end
from tests.cli.launched import launch
from tests.comparison.made import made

# A program that writes what it is told into the file that its argument names.
NOTE = (
    "import os, sys; open(sys.argv[1], 'w').write(' '.join(os.environ.get(name, '-') for name in "
    "('JAXDL_STATUS', 'JAXDL_EXPERIMENT', 'JAXDL_RUN_DIR', 'JAXDL_SWEEP_DIR')))"
)


def note(file: Path) -> str:
    return f'{sys.executable} -c "{NOTE}" {file}'


def test_it_is_told_of_a_run(tmp_path: Path) -> None:
    run_dir = made(tmp_path / "a $(touch b); 'c'", status="diverged")
    run_on_end(note(tmp_path / "told"), run_dir=run_dir)
    assert (tmp_path / "told").read_text() == f"diverged digits {run_dir} -"
    run_on_end(note(tmp_path / "told"), run_dir=made(tmp_path / "unfinished", status=None))
    assert (tmp_path / "told").read_text().startswith("failed ")


def test_nothing_is_read_by_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_on_end(f"{note(tmp_path / 'told')} ; touch $JAXDL_STATUS && rm told", run_dir=made(tmp_path / "a"))
    assert sorted(os.listdir(tmp_path)) == ["a", "told"]
    run_on_end("sh -c 'touch $JAXDL_STATUS'", run_dir=tmp_path / "a")  # where one is wanted, one says so
    assert (tmp_path / "completed").exists()


def test_its_failure_is_told_and_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_on_end(f"{sys.executable} -c 'raise SystemExit(3)'", run_dir=made(tmp_path / "a"))
    assert "ended with status 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"), [("no_such_program x", "no program no_such_program"), ("'", "No closing")]
)
def test_what_cannot_be_run_is_told_before_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    with pytest.raises(jaxdl.UserError, match=message):
        check_on_end(text)
    assert command(["--mode=runs", f"--runs={tmp_path}", "--on_end=true"], [], 0.0) == 2
    assert "--on_end is for trainings" in capsys.readouterr().err


@pytest.mark.slow
def test_it_is_run_after_a_training_and_once_after_a_sweep(tmp_path: Path) -> None:
    recipe = ["--experiment=digits_mlp", "--epochs=1", "--quiet"]
    launch(tmp_path, *recipe, f"--run_dir={tmp_path / 'run'}", f"--on_end={note(tmp_path / 'told')}")
    assert (tmp_path / "told").read_text() == f"completed digits_mlp {tmp_path / 'run'} -"
    sweep = [f"--sweep_dir={tmp_path / 'sweep'}", "--sweep=seed=0,1", f"--on_end={note(tmp_path / 'swept')}"]
    launch(tmp_path, *recipe, *sweep)
    assert (tmp_path / "swept").read_text() == f"completed - - {tmp_path / 'sweep'}"
