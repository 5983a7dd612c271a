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


def test_tags_are_given_later_shown_and_chosen_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, accuracy in (("a", 0.91), ("b", 0.95)):
        made(tmp_path / name, accuracy=accuracy)
    assert command(["--mode=tag", f"--runs={tmp_path}", "--filter=test/accuracy>0.92", "--tag=best,x"], [], 0.0) == 0
    assert capsys.readouterr().out.splitlines() == [f"{tmp_path / 'b'}  best,x", "1 runs"]
    assert command(["--mode=tag", f"--runs={tmp_path / 'b'}", "--tag=-x", "--note=as in the paper"], [], 0.0) == 0
    capsys.readouterr()
    lines = printed(capsys, f"--runs={tmp_path}")
    assert lines[0].split()[-2:] == ["tag", "note"] and lines[3].endswith("best  as in the paper")
    assert printed(capsys, f"--runs={tmp_path}", "--filter=tag=best")[-1] == "1 runs"
    assert printed(capsys, f"--runs={tmp_path}", "--filter=tag!=best")[2].startswith(str(tmp_path / "a"))
    assert command(["--mode=compare", f"--runs={tmp_path}", f"--output={tmp_path / 'c.html'}"], [], 0.0) == 0
    assert "best; as in the paper" in " ".join(capsys.readouterr().out.split())
    assert "as in the paper" in (tmp_path / "c.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mode=tag", "--tag=a"], "--mode=tag needs --runs"),
        (["--mode=tag", "--runs=RUN"], "needs --tag=WORD, or --note=TEXT"),
        (["--mode=tag", "--runs=RUN", "--tag=a b"], "'a b' is no tag"),
        (["--mode=runs", "--runs=RUN", "--tag=a"], "--tag only applies to --mode=train or tag"),
    ],
)
def test_a_mistake_with_tags_changes_nothing(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path / "a")
    given = [argument.replace("RUN", str(tmp_path / "a")) for argument in arguments]
    assert command(given, [], 0.0) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a" / "notes.json").exists()
