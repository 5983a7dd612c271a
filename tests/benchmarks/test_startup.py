"""The start-up benchmark: what it allows, what it prints, and that what it runs is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.startup import FIRST_STEP, IMPORT, allowed, round_of, table

ROOT = Path(__file__).resolve().parents[2]


def test_ratios_are_those_of_each_round_to_what_it_allows() -> None:
    assert allowed("launch.py --list", 2.0) == 2.0
    assert allowed(FIRST_STEP, 2.0) == 4.0
    rounds = [{IMPORT: t, "launch.py --list": t / 4, FIRST_STEP: t + 1} for t in (1.0, 2.0, 4.0)]
    header, imports, listing, first = table(rounds).splitlines()
    assert header.split() == ["seconds", "median", "min", "max", "of", "allowed"]
    assert imports.split()[-3:] == ["2.000", "1.000", "4.000"]
    assert listing.split()[-4:] == ["0.500", "0.250", "1.000", "0.25"]
    assert first.split()[-4:] == ["3.000", "2.000", "5.000", "0.75"]


@pytest.mark.slow
def test_a_round_measures_every_command(tmp_path: Path) -> None:
    seconds = round_of(tmp_path)
    assert len(seconds) == 5
    assert seconds["launch.py --list"] < seconds[IMPORT] < seconds[FIRST_STEP]
    assert list((tmp_path / "jaxdl" / "compiled").iterdir())  # so that the next round starts warm


@pytest.mark.parametrize("flag", ["--pairs=0", "--pairs=many", "--rounds=2"])
def test_bad_input_ends_with_status_2_and_one_line(flag: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.startup", flag], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert flag.partition("=")[0] in done.stderr
