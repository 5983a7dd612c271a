"""The command of ``--on_end``, which is run when a training or a sweep has ended."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError
from jaxdl.record import SUMMARY, read_summary
from jaxdl.report.terminal import announce


def check_on_end(command: str) -> None:
    """Raises `UserError` for a command that could not be run, so that this is known before the training."""
    _words(command)


def run_on_end(command: str, *, run_dir: Path | None = None, sweep_dir: Path | None = None, status: str = "") -> None:
    """Runs the command, if there is one; what goes wrong with it is told, and changes nothing else.

    No shell reads it: it is split into words as a shell would, and nothing of the run is put into it. What it is told
    stands in its environment.

    Args:
        command: the command; empty: none.
        run_dir: the run directory, if it is of one run.
        sweep_dir: the sweep directory, if it is of a sweep.
        status: how it ended; empty: as the run's summary says.
    """
    if not command:
        return
    found: dict[str, str] = {}
    if run_dir is not None:
        summary: dict[str, Any] = read_summary(run_dir) if (run_dir / SUMMARY).exists() else {}
        status = status or str(summary.get("status", "failed"))
        found |= {"JAXDL_RUN_DIR": str(run_dir.absolute()), "JAXDL_EXPERIMENT": str(summary.get("experiment", ""))}
    if sweep_dir is not None:
        found["JAXDL_SWEEP_DIR"] = str(sweep_dir.absolute())
    words = _words(command)
    try:
        ended = subprocess.run(
            words, env={**os.environ, **found, "JAXDL_STATUS": status}, stdin=subprocess.DEVNULL, check=False
        ).returncode
    except OSError as error:
        announce(f"--on_end: {words[0]} cannot be run: {error.strerror or error}.")
        return
    if ended:
        announce(f"--on_end: {shlex.join(words)} ended with status {ended}.")


def _words(command: str) -> Sequence[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"--on_end={command}: {error}.") from None
    if not words or shutil.which(words[0]) is None:
        name = words[0] if words else "it"
        raise UserError(f"--on_end={command}: there is no program {name}; for pipes and the like: \"sh -c '...'\".")
    return words
