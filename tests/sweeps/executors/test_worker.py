"""A worker process, spoken to as the sweep's own process speaks to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import jaxdl
from jaxdl.backend.cores import usable_cores
from jaxdl.sweeps.executors.executor import import_path
from jaxdl.sweeps.trials.trial import Job
from tests.experiments.twins import twin


@contextmanager
def worker() -> Iterator[tuple[subprocess.Popen[bytes], Connection]]:
    ours, theirs = Pipe()
    command = [sys.executable, "-m", "jaxdl.sweeps.executors.worker", str(theirs.fileno())]
    environment = {**os.environ, "PYTHONPATH": import_path()}
    process = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()])
    theirs.close()
    try:
        send(ours, "begin", (tuple(usable_cores()), {"platform": "cpu"}))
        yield process, ours
    finally:
        process.kill()
        process.wait()


def send(connection: Connection, kind: str, content: Any) -> None:
    connection.send_bytes(cloudpickle.dumps((kind, content)))


def messages(connection: Connection) -> Iterator[tuple[str, Any]]:
    while True:
        yield cloudpickle.loads(connection.recv_bytes())


def test_it_ends_when_nobody_waits_for_it() -> None:
    with worker() as (process, connection):
        connection.close()
        assert process.wait(timeout=120) == 1


@pytest.mark.slow
def test_it_runs_jobs_and_stops_them_when_it_is_told_to(tmp_path: Path) -> None:
    recipe = jaxdl.replace(twin("digits_mlp"), {"training.epochs": 2})
    long = jaxdl.replace(recipe, {"training.epochs": 100_000})
    first, second = (
        Job(number, each, tmp_path / f"{number}", tmp_path, (), "validation/loss", "minimize")
        for number, each in enumerate((recipe, long))
    )
    with worker() as (process, connection):
        send(connection, "run", first)
        kind, outcome = next(message for message in messages(connection) if message[0] not in ("say", "show"))
        assert (kind, outcome.state, sorted(outcome.curve)) == ("over", "completed", [1, 2])
        send(connection, "run", second)
        kind, (text, done) = next(message for message in messages(connection) if message[0] != "say")
        assert kind == "show" and text and 0 <= done < 1
        send(connection, "stop", None)
        kind, _ = next(message for message in messages(connection) if message[0] not in ("say", "show"))
        assert kind == "stopped" and process.poll() is None
        assert list((tmp_path / "1" / "checkpoints").glob("[0-9]*")), "its state was saved"
