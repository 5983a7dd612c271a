"""Runs of other tools are found beside those of jaxdl, by the names of their files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import jaxdl
from jaxdl.record.tensorboard import EventFile
from tests.comparison.made import made


def test_they_are_compared_with_runs_of_jaxdl(tmp_path: Path) -> None:
    for seed in range(2):
        made(tmp_path / f"runs/{seed}", seed=seed, accuracy=0.9)
    for name in ("one", "two"):
        folder = tmp_path / "logs" / name
        folder.mkdir(parents=True)
        events = EventFile(folder)
        events.write(10, {"test/accuracy": 0.5})
        events.close()
    found = jaxdl.compare(tmp_path / "runs", tmp_path / "logs")
    assert [(group.name, group.seeds) for group in found.groups] == [("digits", 2), ("logs", 2)]
    estimate = found.estimate(found.groups[1], "test/accuracy")
    assert estimate is not None and estimate.mean == 0.5
    assert found.difference(found.groups[1], "test/accuracy") is None  # their seeds are not known
    listed = jaxdl.find_runs(tmp_path).where("tool=tensorboard")
    assert [run.path.name for run in listed] == ["one", "two"]


def test_what_is_of_no_tool_is_passed_over(tmp_path: Path) -> None:
    made(tmp_path / "a")
    (tmp_path / "x.db").write_text("no database")
    (tmp_path / "x.wandb").write_text("no run")
    (tmp_path / "meta.yaml").write_text(": : :")
    (tmp_path / "train").mkdir()
    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("CREATE TABLE metrics (value REAL)")
    assert [run.path.name for run in jaxdl.find_runs(tmp_path)] == ["a"]
    with pytest.raises(jaxdl.UserError, match="there is no run in .*, and no files of another tool"):
        jaxdl.find_runs(tmp_path / "train")
    with pytest.raises(jaxdl.UserError, match="there is no run in"):
        jaxdl.find_runs(tmp_path / "other.db")
