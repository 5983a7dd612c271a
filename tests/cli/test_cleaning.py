"""``--mode=clean``: shown first, removed by age and filter where it is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxdl.cli.main import command
from jaxdl.record.cleaned import removed
from tests.comparison.made import made

DAY = 86_400


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run_with_checkpoints(name: str, *, days: float = 0.0) -> Path:
    """Writes a run directory with the checkpoints 10 and 20, of which 10 is the best, last written so long ago."""
    path = made(Path("runs") / name)
    (path / "record.json").write_text('{"command": []}')
    for step in (10, 20):
        (path / "checkpoints" / str(step) / "about").mkdir(parents=True)
        (path / "checkpoints" / str(step) / "about" / "metadata").write_text('{"best_step": 10}')
    for each in [path, *path.rglob("*")]:
        os.utime(each, (time.time() - days * DAY,) * 2)
    return path


def steps(path: Path) -> list[str]:
    return sorted(each.name for each in (path / "checkpoints").iterdir())


def launch(*arguments: str) -> int:
    return command(["--mode=clean", *arguments], [], 0.0)


def test_it_shows_first_and_removes_by_age_and_filter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = run_with_checkpoints("old", days=40), run_with_checkpoints("new")
    programs = tmp_path / "cache" / "jaxdl" / "compiled"
    programs.mkdir(parents=True)
    for name, days in (("before", 40), ("today", 0)):
        (programs / name).write_bytes(b"x" * 2_000)
        os.utime(programs / name, (time.time() - days * DAY,) * 2)
    assert launch() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["run", "status", "days", "checkpoints", "pictures", "others", "freed", "note"]
    assert sorted(line.split()[2] for line in lines[2:4]) == ["0", "40"]
    assert lines[-2].startswith("2 runs hold ") and lines[-1] == f"2 programs in {programs} hold 4 kB"
    assert launch("--older_than=30d", "--keep=best") == 0
    out = capsys.readouterr().out
    assert "1 programs compiled 30d ago or earlier" in out and " of 1 runs; with --yes it does." in out
    assert launch("--older_than=30d", "--keep=best", "--filter=status=failed", "--yes") == 0
    assert steps(old) == ["10", "20"] and len(list(programs.iterdir())) == 2
    assert launch("--older_than=30d", "--keep=best", "--yes") == 0
    assert "freed " in capsys.readouterr().out
    assert steps(old) == ["10"] and steps(new) == ["10", "20"]
    assert [path.name for path in programs.iterdir()] == ["today"]
    assert removed(old, 20) and not removed(old, 10) and not removed(new)


def test_a_run_that_cannot_be_cleaned_gives_status_1_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    path = run_with_checkpoints("a")
    (path / ".removed").symlink_to("/tmp")
    assert launch("--keep=final", "--yes") == 1
    assert f"left as it is: {path}: cannot remove files of" in capsys.readouterr().out
    assert steps(path) == ["10", "20"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--yes"], "--yes removes something only with a rule: give --keep="),
        (["--keep=last"], "Choose from: best, final, nothing"),
        (["--older_than=30"], "must be a time such as"),
        (["--older_than=3epochs"], "must be a time such as"),
        (["--sort=days"], "--sort only applies to --mode=runs"),
    ],
)
def test_a_mistake_removes_nothing(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = run_with_checkpoints("a")
    assert launch(*arguments) == 2
    assert message in capsys.readouterr().err
    assert steps(path) == ["10", "20"] and json.loads((path / "record.json").read_text()) == {"command": []}


def test_it_imports_neither_jax_nor_numpy() -> None:
    run_with_checkpoints("a")
    code = (
        "import sys; from jaxdl.cli.main import command\n"
        "status = command(['--mode=clean', '--keep=final'], [], 0.0)\n"
        "print(status, sorted({'jax', 'scipy', 'numpy'} & sys.modules.keys()))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
