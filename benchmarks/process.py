"""Runs one process and measures it from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
_SECONDS_BETWEEN_LOOKS = 0.05
_VERSIONS = (
    "import importlib.metadata, json, sys;"
    "print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))"
)


@dataclass(frozen=True)
class Finished:
    """How a process ended.

    Attributes:
        problem: None if it succeeded; otherwise the last line of its standard error, or that it took too long.
        exit_status: its exit status; negative for a signal.
        wall_seconds: from its start to its end.
        cpu_seconds: time of all its threads, and of processes that it waited for.
        peak_mib: peak resident memory of it, or of a process that it waited for.
        other_cores: cores that other processes of the machine used meanwhile, on average; None without Linux's
            counters. Figures are not reliable if this is not near 0.
        output: its standard output.
    """

    problem: str | None
    exit_status: int
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    other_cores: float | None
    output: str


def run(command: Sequence[str], environment: Mapping[str, str], limit: float) -> Finished:
    """Runs a command in the repository's root and waits for it; kills it and its children after `limit`.

    Args:
        command: program and arguments.
        environment: variables to add to the environment; an empty value removes a variable.
        limit: seconds after which it is killed.

    Raises:
        OSError: the program cannot be started.
    """
    merged = {name: value for name, value in {**os.environ, **environment}.items() if value or name not in environment}
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        begin, busy = time.monotonic(), _busy_seconds()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=merged,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        timed_out, ended = False, 0
        try:
            while not ended:
                # os.wait4, because only it returns the memory of this one process.
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
                if not ended:
                    timed_out = time.monotonic() - begin > limit
                    if timed_out:
                        os.killpg(process.pid, signal.SIGKILL)
                        ended, status, usage = os.wait4(process.pid, 0)
                    else:
                        time.sleep(_SECONDS_BETWEEN_LOOKS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begin
        busy_now = _busy_seconds()
        problem = None
        if timed_out:
            problem = f"took longer than {limit:g} s"
        elif process.returncode:
            problem = _last_line(_read(errors)) or f"ended with status {process.returncode}"
        cpu = usage.ru_utime + usage.ru_stime
        others = None if busy is None or busy_now is None else max(0.0, busy_now - busy - cpu) / wall
        return Finished(problem, process.returncode, wall, cpu, usage.ru_maxrss / 1024, others, _read(output))


def versions_in(python: str, packages: Sequence[str]) -> dict[str, str]:
    """Returns the versions of packages in a Python; nothing if one is not installed."""
    done = run([python, "-c", _VERSIONS, *packages], {}, 60.0)
    found: dict[str, str] = {} if done.problem else json.loads(done.output)
    return found


def _busy_seconds() -> float | None:
    """Returns the time that the machine's cores have been busy since it started, added up."""
    try:
        first = Path("/proc/stat").read_text().splitlines()[0]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = map(int, first.split()[1:9])
    return (user + nice + system + sum(interrupts_and_stolen)) / os.sysconf("SC_CLK_TCK")


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
