"""Runs in the SQLite databases of MLflow and of trackio, which are only read."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import sys
import urllib.parse
from pathlib import Path
from typing import Any

from jaxdl.comparison.importers.mlflow import OF_THE_MACHINE, STATUSES, seconds_between
from jaxdl.comparison.importers.values import Point, flat, imported_run, parsed
from jaxdl.comparison.runs import UNFINISHED, Run
from jaxdl.record.encoding import number

_HEADER = b"SQLite format 3\x00"
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read_database(file: Path) -> list[Run]:
    """Returns the runs in a database; none where it is another tool's."""
    try:
        with file.open("rb") as opened:
            if opened.read(len(_HEADER)) != _HEADER:
                return []
        address = f"file:{urllib.parse.quote(str(file.absolute()))}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=5)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if {"experiments", "runs", "metrics", "params"} <= tables:
                return _of_mlflow(file, database)
            if {"configs", "metrics"} <= tables:
                return _of_trackio(file, database)
    except (OSError, sqlite3.Error):  # damaged, or of a version with other tables
        return []
    return []


def _of_mlflow(file: Path, database: sqlite3.Connection) -> list[Run]:
    points: dict[str, list[Point]] = {}
    rows = database.execute("SELECT run_uuid, key, value, step, is_nan FROM metrics ORDER BY timestamp")
    for run, name, value, step, is_nan in rows:
        if not name.startswith(OF_THE_MACHINE):
            points.setdefault(run, []).append(Point(int(step), name, math.nan if is_nan else _finite(value)))
    config: dict[str, dict[str, Any]] = {}
    for run, name, value in database.execute("SELECT run_uuid, key, value FROM params"):
        config.setdefault(run, {})[name] = parsed(str(value))
    found = database.execute(
        "SELECT runs.run_uuid, experiments.name, runs.status, runs.start_time, runs.end_time FROM runs "
        "JOIN experiments ON runs.experiment_id = experiments.experiment_id "
        "WHERE runs.lifecycle_stage = 'active' ORDER BY runs.start_time"
    )
    return [
        imported_run(
            file / run,
            "mlflow",
            experiment=str(experiment),
            status=STATUSES.get(str(status), UNFINISHED),
            config=config.get(run, {}),
            points=points.get(run, []),
            seconds=seconds_between(start, end),
        )
        for run, experiment, status, start, end in found
    ]


def _finite(value: float) -> float:
    """Returns a value of MLflow's database, where the largest number stands for infinity."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else float(value)


def _of_trackio(file: Path, database: sqlite3.Connection) -> list[Run]:
    """Returns trackio's runs; it keeps no status, so that they count as completed."""
    points: dict[str, list[Point]] = {}
    for run, step, text in database.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id"):
        values = _object(text)
        numbers = {name: _NOT_FINITE.get(value, value) if isinstance(value, str) else value for name, value in values}
        points.setdefault(run, []).extend(
            Point(int(step), name, float(value))
            for name, value in numbers.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        )
    config = {run: flat(dict(_object(text))) for run, text in database.execute("SELECT run_name, config FROM configs")}
    return [
        imported_run(
            file / run,
            "trackio",
            experiment=file.stem,
            status="completed",
            config={name: number(value) for name, value in config.get(run, {}).items() if not name.startswith("_")},
            points=found,
        )
        for run, found in points.items()
    ]


def _object(text: Any) -> list[tuple[str, Any]]:
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return []
    return list(found.items()) if isinstance(found, dict) else []
