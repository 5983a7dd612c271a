"""One search of `benchmarks.search_race` as a process that is ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE = 30.0  # seconds that a search may take to end after its time


class Ended(NamedTuple):
    """How a process ended.

    Attributes:
        status: its exit status; negative for a signal.
        in_time: whether it ended by itself.
        output: its standard output.
        error: the last line of its standard error; empty if there is none.
    """

    status: int
    in_time: bool
    output: str
    error: str


def run_for(
    command: Sequence[str], folder: Path, seconds: float | None, environment: Mapping[str, str] | None = None
) -> Ended:
    """Runs a command, and asks it to end when its time is over; one that goes on is killed.

    Args:
        command: program and arguments.
        folder: where it runs, and where its output is kept.
        seconds: its time; None: as long as it takes.
        environment: variables besides those of this process.

    Raises:
        OSError: the program cannot be started.
    """
    files = folder / "output.txt", folder / "errors.txt"
    with open(files[0], "w") as output, open(files[1], "w") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        in_time = True
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            in_time = False
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
        finally:
            _end(process)
    said, complaints = (file.read_text(errors="replace") for file in files)
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    return Ended(process.returncode, in_time, said, lines[-1] if lines else "")


def _end(process: subprocess.Popen[Any]) -> None:
    """Ends a process that leads a session, and all that it started there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
