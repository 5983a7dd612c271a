"""The command that looks at data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.launched import launch


@pytest.mark.slow
def test_the_command_prints_sizes_balance_and_the_page(tmp_path: Path) -> None:
    done = launch(tmp_path, "--experiment=digits_mlp", "--mode=data", "--run_dir=look")
    assert done.returncode == 0, done.stderr
    assert "train 1,294, validation 144, test 359" in done.stdout
    assert "3 of the 64 inputs are constant in train." in done.stdout + done.stderr
    assert done.stdout.strip().endswith("page: look/data.html")
    assert "data:image/png;base64," in (tmp_path / "look" / "data.html").read_text()
