"""--mode=report: the page of any run, from its files alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.cli.options import Options
from jaxdl.cli.reporting import report
from jaxdl.errors import UserError
from jaxdl.record import RunDirectory
from tests.report.test_run import summary, write_run


@pytest.mark.parametrize("status", ["completed", "preempted", "failed", "diverged"])
def test_a_run_that_ended_has_its_page_again(tmp_path: Path, status: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(
        tmp_path / "run", summary(status=status, error="ValueError: too large" if status == "failed" else None)
    )
    assert report(Options(mode="report", run_dir=str(run))) == 0
    assert capsys.readouterr().out == f"report: {run / 'report.html'}\n"
    text = (run / "report.html").read_text()
    assert f'<p class="sub">{status}' in text
    assert ("the same command with --run_dir goes on" in text) == (status == "preempted")
    assert ("It failed: ValueError: too large" in text) == (status == "failed")


def test_a_run_that_another_process_is_at_is_called_running(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", None)
    with RunDirectory.create(run, "mnist_cnn"):
        report(Options(mode="report", run_dir=str(run)))
        assert '<p class="sub">running' in (run / "report.html").read_text()
    report(Options(mode="report", run_dir=str(run)))
    assert '<p class="sub">not ended' in (run / "report.html").read_text()


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no run in"):
        report(Options(mode="report", run_dir=str(tmp_path)))
