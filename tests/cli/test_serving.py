"""`--mode=serve` as a user meets it: a process that serves, and ends in order."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.launched import QUICK, ROOT, launch
from tests.served import Answer, ask, predicted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    assert launch(folder, *QUICK, "--run_dir=run").returncode == 0
    return folder


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yields a process that listens, and its port."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "launch.py"), "--mode=serve", "--run_dir=run", "--port=0", *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        address = next(line for line in lines if line.startswith("Serving on http://127.0.0.1:"))
        yield process, int(address.rstrip("/\n").rpartition(":")[2])
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_requests_that_have_begun(folder: Path, number: signal.Signals) -> None:
    with serving(folder) as (process, port):
        found: list[Answer] = []
        body = b'{"inputs": [' + b",".join([b"[" + b",".join([b"0"] * 64) + b"]"] * 4000) + b"]}"
        asking = threading.Thread(target=lambda: found.append(predicted(port, body)))
        asking.start()
        time.sleep(0.03)  # the request is on its way
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
        asking.join()
        assert [(each.status, len(each.json["predictions"])) for each in found] == [(200, 4000)]
        assert process.returncode == 0
        assert output.splitlines()[-1] == "Stopped; every request that had begun was answered."
        with pytest.raises(ConnectionRefusedError):
            ask(port, "GET", "/health")


@pytest.mark.slow
def test_limits_are_flags_and_a_port_in_use_is_a_line(folder: Path) -> None:
    with serving(folder, "--max_body=300", "--max_seconds=2", "--max_batch=2") as (_, port):
        assert predicted(port, {"inputs": [[0] * 64]}).status == 200
        assert predicted(port, {"inputs": [[0] * 64] * 3}).status == 413
        with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        other = launch(folder, "--mode=serve", "--run_dir=run", f"--port={port}")
        assert other.returncode == 2
        assert other.stderr.splitlines()[-1].endswith("(Address already in use); give another --port.")
        other = launch(folder, "--mode=serve", "--run_dir=run", "--port=70000")
        assert other.returncode == 2 and "must be from 0 to 65535" in other.stderr


def test_it_needs_a_run_and_its_options_are_its_own(tmp_path: Path) -> None:
    for arguments, message in (
        (("--mode=serve",), "--mode=serve needs --run_dir"),
        (("--experiment=digits_mlp", "--port=80"), "--port only applies to --mode=serve"),
    ):
        done = launch(tmp_path, *arguments)
        assert done.returncode == 2 and message in done.stderr.splitlines()[-1]
