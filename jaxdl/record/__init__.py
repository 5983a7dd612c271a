"""The run directory, and its record of where a run came from."""

from __future__ import annotations

from jaxdl.record.directory import RunDirectory, new_run_dir
from jaxdl.record.encoding import json_text
from jaxdl.record.notes import NOTES, Notes, annotate, read_notes
from jaxdl.record.reading import (
    CONFIG,
    INSPECTION,
    METRICS,
    PICTURES,
    PROGRESS,
    RECORD,
    REPORT,
    SUMMARY,
    read_config,
    read_inspection,
    read_metrics,
    read_progress,
    read_record,
    read_summary,
)

__all__ = [
    "CONFIG",
    "INSPECTION",
    "METRICS",
    "NOTES",
    "PICTURES",
    "PROGRESS",
    "RECORD",
    "REPORT",
    "SUMMARY",
    "Notes",
    "RunDirectory",
    "annotate",
    "json_text",
    "new_run_dir",
    "read_config",
    "read_inspection",
    "read_metrics",
    "read_notes",
    "read_progress",
    "read_record",
    "read_summary",
]
