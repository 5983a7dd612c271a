"""The benchmark of listing and comparing runs: what it makes, and that its commands run."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxdl
from benchmarks.listing import commands, copies
from benchmarks.startup import seconds_of
from tests.comparison.made import made


@pytest.mark.slow
def test_its_runs_differ_and_its_commands_run(tmp_path: Path) -> None:
    first = made(tmp_path / "trained", curve=(0.5, 0.6))
    (first / "record.json").write_text("{}")
    for name in ("many", "few"):
        copies(first, tmp_path / name, 50)
    found = jaxdl.compare(tmp_path / "few")
    assert len(found.groups) == 10 and {group.seeds for group in found.groups} == {5} and not found.caution
    assert len({run.metrics["test/accuracy"] for run in jaxdl.find_runs(tmp_path / "many")}) == 50
    for name, (line, allowed) in commands(tmp_path).items():
        assert 0 < seconds_of(line, tmp_path) < 20 * allowed, name
    assert "Comparison" in (tmp_path / "page.html").read_text()
