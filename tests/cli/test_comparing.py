"""``--mode=compare``: a table, and a file of the kind that its ending says."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.cli.main import command
from tests.comparison.made import made


def test_runs_are_compared_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(2):
        made(tmp_path / f"a{seed}", seed=seed, accuracy=0.9 + seed / 100)
        made(tmp_path / f"b{seed}", seed=seed, accuracy=0.95, changes={"model": {"dropout": 0.5}})
    made(tmp_path / "c", status="preempted")
    given = ["--mode=compare", f"--runs={tmp_path}/*", "--figures=test/accuracy", f"--output={tmp_path}/out.md"]
    assert command(given, [], 0.0) == 0
    said = capsys.readouterr()
    assert "dropout=0.5" in said.out and "0.9050" in said.out and "1 runs that are not completed" in said.err
    assert (tmp_path / "out.md").read_text().count("\n| ") == 3
    assert command([*given, "--filter=dropout=0.5"], [], 0.0) == 0
    assert "dropout" not in capsys.readouterr().out  # of one recipe alone nothing differs


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--output=x.pdf"], "the ending must be one of"),
        (["--filter=seed=7"], "no run fulfils it"),
        (["--figures=test/none"], "no run has the figure 'test/none'"),
        (["--sweep=seed=0,1"], "--sweep trains: it does not work with --mode=compare"),
    ],
)
def test_a_mistake_ends_with_status_2_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    made(tmp_path / "a")
    assert command(["--mode=compare", f"--runs={tmp_path}", *more], [], 0.0) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_without_runs_it_says_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["--mode=compare"], [], 0.0) == 2
    assert "--mode=compare needs --runs" in capsys.readouterr().err
