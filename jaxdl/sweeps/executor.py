"""Where trials run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from jaxdl.setting import Display
from jaxdl.stopping import StopSignals
from jaxdl.sweeps.runner import run_trial
from jaxdl.sweeps.trial import Job, Outcome
from jaxdl.workshop import Workshop

DisplayOf = Callable[[int], Display]
Notify = Callable[[str], None]


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

    def __enter__(self) -> Executor: ...

    def __exit__(self, *exception: object) -> None: ...


class Inline:
    """Runs one trial after the other, in this process."""

    width = 1

    def __init__(self, workshop: Workshop, signals: StopSignals, display_of: DisplayOf, notify: Notify):
        self._workshop = workshop
        self._signals = signals
        self._display_of = display_of
        self._notify = notify
        self._job: Job | None = None

    def submit(self, job: Job) -> None:
        self._job = job

    def wait(self) -> Finished:
        job, self._job = self._job, None
        assert job is not None
        display = self._display_of(job.number)
        outcome = run_trial(job, self._workshop, signals=self._signals, display=display, notify=self._notify)
        return Finished(job, outcome)

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *exception: object) -> None:
        pass
