"""Databases of MLflow and trackio, written by hand in their forms (and by MLflow itself in test_mlflow)."""

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import jaxdl
from jaxdl.comparison.importers.databases import read_database

ROOT = Path(__file__).resolve().parents[3]
LARGEST = sys.float_info.max


def mlflow(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.executescript(
            "CREATE TABLE experiments (experiment_id INTEGER, name TEXT);"
            "CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, start_time INTEGER, end_time INTEGER, "
            "lifecycle_stage TEXT, experiment_id INTEGER);"
            "CREATE TABLE metrics "
            "(key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan INTEGER);"
            "CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);"
        )
        database.execute("INSERT INTO experiments VALUES (1, 'mine')")
        for run, stage in (("aa", "active"), ("bb", "deleted")):
            database.execute("INSERT INTO runs VALUES (?, 'x', 'FINISHED', 1000, 2000, ?, 1)", (run, stage))
            rows = [("test/accuracy", 0.5, 0), ("train/loss", LARGEST, 0), ("val_f1", 0.0, 1), ("system/cpu", 1.0, 0)]
            for key, value, is_nan in rows:
                database.execute("INSERT INTO metrics VALUES (?, ?, 1, ?, 5, ?)", (key, value, run, is_nan))
            database.execute("INSERT INTO params VALUES ('lr', '1e-3', ?)", (run,))


def test_mlflow_keeps_infinity_as_the_largest_number_and_what_is_no_number_as_such(tmp_path: Path) -> None:
    mlflow(tmp_path / "mlflow.db")
    (run,) = jaxdl.find_runs(tmp_path / "mlflow.db")
    assert (run.experiment, run.status, run.config) == ("mine", "completed", {"lr": 1e-3})
    assert run.metrics["test/accuracy"] == 0.5 and run.metrics["train/loss"] == math.inf
    assert math.isnan(run.metrics["validation/f1"]) and len(run.metrics) == 3


def test_reading_changes_nothing(tmp_path: Path) -> None:
    mlflow(tmp_path / "mlflow.db")
    before = (tmp_path / "mlflow.db").read_bytes()
    read_database(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_trackio_keeps_its_figures_as_json(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mine.db") as database:
        database.execute("CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_name TEXT, step INTEGER, metrics TEXT)")
        database.execute("CREATE TABLE configs (run_name TEXT, config TEXT)")
        figures = {"test/accuracy": 0.5, "train/loss": "Infinity", "note": "text", "epoch": 2}
        database.execute("INSERT INTO metrics VALUES (1, 'a', 10, ?)", (json.dumps(figures),))
        database.execute("INSERT INTO configs VALUES ('a', ?)", (json.dumps({"seed": 1, "_Version": "x"}),))
    (run,) = jaxdl.find_runs(tmp_path)
    assert (run.experiment, run.seed, run.config) == ("mine", 1, {"seed": 1})
    assert run.metrics == {"test/accuracy": 0.5, "train/loss": math.inf} and run.history[0]["epoch"] == 2


@pytest.mark.slow
def test_what_trackio_wrote_is_read(tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="trackio: extra trackio")
    code = (
        "from pathlib import Path; from tests.record.trackers.given import give\n"
        f"assert give('trackio', Path({str(tmp_path / 'run')!r})) == []"
    )
    environment = {"TRACKIO_DIR": str(tmp_path / "store"), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    (run,) = jaxdl.find_runs(tmp_path / "store")
    assert (run.experiment, run.seed, run.metrics["test/accuracy"]) == ("digits", 3, 0.875)
    losses = [(line["step"], line["epoch"]) for line in run.history if line["split"] == "train"]
    assert losses == [(10, 1), (20, 2), (30, 3)]
