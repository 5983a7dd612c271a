"""What is made of the figures, and that jaxdl's side runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.images import table, write_pictures
from benchmarks.process import ROOT


def test_ratios_are_those_of_each_round() -> None:
    rounds = [
        {"64": {"jaxdl": {"first": 100.0, "later": 9.0}, "keras": {"first": 50.0, "later": 3.0}}},
        {"64": {"jaxdl": {"first": 300.0, "later": 8.0}, "keras": {"first": 200.0, "later": 2.0}}},
        {"64": {"jaxdl": {"first": 200.0, "later": 10.0}}},
    ]
    assert table(rounds).splitlines()[2:] == [
        "| 64 | jaxdl | 200 | 9 |",
        "| 64 | keras | 125 (1.75) | 2 (3.50) |",
    ]


@pytest.mark.slow
def test_every_pass_reads_all_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", 9, (40, 30))
    assert {Image.open(path).size for path in tmp_path.glob("set/*/*.jpg")} == {(40, 30)}
    command = [sys.executable, "-m", "benchmarks.image_worker", "jaxdl", str(tmp_path / "set"), "8", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert told["pictures"] == 9 and len(told["seconds"]) == 3
