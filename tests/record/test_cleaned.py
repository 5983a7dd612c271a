"""What a record says of checkpoints that were removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jaxdl.record import read_record
from jaxdl.record.cleaned import note_removal, removed, removed_after


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"name": "x"}')
    (tmp_path / "record.json").write_text('{"command": ["launch.py"]}')
    return tmp_path


def test_what_was_removed_is_named_with_its_day(run_dir: Path) -> None:
    assert removed(run_dir) == "" and removed(run_dir, 10) == "" and removed_after(run_dir, 0) == ""
    note_removal(run_dir, [10, 20], ["pictures.png"])
    note_removal(run_dir, [30], [])
    [first, second] = read_record(run_dir)["cleaned"]
    assert (first["checkpoints"], first["others"], second["checkpoints"]) == ([10, 20], ["pictures.png"], [30])
    assert read_record(run_dir)["command"] == ["launch.py"]
    day = first["at_utc"][:10]
    assert removed(run_dir, 10) == removed(run_dir) == f"was removed by --mode=clean on {day}"
    assert removed(run_dir, 40) == ""
    assert (
        removed_after(run_dir, 20)
        == f"the last checkpoint of {run_dir}, of step 30, was removed by --mode=clean on {day}"
    )
    assert removed_after(run_dir, 30) == ""


def test_a_run_that_was_started_since_may_have_saved_them_again(run_dir: Path) -> None:
    note_removal(run_dir, [10, 30], [])
    record = read_record(run_dir) | {"resumptions": [{"changed": []}]}
    (run_dir / "record.json").write_text(json.dumps(record))
    assert removed(run_dir) == "" and removed_after(run_dir, 10) == ""
    assert removed(run_dir, 10), "the best of an earlier start is not saved again"


@pytest.mark.parametrize("content", ["", "[]", '{"cleaned": 3}', '{"cleaned": [3, {}, {"checkpoints": 1}]}'])
def test_a_damaged_record_says_nothing(content: str, run_dir: Path) -> None:
    (run_dir / "record.json").write_text(content)
    assert removed(run_dir) == removed(run_dir, 1) == removed_after(run_dir, 0) == ""
    assert removed(run_dir / "none") == ""
