"""Reads the files of a run directory, also while a run is still writing them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause
from jaxdl.files.paths import expanded
from jaxdl.record.encoding import number, parse

CONFIG, RECORD, SUMMARY, METRICS, REPORT = "config.json", "record.json", "summary.json", "metrics.jsonl", "report.html"
PICTURES, INSPECTION, PROGRESS = "pictures.png", "inspection.json", "progress.jsonl"


def read_config(path: Path) -> dict[str, Any]:
    """Reads ``config.json`` of the run directory `path`.

    Raises:
        UserError: there is no run, or the file is damaged.
    """
    return read_file(expanded(path), CONFIG)


def read_record(path: Path) -> dict[str, Any]:
    """Reads ``record.json`` of the run directory `path`; raises as `read_config` does."""
    return read_file(expanded(path), RECORD)


def read_summary(path: Path) -> dict[str, Any]:
    """Reads ``summary.json`` of the run directory `path`; raises as `read_config` does."""
    summary = read_file(expanded(path), SUMMARY)
    if isinstance(summary.get("metrics"), dict):
        summary["metrics"] = {name: number(value) for name, value in summary["metrics"].items()}
    return summary


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Reads the lines of ``metrics.jsonl`` of the run directory `path`, an empty list if nothing was logged.

    Raises:
        UserError: there is no run, or a line is damaged.
    """
    path = expanded(path)
    file = path / METRICS
    if not file.exists():
        read_file(path, CONFIG)  # raises the error for a folder without a run
        return []
    with named_cause(file, "read"):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    parsed = [parse(line, file, place) for place, line in enumerate(lines, 1)]
    return [{k: v if k == "split" else number(v) for k, v in line.items()} for line in parsed]


def read_inspection(path: Path) -> dict[str, Any]:
    """Reads ``inspection.json`` of the run directory `path`; raises as `read_config` does."""
    found: dict[str, Any] = _with_numbers(read_file(expanded(path), INSPECTION))
    return found


def _with_numbers(value: Any) -> Any:
    """Returns a tree with numbers that are not finite in the place of their names."""
    if isinstance(value, dict):
        return {name: _with_numbers(item) for name, item in value.items()}
    return [_with_numbers(item) for item in value] if isinstance(value, list) else number(value)


def read_progress(path: Path) -> list[dict[str, Any]]:
    """Reads the lines of ``progress.jsonl`` of the run directory `path` by epoch, an empty list if there are none.

    Where an epoch was trained again after a stop, its last line counts. Half a line, as a killed process leaves one, is
    left out.

    Raises:
        UserError: a line is damaged.
    """
    file = expanded(path) / PROGRESS
    if not file.exists():
        return []
    with named_cause(file, "read"):
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    parsed = [parse(line, file, place) for place, line in enumerate(lines, 1)]
    by_epoch = {line.get("epoch"): {name: number(value) for name, value in line.items()} for line in parsed}
    return [by_epoch[epoch] for epoch in sorted(by_epoch, key=lambda epoch: epoch if isinstance(epoch, int) else 0)]


def read_file(path: Path, name: str) -> dict[str, Any]:
    """Reads the JSON file `name` of the run directory `path`; raises as `read_config` does."""
    file = path / name
    if not file.exists():
        if not (path / CONFIG).exists():
            raise UserError(f"there is no run in {path} (no {CONFIG}): give --run_dir=DIR of a run.")
        raise UserError(f"{file} is missing: the run has not got that far; run it again with the same --run_dir.")
    with named_cause(file, "read"):
        return parse(file.read_text(encoding="utf-8", errors="replace"), file)
