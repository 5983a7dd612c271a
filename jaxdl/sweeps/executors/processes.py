"""Runs trials in worker processes of this machine, each with a part of its cores and accelerators."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType
from typing import Any

import cloudpickle

from jaxdl.backend.signals import StopSignals
from jaxdl.sweeps.executors.executor import MEMORY_SHARE, SECONDS_BETWEEN_LOOKS, Finished, Notify, import_path
from jaxdl.sweeps.trials.trial import Job, Outcome


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    job: Job | None = None


@dataclass(frozen=True)
class Share:
    """One worker's part of the machine.

    Attributes:
        cores: numbers of the cores that it may use.
        environment: variables that set its accelerator and its part of the accelerator's memory.
    """

    cores: tuple[int, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def shares(workers: int, cores: Sequence[int], gpus: Sequence[str], devices: int = 1) -> list[Share]:
    """Divides cores and GPUs equally among workers, since bits may depend on their number; the rest stays unused.

    If there are more workers than cores or GPUs, several share one.

    Args:
        workers: number of workers.
        cores: numbers of the cores that this process may use.
        gpus: its GPUs, as in ``CUDA_VISIBLE_DEVICES``.
        devices: how many GPUs each worker gets, at most as many as there are.
    """
    found = []
    each = max(1, len(cores) // workers)
    for number in range(workers):
        own = tuple(cores[(number * each + place) % len(cores)] for place in range(each))
        environment: dict[str, str] = {}
        if gpus:
            used = [place % len(gpus) for place in range(workers * devices)]  # worker by worker
            own_gpus = used[number * devices : (number + 1) * devices]
            on_device = max(used.count(device) for device in own_gpus)
            environment = {
                "CUDA_VISIBLE_DEVICES": ",".join(gpus[device] for device in own_gpus),
                "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{MEMORY_SHARE / on_device:.3f}",
            }
        found.append(Share(own, environment))
    return found


class Processes:
    """Runs trials in worker processes; if one dies, only its current trial fails, and it is replaced.

    Args:
        parts: each worker's part of the machine.
        settings: keyword arguments of `jaxdl.backend.settings.configure` in each worker.
        signals: tells it to stop.
        show: called with a trial's number, the text to show, and the fraction of it that is done.
        notify: called with messages.
    """

    def __init__(
        self,
        parts: Sequence[Share],
        settings: Mapping[str, Any],
        signals: StopSignals,
        show: Callable[[int, str, float], None],
        notify: Notify,
    ):
        self.width = len(parts)
        self._parts = parts
        self._settings = settings
        self._signals = signals
        self._show = show
        self._notify = notify
        self._workers: list[_Worker] = []
        self._told_to_stop = False

    def __enter__(self) -> Processes:
        self._workers = [self._start(part) for part in self._parts]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self._workers:
            worker.connection.close()  # a worker ends when its connection is closed
        for worker in self._workers:
            try:
                worker.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def narrow(self) -> None:
        """Does nothing: each worker has its own memory."""

    def submit(self, job: Job) -> None:
        worker = next(worker for worker in self._workers if worker.job is None)
        worker.job = job
        with contextlib.suppress(OSError):  # it has died: `wait` notices that
            worker.connection.send_bytes(cloudpickle.dumps(("run", job)))

    def wait(self) -> Finished:
        while True:
            if self._signals.received is not None:
                self._stop()
            busy = {worker.connection: worker for worker in self._workers if worker.job is not None}
            if not busy:
                self._signals.raise_received()
            for ready in wait(list(busy), SECONDS_BETWEEN_LOOKS):
                finished = self._read(busy[ready])  # type: ignore[index]
                if finished is not None:
                    return finished

    def _read(self, worker: _Worker) -> Finished | None:
        """Reads one message of a worker; returns its job if it is finished."""
        job = worker.job
        assert job is not None
        try:
            kind, content = cloudpickle.loads(worker.connection.recv_bytes())
        except (EOFError, OSError):
            return self._lost(worker)
        if kind == "say":
            self._notify(content)
            return None
        if kind == "show":
            self._show(job.number, *content)
            return None
        worker.job = None
        if kind == "stopped":
            return None
        return Finished(job, content)

    def _lost(self, worker: _Worker) -> Finished | None:
        """Replaces a worker that died."""
        status = worker.process.wait()
        job, worker.job = worker.job, None
        worker.connection.close()
        assert job is not None
        if self._signals.received is not None:
            return None
        place = self._workers.index(worker)
        self._workers[place] = self._start(self._parts[place])
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return Finished(job, Outcome("failed", reason=f"lost its worker process ({how})", again=True))

    def _stop(self) -> None:
        if not self._told_to_stop:
            self._told_to_stop = True
            for worker in self._workers:
                with contextlib.suppress(OSError):
                    worker.connection.send_bytes(cloudpickle.dumps(("stop", None)))

    def _start(self, part: Share) -> _Worker:
        ours, theirs = Pipe()
        command = [sys.executable, "-m", "jaxdl.sweeps.executors.worker", str(theirs.fileno())]
        environment = {**os.environ, **part.environment, "PYTHONPATH": import_path()}
        if part.environment:  # the worker has its own part of a GPU
            environment.pop("XLA_PYTHON_CLIENT_PREALLOCATE", None)
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], close_fds=True
        )
        theirs.close()
        with contextlib.suppress(OSError):  # it has died: its first job will notice that
            ours.send_bytes(cloudpickle.dumps(("begin", (part.cores, dict(self._settings)))))
        return _Worker(process, ours)
