"""``--mode=runs``: a line for each run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jaxdl.cli.main import command
from tests.comparison.made import made

ROOT = Path(__file__).resolve().parents[2]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert command(["--mode=runs", *arguments], [], 0.0) == 0, capsys.readouterr().err
    return capsys.readouterr().out.splitlines()


def test_runs_are_listed_filtered_and_sorted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, accuracy in (("a", 0.91), ("b", 0.95), ("c", 0.93)):
        made(tmp_path / name, accuracy=accuracy)
    made(tmp_path / "d", status=None, curve=(0.5,))
    lines = printed(
        capsys, f"--runs={tmp_path}", "--filter=learning_rate<0.1 test/accuracy>0.92", "--sort=-test/accuracy"
    )
    assert lines[0].split() == [
        "run",
        "experiment",
        "status",
        "epoch",
        "learning_rate",
        "test/accuracy",
        "test/loss",
        "time",
    ]
    assert [line.split() for line in lines[2:4]] == [
        [str(tmp_path / "b"), "digits", "completed", "2", "0.001", "0.9500", "nan", "1:01"],
        [str(tmp_path / "c"), "digits", "completed", "2", "0.001", "0.9300", "nan", "1:01"],
    ]
    assert lines[4] == "2 runs"
    assert printed(capsys, f"--runs={tmp_path}")[-1] == "4 runs"


def test_a_mistake_ends_with_status_2_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(tmp_path / "a")
    assert command(["--mode=runs", f"--runs={tmp_path}", "--filter=acuracy"], [], 0.0) == 2
    assert "'acuracy' is no condition" in capsys.readouterr().err
    assert command(["--mode=runs", f"--runs={tmp_path}", "--baseline=x"], [], 0.0) == 2
    assert "--baseline only applies to --mode=compare" in capsys.readouterr().err


def test_it_imports_neither_jax_nor_numpy(tmp_path: Path) -> None:
    made(tmp_path / "a")
    code = (
        "import sys; from jaxdl.cli.main import command\n"
        f"status = command(['--mode=runs', '--runs={tmp_path}'], [], 0.0)\n"
        "print(status, sorted({'jax', 'scipy', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"
