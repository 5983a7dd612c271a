"""trackio takes a run: read back from its database."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.slow


def test_a_run_is_there_and_nothing_is_printed_to_stdout(tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="trackio: extra trackio")
    # In a process of its own: the folder is read when the library is imported.
    code = (
        "from pathlib import Path; from tests.record.trackers.given import give\n"
        f"assert give('trackio', Path({str(tmp_path / 'run')!r})) == []"
    )
    environment = {"TRACKIO_DIR": str(tmp_path / "store"), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    with sqlite3.connect(tmp_path / "store/digits.db") as database:
        rows = database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
        (config,) = database.execute("SELECT config FROM configs").fetchone()
    figures = [(name, step, json.loads(text)) for name, step, text in rows]
    assert {name for name, _, _ in figures} == {"run"}
    losses = [(step, found["train/loss"]) for _, step, found in figures if "train/loss" in found]
    assert losses == [(10, 1.0), (20, 0.5), (30, pytest.approx(1 / 3))]
    assert json.loads(config)["optimizer.learning_rate"] == 0.001
    assert list((tmp_path / "store/media").rglob("*.png"))
