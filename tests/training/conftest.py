"""Run directories of the same training, one whole and one stopped in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxdl
from tests.training.stopped import run, stop_after


@pytest.fixture
def whole(recipe: jaxdl.Experiment, tmp_path: Path) -> Path:
    """The run directory of a training that met no fault."""
    run(recipe, tmp_path / "whole")
    return tmp_path / "whole"


@pytest.fixture
def cut(recipe: jaxdl.Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of the same training, stopped in the middle of its second epoch."""
    stop_after(monkeypatch, recipe, tmp_path / "cut", savings=6)
    return tmp_path / "cut"
