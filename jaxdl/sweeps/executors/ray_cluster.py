"""Runs trials on a Ray cluster, placed by the CPUs and GPUs that each needs.

The sweep directory is on a disk that the nodes share, or run directories come home when their trials have ended.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from jaxdl.backend.signals import StopSignals
from jaxdl.errors import UserError, needed
from jaxdl.sweeps.executors.away import Home, bring_home, run_here_or_away
from jaxdl.sweeps.executors.executor import MEMORY_SHARE, SECONDS_BETWEEN_LOOKS, Finished, import_path
from jaxdl.sweeps.trials.trial import Job, Outcome

_SECONDS_TO_ANSWER = 10.0


def _ray() -> Any:
    return needed("ray", "ray", "--executor=ray", "give --executor=processes")


def connect(address: str) -> None:
    """Connects to a cluster, or starts one on this machine; a second call does nothing.

    Args:
        address: address of the cluster's head, ``auto`` for the one of this machine; empty: start one.

    Raises:
        UserError: Ray is not installed, or there is no cluster at that address.
    """
    ray = _ray()
    if ray.is_initialized():
        return
    _check_answers(address)
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            runtime_env={"env_vars": {"PYTHONPATH": import_path()}},
            **({} if address else {"include_dashboard": False}),
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"--ray_address={address}: no Ray cluster can be reached there ({reason}).") from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray replaces the handler


def _check_answers(address: str) -> None:
    """Raises `UserError` if nothing answers at the address of a cluster: Ray would retry for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return  # auto, which Ray looks up
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"--ray_address={address}: no Ray cluster can be reached there ({error}).") from error


def places(cpus: float, gpus: float) -> int:
    """Returns how many trials fit on the nodes of the connected cluster.

    Raises:
        UserError: a trial fits on no node.
    """
    needs = {kind: need for kind, need in (("CPU", cpus), ("GPU", gpus)) if need}
    room = 0
    for node in _ray().nodes():
        if node["Alive"]:
            room += int(min((node["Resources"].get(kind, 0) / need for kind, need in needs.items()), default=1))
    if room < 1:
        wanted = " and ".join(f"{need:g} {kind}" for kind, need in needs.items())
        raise UserError(
            f"no node of the Ray cluster has {wanted} for a trial: lower --trial_devices, --trial_cpus or "
            "--trial_gpus, or add a node; --workers=N waits for one."
        )
    return room


def has_gpus() -> bool:
    """Returns whether a node of the connected cluster has a GPU."""
    return any(node["Alive"] and node["Resources"].get("GPU", 0) >= 1 for node in _ray().nodes())


@functools.cache
def _cache(data_dir: Path, settings: tuple[tuple[str, Any], ...]) -> Any:
    """Returns what the trials of one worker process share."""
    from jaxdl.backend.settings import configure
    from jaxdl.training.cache import Cache

    configure(**dict(settings))
    return Cache(data_dir, print)


def _run(job: Job, settings: tuple[tuple[str, Any], ...], home: Home) -> tuple[Outcome, bytes | None]:
    """Runs one trial, in a worker process of Ray; its main thread gets the signal that cancels it.

    Returns:
        The outcome, and the run directory where this machine has another disk than the sweep.
    """
    from jaxdl.sweeps.results.display import TrialDisplay
    from jaxdl.sweeps.trials.runner import run_trial

    display = TrialDisplay(job.experiment.training.epochs, lambda text, done: None)  # this process has no terminal
    cache = _cache(job.data_dir, settings)
    return run_here_or_away(job, home, lambda job: run_trial(job, cache, display=display))


class RayCluster:
    """Runs trials as tasks of Ray; one whose worker or node is lost can be retried.

    Args:
        width: how many trials may run at the same time.
        cpus: CPUs that each trial needs.
        gpus: GPUs that each trial needs; a fraction shares one.
        settings: keyword arguments of `jaxdl.backend.settings.configure` in each worker.
        signals: tells it to stop.
        sweep_dir: the sweep directory, absolute, which this process has locked.
    """

    def __init__(
        self,
        width: int,
        cpus: float,
        gpus: float,
        settings: Mapping[str, Any],
        signals: StopSignals,
        sweep_dir: Path,
    ):
        self.width = width
        self._home = Home.of(sweep_dir)
        # Trials that share a GPU also share its memory.
        shares = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{MEMORY_SHARE * gpus:.3f}"} if 0 < gpus < 1 else {}
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_retries": 0, "runtime_env": {"env_vars": shares}}
        self._task = _ray().remote(**options)(_run)
        self._settings = tuple(sorted(settings.items()))
        self._signals = signals
        self._jobs: dict[Any, Job] = {}
        self._told_to_stop = False

    def __enter__(self) -> RayCluster:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for reference in self._jobs:
            with contextlib.suppress(Exception):  # the cluster may be gone
                _ray().cancel(reference, force=True)

    def narrow(self) -> None:
        """Does nothing: each task has its own memory."""

    def submit(self, job: Job) -> None:
        self._jobs[self._task.remote(job, self._settings, self._home)] = job

    def wait(self) -> Finished:
        while True:
            if self._signals.received is not None:
                self._stop()
            if not self._jobs:
                self._signals.raise_received()
            ready, _ = _ray().wait(list(self._jobs), num_returns=1, timeout=SECONDS_BETWEEN_LOOKS)
            for reference in ready:
                job = self._jobs.pop(reference)
                outcome = self._outcome(reference, job)
                if outcome is not None:
                    return Finished(job, outcome)

    def _outcome(self, reference: Any, job: Job) -> Outcome | None:
        """Returns the outcome of a finished task, None if it was stopped."""
        ray = _ray()
        packed: bytes | None
        try:
            outcome: Outcome
            outcome, packed = ray.get(reference)
        except ray.exceptions.RayError as error:
            if self._signals.received is not None:
                return None
            reason = " ".join(str(error).split())[:200]
            lost = isinstance(error, ray.exceptions.NodeDiedError)
            what = f"lost its {'node' if lost else 'worker'} ({type(error).__name__}: {reason})"
            return Outcome("failed", reason=what, again=True, blameless=lost)
        if packed is not None:
            bring_home(packed, job.run_dir)
        return outcome

    def _stop(self) -> None:
        if not self._told_to_stop:
            self._told_to_stop = True
            for reference in self._jobs:
                _ray().cancel(reference, force=False, recursive=False)
