"""Kills and signals at random moments: what counts as kept, and the page of the results."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from benchmarks.interruptions import CLOSED, WORKS, page, problem


def run_dir(tmp_path: Path, status: str, step: int, saved: int) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints" / str(saved)).mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"step": 3}\n')
    (folder / "summary.json").write_text(json.dumps({"status": status, "step": step}))
    return folder


@pytest.mark.parametrize(
    ("how", "status", "expected"),
    [
        ("KILL", -signal.SIGKILL, ""),
        ("KILL", 2, "KILL: status 2"),
        ("TERM", 143, ""),
        ("USR1", 138, ""),
        (CLOSED, 129, ""),
        ("INT", 143, "INT: status 143"),
        ("PIPE", 0, ""),
        ("PIPE", 141, "PIPE: status 141"),
        ("HUP", -signal.SIGHUP, "HUP: ended at once, without saving"),
    ],
)
def test_each_interruption_has_its_status(tmp_path: Path, how: str, status: int, expected: str) -> None:
    assert problem(run_dir(tmp_path, "preempted", step=5, saved=5), status, how) == expected


@pytest.mark.parametrize(
    ("status", "saved", "expected"),
    [("preempted", 5, ""), ("preempted", 4, "TERM: not saved (preempted)"), ("failed", 5, "TERM: not saved (failed)")],
)
def test_after_a_signal_the_last_step_is_saved(tmp_path: Path, status: str, saved: int, expected: str) -> None:
    assert problem(run_dir(tmp_path, status, step=5, saved=saved), 143, "TERM") == expected


def test_before_there_is_anything_to_save_nothing_is_expected(tmp_path: Path) -> None:
    assert problem(tmp_path / "run", 143, "TERM") == problem(tmp_path / "sweep", -15, "TERM") == ""


def test_the_page_counts_interruptions_and_problems() -> None:
    name = next(iter(WORKS))
    results = {
        "command": "python -m benchmarks.interruptions", "commit": "abc", "seconds": 61.2,
        "machine": {"processor": "A processor", "cores": 2}, "versions": {"jax": "0.10", "other": "1"},
        "works": [{"work": name, "interruptions": {"TERM": 2, "INT": 1}, "compared": 1, "problems": ["INT: status 2"]}],
    }  # fmt: skip
    text = page(results)
    assert f"| {name} | INT 1, TERM 2 | 1 | 1 |" in text and "3 interruptions; 1 problems" in text
    assert "A processor (2 cores), jax 0.10; 61 s." in text
