"""The command that looks at the devices."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxdl.backend import rates
from jaxdl.cli import main
from jaxdl.cli.devices import look
from jaxdl.cli.options import Options


def test_it_needs_no_experiment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rates, "_SECONDS", 0.01)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert look(Options(mode="devices"), None, [], 0.0) == 0
    shown = capsys.readouterr().out
    assert "float16 product" in shown and "GFLOP/s" in shown
    assert len(list((tmp_path / "jaxdl" / "rates").iterdir())) == 1


def test_flags_of_other_commands_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.command(["--mode=devices", "--profile"], [Path("experiments")], 0.0) == 2
    assert "does not work with --mode=devices" in capsys.readouterr().err
