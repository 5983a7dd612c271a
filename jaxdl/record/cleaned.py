"""What was removed from a run directory to free its disk: said in ``record.json``, so that it is missed by its name."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError
from jaxdl.files.atomic import replace_file
from jaxdl.record.encoding import json_text
from jaxdl.record.reading import RECORD, read_record

_ENTRY = "cleaned"


def note_removal(run_dir: Path, checkpoints: Sequence[int], others: Sequence[str]) -> None:
    """Writes into the record what is about to be removed; the run directory must be locked.

    Args:
        run_dir: the run directory.
        checkpoints: the steps of the checkpoints.
        others: names of other files and folders.

    Raises:
        UserError: the record cannot be read or written.
    """
    record = read_record(run_dir)
    entry = {
        "at_utc": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "checkpoints": list(checkpoints),
        "others": list(others),
        "starts": _starts(record),
    }
    replace_file(run_dir / RECORD, json_text(record | {_ENTRY: [*_entries(record), entry]}))


def removed(run_dir: Path, step: int | None = None) -> str:
    """Returns how a checkpoint of a run was removed, such as ``was removed by --mode=clean on 2026-11-29``, or nothing.

    Args:
        run_dir: the run directory, or any folder.
        step: of the checkpoint; None: of any that was removed since the run was started last.
    """
    record = _read(run_dir)
    for entry in reversed(_entries(record)):
        steps = _steps(entry)
        if step in steps or (step is None and steps and _is_of_this_start(entry, record)):
            return _how(entry)
    return ""


def removed_after(run_dir: Path, step: int) -> str:
    """Returns that a checkpoint of a later step was removed, if the run was not started since; else nothing."""
    record = _read(run_dir)
    for entry in reversed(_entries(record)):
        steps = [each for each in _steps(entry) if each > step]
        if steps and _is_of_this_start(entry, record):
            return f"the last checkpoint of {run_dir}, of step {max(steps):,}, {_how(entry)}"
    return ""


def _steps(entry: Mapping[str, Any]) -> list[int]:
    found = entry.get("checkpoints")
    return [each for each in found if isinstance(each, int)] if isinstance(found, list) else []


def _how(entry: Mapping[str, Any]) -> str:
    return f"was removed by --mode=clean on {str(entry.get('at_utc', '')).partition('T')[0] or 'an unknown day'}"


def _is_of_this_start(entry: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    return bool(entry.get("starts") == _starts(record))


def _starts(record: Mapping[str, Any]) -> int:
    """Returns how often a run was resumed: what was removed earlier may have been saved again since."""
    found = record.get("resumptions")
    return len(found) if isinstance(found, list) else 0


def _entries(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = record.get(_ENTRY)
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def _read(run_dir: Path) -> Mapping[str, Any]:
    """Returns the record of a run; empty where there is none, or a damaged one, which is then reported elsewhere."""
    try:
        return read_record(run_dir) if (run_dir / RECORD).exists() else {}
    except UserError:
        return {}
