"""What the searches of a race say."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.search_race import main
from benchmarks.search_race_summary import compared, longest, markdown, reached, together


def run(racer: str, points: list[tuple[float, float, float | None]], seed: int = 0, seconds: float = 600.0) -> Any:
    curve = [
        {"seconds": at, "figure": figure, "values": {}, "tried": 1, **({} if test is None else {"test": [test] * 2})}
        for at, figure, test in points
    ]
    found = {"space": "digits_mlp", "racer": racer, "seed": seed, "seconds": seconds, "curve": curve}
    return {**found, "tried": 10 * len(points), "completed": len(points)}


OURS = [run("jaxdl", [(10.0, 0.9, 0.90), (30.0, 0.97, 0.96), (60.0, 0.98, 0.95), (90.0, 0.99, 0.97)], seconds=120.0)]
THEIRS = [run("optuna-torch", [(50.0, 0.95, 0.93), (400.0, 0.975, 0.96)])]


def test_a_figure_is_reached_where_the_curve_stays_at_it() -> None:
    points = [(1.0, 0.9), (2.0, 0.96), (3.0, 0.94), (4.0, 0.96), (5.0, 0.97)]
    assert (reached(points, 0.9), reached(points, 0.96), reached(points, 0.98)) == (1.0, 4.0, math.inf)


def test_the_time_is_a_part_of_that_of_the_other_search() -> None:
    found = compared(OURS[0], THEIRS[0])
    assert found["validation"] == {"best": 0.975, "after": 60.0, "share": 0.1}
    assert found["test"] == {"best": 0.96, "after": 90.0, "share": 0.15}
    assert found["tried"] == (40, 20)


def test_figures_that_are_not_known_are_left_out() -> None:
    assert compared(OURS[0], run("optuna-torch", [(50.0, 0.95, 0.9), (400.0, 0.975, None)]))["test"] is None
    assert compared(OURS[0], run("optuna-torch", []))["validation"] is None


def test_the_longest_search_of_each_seed_counts() -> None:
    runs = [run("jaxdl", [], 1, 10.0), run("jaxdl", [], 0, 20.0), run("jaxdl", [], 0, 10.0)]
    found = longest(runs, "digits_mlp", "jaxdl")
    assert {seed: each["seconds"] for seed, each in found.items()} == {0: 20.0, 1: 10.0}


def test_the_table_has_each_seed_and_the_median() -> None:
    runs = [
        *OURS,
        *THEIRS,
        run("jaxdl", [(30.0, 0.97, 0.97)], seed=1, seconds=120.0),
        run("optuna-torch", [(50.0, 0.96, 0.96)], seed=1),
        run("jaxdl", [(30.0, 0.97, 0.97)], seed=2, seconds=120.0),
        run("optuna-torch", [(50.0, 0.98, 0.98)], seed=2),
    ]
    lines = markdown(runs).splitlines()
    assert [line.removeprefix("| digits_mlp | Optuna with PyTorch ") for line in lines[2:7]] == [
        "| 0 | 0.9750 | 60 | 0.10 | 0.9600 | 90 | 0.15 | 20, 40 in 120 of 600 s |",
        "| 1 | 0.9600 | 30 | 0.05 | 0.9600 | 30 | 0.05 | 10, 10 in 120 of 600 s |",
        "| 2 | 0.9800 | not reached |  | 0.9800 | not reached |  | 10, 10 in 120 of 600 s |",
        "| median | 0.9750 | 60 | 0.10 | 0.9600 | 90 | 0.15 | 10, 10 in 120 of 600 s |",
        # Theirs: (0.975 + 0.96 + 0.98) / 3; ours, from 90 s on: (0.99 + 0.97 + 0.97) / 3.
        "| mean of the curves | 0.9717 | 60 | 0.10 | 0.9667 | 90 | 0.15 | 13, 20 in 120 of 600 s |",
    ]
    assert "| digits_mlp | jaxdl | 3 | 10, 1 | 0.9700 | 30 | 0.9700 |" in lines
    assert "| digits_mlp | Optuna with PyTorch | 3 | 10, 1 | 0.9750 | 50 | 0.9600 |" in lines


def test_the_median_of_curves_begins_where_all_have_begun() -> None:
    curves = [([1.0, 4.0], [0.1, 0.5]), ([2.0, 4.0], [0.3, 0.3]), ([1.0, 3.0, 4.0], [0.2, 0.6, 0.6])]
    assert together(curves) == ([2.0, 3.0, 4.0], [0.2, 0.3, 0.5])
    assert together(curves, max) == ([2.0, 3.0, 4.0], [0.3, 0.6, 0.6])


def test_the_picture_lies_beside_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "race.json"
    file.write_text(json.dumps({"runs": [*OURS, *THEIRS]}))
    assert main([f"--summary={file}"]) == 0
    assert "| digits_mlp | jaxdl | 1 |" in capsys.readouterr().out
    assert (tmp_path / "race.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_that_is_no_race_ends_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "race.json"
    file.write_text("[]")
    assert main([f"--summary={file}"]) == 2
    assert f"--summary={file}: not the output of a race" in capsys.readouterr().err
