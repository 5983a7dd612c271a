"""Gives a tracker what a run records, in a thread of its own: one that is slow or away holds up nothing."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.files.atomic import replace_file
from jaxdl.record.trackers.tracker import TrackedRun, Tracker

FOLDER = "trackers"
_MOST_WAITING = 1000  # entries, of an epoch's figures or a picture each
_MOST_FAILURES = 3  # in a row
SECONDS_AT_END = 30.0
"""How long the end of a run waits for a tracker that is slow, in seconds."""

_Action = Callable[[Tracker], None]


class Sending:
    """Gives one tracker the records of one run. Only `close` waits for it, and not for ever.

    What is told to `notify` is told in the caller's thread.

    Args:
        name: the tracker's.
        make: makes the tracker, in the thread.
        run: what it is told of the run.
        notify: told what does not arrive.
        seconds_at_end: how long `close` waits.
        most_waiting: how many entries may wait; what comes when there are so many is left out.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], Tracker],
        run: TrackedRun,
        notify: Callable[[str], None],
        *,
        seconds_at_end: float = SECONDS_AT_END,
        most_waiting: int = _MOST_WAITING,
    ):
        self._name, self._make, self._notify = name, make, notify
        self._sent = _Sent(run.run_dir / FOLDER / f"{name}.json")
        self._run = TrackedRun(run.experiment, run.name, run.run_dir, run.config, self._sent.id)
        self._seconds_at_end = seconds_at_end
        self._waiting: queue.Queue[_Action | None] = queue.Queue(most_waiting)
        self._left_out = 0
        self._problem: str | None = None
        self._given_up = threading.Event()
        # A daemon: a tracker that hangs does not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def log(self, step: int, epoch: int, split: str, figures: Mapping[str, float]) -> None:
        """Gives it figures by ``SPLIT/NAME``, unless an earlier process has given it those of this step."""
        if self._sent.has(split, step):
            return

        def send(tracker: Tracker) -> None:
            tracker.log(step, epoch, figures)
            self._sent.note(split, step)

        self._put(send)

    def show(self, step: int, name: str, value: np.ndarray | str) -> None:
        """Gives it a picture, the values of a histogram, or a text."""
        self._put(lambda tracker: tracker.show(step, name, value))

    def close(self, status: str, figures: Mapping[str, float]) -> None:
        """Gives it the end, and waits for some seconds until it has taken everything; a second call does nothing."""
        if self._thread.is_alive() and not self._given_up.is_set():
            until = time.monotonic() + self._seconds_at_end
            try:
                self._waiting.put(lambda tracker: tracker.end(status, figures), timeout=self._seconds_at_end)
                self._waiting.put(None, timeout=max(0.0, until - time.monotonic()))
                self._thread.join(max(0.0, until - time.monotonic()))
            except queue.Full:
                pass
            if self._thread.is_alive() and not self._given_up.is_set():
                self._given_up.set()
                self._notify(
                    f"{self._name} has not taken everything within {self._seconds_at_end:g} s, and is left alone; "
                    "the run directory has it all."
                )
        self._tell()
        if self._left_out:
            self._notify(f"{self._name} was too slow for {self._left_out} entries; the run directory has them.")
            self._left_out = 0

    def _put(self, action: _Action) -> None:
        self._tell()
        if self._given_up.is_set():
            return
        try:
            self._waiting.put_nowait(action)
        except queue.Full:
            self._left_out += 1

    def _tell(self) -> None:
        problem, self._problem = self._problem, None
        if problem is not None:
            self._notify(problem)

    def _work(self) -> None:
        try:
            tracker = self._make()
            self._sent.take(tracker.begin(self._run))
        except BaseException as error:  # SystemExit, too: some tools end the process where they are not set up
            self._give_up(error)
            return
        failures, told = 0, False
        while (action := self._waiting.get()) is not None and not self._given_up.is_set():
            try:
                action(tracker)
                failures = 0
            except BaseException as error:
                failures += 1
                if not told:
                    told, self._problem = True, f"{self._name} did not take an entry ({_in_a_line(error)})."
                if failures == _MOST_FAILURES:
                    self._give_up(error)
                    return

    def _give_up(self, error: BaseException) -> None:
        self._problem = (
            f"{self._name} does not work ({_in_a_line(error)}), and is given nothing more; the training goes on, and "
            "the run directory has everything."
        )
        self._given_up.set()


class _Sent:
    """What a tracker was given of a run, kept in the run directory for a process that resumes it."""

    def __init__(self, file: Path):
        self._file = file
        try:
            found: dict[str, Any] = json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            found = {}
        self.id: str | None = found.get("id")
        self._steps: dict[str, int] = found.get("steps", {})

    def has(self, split: str, step: int) -> bool:
        return step <= self._steps.get(split, -1)

    def take(self, id: str | None) -> None:
        if id is None or id != self.id:  # it has begun anew, and knows nothing
            self._steps = {}
        self.id = id
        self._write()

    def note(self, split: str, step: int) -> None:
        self._steps = {**self._steps, split: step}
        self._write()

    def _write(self) -> None:
        self._file.parent.mkdir(exist_ok=True)
        replace_file(self._file, json.dumps({"id": self.id, "steps": self._steps}) + "\n")


def _in_a_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
