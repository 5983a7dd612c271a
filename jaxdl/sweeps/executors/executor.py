"""Where trials run."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from jaxdl.backend.signals import StopSignals
from jaxdl.errors import UserError
from jaxdl.experiment.load import shortened
from jaxdl.report.terminal import Display
from jaxdl.sweeps.trials.runner import run_trial
from jaxdl.sweeps.trials.trial import Job, Outcome
from jaxdl.training.cache import Cache

DisplayOf = Callable[[int], Display]
Notify = Callable[[str], None]
# How often a signal to this process is looked for while all trials are running.
SECONDS_BETWEEN_LOOKS = 0.5
# Of an accelerator's memory; the rest is for what is not allocated through XLA, such as the libraries' own.
MEMORY_SHARE = 0.9


def import_path() -> str:
    """Returns the folders from which this process imports, as ``PYTHONPATH``: an experiment may be defined there."""
    return os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))


class Finished(NamedTuple):
    """A job that is over."""

    job: Job
    outcome: Outcome


class Executor(Protocol):
    """Runs trials; a context manager.

    Attributes:
        width: how many trials may be under way at the same time.
    """

    width: int

    def submit(self, job: Job) -> None:
        """Takes a job; fewer than `width` must be under way."""

    def wait(self) -> Finished:
        """Returns a job that is over, waiting for it; one must be under way.

        Raises:
            KeyboardInterrupt: SIGINT or SIGTERM came; trials under way have saved their states.
        """

    def narrow(self) -> None:
        """Has fewer under way at the same time from now on, where they share one memory, which ran out."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


class Inline:
    """Runs trials in this process: one after the other, or several in threads.

    Args:
        threads: how many at the same time.
        cache: data and programs, which all trials share.
        signals: asks to stop.
        display_of: returns what shows how far a trial is.
        notify: takes messages.
    """

    def __init__(self, threads: int, cache: Cache, signals: StopSignals, display_of: DisplayOf, notify: Notify):
        self.width = threads
        self._cache = cache
        self._signals = signals
        self._display_of = display_of
        self._notify = notify
        self._jobs: dict[Future[Outcome], Job] = {}
        self._alone: Job | None = None
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="trial") if threads > 1 else None

    def submit(self, job: Job) -> None:
        if self._threads is None:
            self._alone = job
        else:
            if self._cache.side_by_side > 1:
                with contextlib.suppress(UserError):  # the trial itself will say so
                    self._cache.expect(shortened(job.experiment), str(job.run_dir))
            self._jobs[self._threads.submit(self._run, job)] = job

    def wait(self) -> Finished:
        if self._threads is None:
            assert self._alone is not None
            return Finished(self._alone, self._run(self._alone))
        while self._jobs:
            # With a limit, so that Python acts on signals while it waits.
            over, _ = wait(list(self._jobs), timeout=SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
            for future in over:
                job = self._jobs.pop(future)
                try:
                    return Finished(job, future.result())
                except KeyboardInterrupt:  # it has saved its state
                    continue
        self._signals.raise_received()
        raise KeyboardInterrupt

    def narrow(self) -> None:
        if self._cache.side_by_side > 1:
            self._cache.narrow()
            self.width = self._cache.side_by_side
        else:
            self.width = 1

    def _run(self, job: Job) -> Outcome:
        display = self._display_of(job.number)
        try:
            return run_trial(job, self._cache, signals=self._signals, display=display, notify=self._notify)
        finally:
            self._cache.forget(str(job.run_dir))

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._threads is not None:
            if kind is not None and self._signals.received is None:
                self._signals.received = signal.SIGTERM  # nobody takes what comes of them any more
            self._threads.shutdown()
