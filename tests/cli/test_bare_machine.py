"""A machine without what others have: no home that can be written, no terminal, closed streams, a full checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, *arguments: str, **streams: object) -> subprocess.CompletedProcess[str]:
    """Runs the command with no home, no caches and next to no environment."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    environment = kept | {"HOME": "/dev/null/none", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(ROOT / "launch.py"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, text=True, check=False, **streams)  # type: ignore[call-overload,no-any-return]


@pytest.mark.slow
def test_without_home_and_terminal_a_training_says_nothing_more(tmp_path: Path) -> None:
    streams = {"stdin": subprocess.DEVNULL, "capture_output": True}
    done = start(tmp_path, "--experiment=iris_mlp", "--fast_dev_run", "--run_dir=run", **streams)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len([line for line in lines if not line.startswith("epoch ")]) <= 1, done.stderr
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments, said in (
        (["--experiment=iris_mlp", "--run_dir=file/run"], "cannot create the run directory file/run: Not a directory"),
        (["--new=own"], "cannot write"),
    ):
        (tmp_path / "experiments").unlink(missing_ok=True)
        (tmp_path / "experiments").write_text("")
        done = start(tmp_path, *arguments, stdin=subprocess.DEVNULL, capture_output=True)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 2 and said in line
