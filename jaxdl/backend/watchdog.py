"""Ends a process whose compiled program never comes back, and says where it hangs."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

HUNG = 124
"""The exit status of a process that a `Watchdog` ended; that of ``timeout``, too."""

# Of a time limit: how often it is looked at.
_PART = 1 / 20
_SECONDS_TO_TELL = 10.0


class Watchdog:
    """Watches calls of compiled programs; ends the process with status `HUNG` where one takes too long.

    A device, a collective or a callback that waits forever cannot be interrupted from Python: no exception can end the
    call. So the process ends at once, without cleanup; its files are whole, since they are always written as if the
    process could be killed at any time. A call that keeps Python's global lock is not noticed.

    Time in which the whole process was stopped, as by Ctrl-Z, does not count.

    Args:
        seconds: how long one call may take, more than 0.
        about: what the process does, for the message; such as the run directory.
        end: ends the process with a status.
    """

    def __init__(self, seconds: float, about: str, end: Callable[[int], Any] = os._exit):
        self._seconds = seconds
        self._about = about
        self._end = end
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._running: tuple[str, float] | None = None  # what is watched, and how long it took so far
        self._done = "nothing yet"

    @contextlib.contextmanager
    def watch(self, what: str) -> Iterator[None]:
        """Watches what is done inside the block.

        Args:
            what: a description for the message, such as ``train steps 1 to 64``.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="watchdog", daemon=True)
            self._thread.start()
        with self._lock:
            self._running = (what, 0.0)
        try:
            yield
        finally:
            with self._lock:
                self._running = None
                self._done = what

    def _look(self) -> None:
        pause = min(1.0, self._seconds * _PART)
        last = time.monotonic()
        while True:
            time.sleep(pause)
            now = time.monotonic()
            passed, last = min(now - last, 2 * pause), now  # of a longer time the process was stopped
            with self._lock:
                if self._running is None:
                    continue
                what, taken = self._running
                self._running = (what, taken + passed)
                if taken + passed < self._seconds:
                    continue
                done = self._done
            # In a thread of its own, since a reader of stderr that hangs, too, must not keep the process.
            telling = threading.Thread(target=self._tell, args=(what, done), daemon=True)
            telling.start()
            telling.join(_SECONDS_TO_TELL)
            self._end(HUNG)
            return

    def _tell(self, what: str, done: str) -> None:
        """Writes where the process hangs."""
        with contextlib.suppress(Exception):
            stream = sys.__stderr__ or sys.stderr
            stream.write(
                f"\n{self._about}: {what} did not come back for {self._seconds:g} s. Done before: {done}.\n"
                "Where each thread stands:\n"
            )
            stream.flush()
            faulthandler.dump_traceback(file=stream, all_threads=True)
            stream.write(
                f"The process ends with status {HUNG}. The same command with the same --run_dir goes on from the last "
                "checkpoint.\n"
            )
            stream.flush()
