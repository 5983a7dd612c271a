"""How signals end a training without losing anything: Ctrl-C, SIGTERM, a closed terminal, a scheduler's warning."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, NoReturn

from jaxdl.errors import UserError

# SIGHUP: the terminal was closed. SIGUSR1: Slurm's warning before a job's time is over (``--signal=USR1@60``). SIGALRM:
# of `stop_after`. Windows has none of these three.
_STOPPING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGALRM")
_SHOW_CURSOR = "\x1b[?25h"


class Terminated(KeyboardInterrupt):
    """Another signal than SIGINT, which ends a training as Ctrl-C does.

    Attributes:
        number: the signal's number.
    """

    def __init__(self, number: int = signal.SIGTERM):
        super().__init__()
        self.number = number


def stopping_signals() -> list[signal.Signals]:
    """Returns the signals that stop a training; without SIGHUP where it is ignored, as under nohup."""
    known = [name for name in _STOPPING if hasattr(signal, name)]
    if "SIGHUP" in known and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        known.remove("SIGHUP")
    return [getattr(signal, name) for name in known]


def raise_terminated() -> None:
    """Makes each of the signals but SIGINT raise `Terminated`, as SIGINT raises `KeyboardInterrupt`."""

    def terminate(number: int, frame: object) -> None:
        raise Terminated(number)

    for number in stopping_signals():
        if number != signal.SIGINT:
            signal.signal(number, terminate)


def stop_after(seconds: float) -> None:
    """Has SIGALRM sent to this process after so many seconds, which ends a training as the other signals do.

    Raises:
        UserError: the system has no such timer.
    """
    if not hasattr(signal, "setitimer"):
        raise UserError("--max_time needs a system with timers (POSIX), which Windows is not; leave it out.")
    signal.setitimer(signal.ITIMER_REAL, seconds)


def end_process(status: int) -> NoReturn:
    """Ends the process with an exit status.

    Where threads of Orbax are left, which is after a failed saving, it ends at once: they would wait ten minutes.

    Raises:
        SystemExit: there are no such threads; Python then ends in its usual way.
    """
    if any(type(thread).__module__.startswith("orbax.") for thread in threading.enumerate()):
        with contextlib.suppress(OSError):  # the reader of the output may have closed it
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    for number in stopping_signals():  # a Python handler would raise inside the cleanup of other libraries
        signal.signal(number, signal.SIG_DFL)
    gc.freeze()  # Python collects garbage twice at its end, which takes half a second after a sweep
    sys.exit(status)


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Delays a first signal to stop until the end of the block; a second one ends the process at once.

    Outside the main thread, which receives no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    numbers = stopping_signals()

    def hold(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)

    try:
        with contextlib.ExitStack() as handlers:  # restores each of them, even if a signal raises meanwhile
            for number in numbers:
                handlers.callback(signal.signal, number, signal.signal(number, hold))
            yield
    finally:
        if received:
            signal.raise_signal(received[0])


class StopSignals:
    """Inside its ``with`` block, a first signal to stop only asks to; a second one ends the process at once.

    These are SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGALRM.

    Python handles a signal only between two calls of the compiled program, so the second signal is left to the
    operating system, which does not wait. Outside the main thread, where Python allows no handlers, nothing changes.

    Attributes:
        received: number of the signal that asked to stop, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._in_kernel = "ipykernel" in sys.modules
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in stopping_signals()}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        for each in self._before:
            # A second press of a notebook's stop button must not end the kernel.
            spared = self._in_kernel and each == signal.SIGINT
            signal.signal(each, signal.default_int_handler if spared else signal.SIG_DFL)
        # The progress bar hides the cursor; a second signal would end the process without showing it again. Written
        # without Python's own buffer, which may be in use when the signal arrives.
        cursor = _SHOW_CURSOR if sys.stderr is not None and sys.stderr.isatty() else ""
        over = hasattr(signal, "SIGALRM") and number == signal.SIGALRM
        why = "the time of --max_time is over" if over else "stopping"
        with contextlib.suppress(OSError):
            os.write(2, f"{cursor}\n{why}: saving first; a second signal ends the run at once\n".encode())

    def raise_received(self) -> None:
        """Raises `KeyboardInterrupt` or `Terminated` if a signal asked to stop."""
        if self.received is not None:
            raise KeyboardInterrupt if self.received == signal.SIGINT else Terminated(self.received)
