"""Processes that train one run together, over loopback."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def command(run_dir: Path, *flags: str) -> list[str]:
    return [sys.executable, str(ROOT / "launch.py"), "--platform=cpu", f"--run_dir={run_dir}", *flags]


@contextlib.contextmanager
def started(
    run_dir: Path, count: int, *flags: str, folders: Sequence[Path] | None = None
) -> Iterator[list[subprocess.Popen[str]]]:
    """Starts the processes of one run, and kills those that are left at the end.

    Args:
        run_dir: the run directory, which they share.
        count: how many processes there are.
        flags: what all of them are given.
        folders: where each of them works; None: beside the run directory.
    """
    meet = (f"--coordinator=127.0.0.1:{free_port()}", f"--num_processes={count}", "--heartbeat=10", *flags)
    environment = os.environ | {"COLUMNS": "120"}
    running = []
    try:
        for number in range(count):
            running.append(
                subprocess.Popen(
                    command(run_dir, *meet, f"--process_id={number}"),
                    env=environment,
                    text=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    cwd=folders[number] if folders else run_dir.parent,
                )
            )
        yield running
    finally:
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()


def ends(processes: list[subprocess.Popen[str]], seconds: float) -> list[tuple[int, str]]:
    """Returns status and messages of processes that end within so many seconds."""
    end = time.monotonic() + seconds
    return [
        (process.returncode, said)
        for process in processes
        for _, said in [process.communicate(timeout=max(1.0, end - time.monotonic()))]
    ]


def await_checkpoint(run_dir: Path, seconds: float) -> None:
    """Waits until the run has a checkpoint."""
    end, folder = time.monotonic() + seconds, run_dir / "checkpoints"
    while not (folder.is_dir() and any(name.isdecimal() for name in os.listdir(folder))):
        assert time.monotonic() < end, "there is no checkpoint"
        time.sleep(0.05)
