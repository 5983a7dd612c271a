"""What is made of the figures, and that jaxdl's side runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.images import table, write_pictures
from benchmarks.process import ROOT


def test_ratios_are_those_of_each_round() -> None:
    def figures(first: float, core: float, later: float) -> dict[str, float]:
        return {"first": first, "first_of_a_core": core, "later": later}

    rounds = [
        {"64": {"jaxdl": figures(100, 60, 9), "keras": figures(50, 30, 3)}},
        {"64": {"jaxdl": figures(300, 80, 8), "keras": figures(200, 20, 2)}},
        {"64": {"jaxdl": figures(200, 70, 10)}},
    ]
    assert table(rounds).splitlines()[2:] == [
        "| 64 | jaxdl | 200 | 70 | 9 |",
        "| 64 | keras | 125 (1.75) | 25 (3.00) | 2 (3.50) |",
    ]


@pytest.mark.slow
def test_every_pass_reads_all_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set", 9, (40, 30))
    assert {Image.open(path).size for path in tmp_path.glob("set/*/*.jpg")} == {(40, 30)}
    command = [sys.executable, "-m", "benchmarks.image_worker", "jaxdl", str(tmp_path / "set"), "8", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    told = json.loads(done.stdout)
    np.savez(tmp_path / "a.npz", inputs=np.zeros((7, 28, 28, 1), np.uint8), targets=np.arange(7, dtype=np.int32))
    command[-3:] = [str(tmp_path / "a.npz"), "28", "2"]
    assert json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout)["pictures"] == 7
    assert told["pictures"] == 9 and len(told["seconds"]) == 3
    assert all(worked > 0 for worked in told["core_seconds"][:1])
