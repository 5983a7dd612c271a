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
from jaxdl.report.progress import Display
from jaxdl.sweeps.trials.population import Population
from jaxdl.sweeps.trials.runner import run_trial
from jaxdl.sweeps.trials.trial import Job, Outcome
from jaxdl.training.cache import Cache

DisplayOf = Callable[[int], Display]
Notify = Callable[[str], None]
# How often to check for a signal to this process while all trials are running.
SECONDS_BETWEEN_LOOKS = 0.5
# Fraction of an accelerator's memory; the rest is for allocations outside XLA, such as those of libraries.
MEMORY_SHARE = 0.9


def import_path() -> str:
    """Returns the folders from which this process imports, as ``PYTHONPATH``: an experiment may be defined there."""
    return os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))


class Finished(NamedTuple):
    """A finished job."""

    job: Job
    outcome: Outcome


class Executor(Protocol):
    """Runs trials; a context manager.

    Attributes:
        width: how many trials may run at the same time.
    """

    width: int

    def submit(self, job: Job) -> None:
        """Starts a job; fewer than `width` must be running."""

    def wait(self) -> Finished:
        """Waits for a job to finish and returns it; at least one must be running.

        Raises:
            KeyboardInterrupt: SIGINT or SIGTERM came; the running trials have saved their states.
        """

    def narrow(self) -> None:
        """Runs fewer trials at the same time from now on, if they share one memory, which ran out."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


class Inline:
    """Runs trials in this process: one after another, or several in threads.

    Args:
        threads: how many at the same time.
        cache: data and programs, which all trials share.
        signals: tells it to stop.
        display_of: returns the display of a trial's progress.
        notify: called with messages.
        population: of which the trials are the members; None: of none.
    """

    def __init__(
        self,
        threads: int,
        cache: Cache,
        signals: StopSignals,
        display_of: DisplayOf,
        notify: Notify,
        population: Population | None = None,
    ):
        self._population = population
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
                with contextlib.suppress(UserError):  # the trial itself will report it
                    self._cache.expect(shortened(job.experiment), str(job.run_dir))
            self._jobs[self._threads.submit(self._run, job)] = job

    def wait(self) -> Finished:
        if self._threads is None:
            assert self._alone is not None
            return Finished(self._alone, self._run(self._alone))
        while self._jobs:
            # With a limit, so that Python handles signals while it waits.
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
        if self._population is not None:
            return  # its members are all needed
        if self._cache.side_by_side > 1:
            self._cache.narrow()
            self.width = self._cache.side_by_side
        else:
            self.width = 1

    def _run(self, job: Job) -> Outcome:
        display = self._display_of(job.number)
        try:
            return run_trial(
                job,
                self._cache,
                signals=self._signals,
                display=display,
                notify=self._notify,
                population=self._population,
            )
        finally:
            self._cache.forget(str(job.run_dir))

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._threads is not None:
            if kind is not None and self._signals.received is None:
                self._signals.received = signal.SIGTERM  # their results are not needed any more
            self._threads.shutdown()
