"""How SIGINT and SIGTERM end a training without losing anything."""

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

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = "\x1b[?25h"


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a training as Ctrl-C does."""


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
    for number in _SIGNALS:  # a Python handler would raise inside the cleanup of other libraries
        signal.signal(number, signal.SIG_DFL)
    gc.freeze()  # Python collects garbage twice at its end, which takes half a second after a sweep
    sys.exit(status)


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Delays a first SIGINT or SIGTERM until the end of the block; a second one ends the process at once.

    Outside the main thread, which receives no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)

    try:
        with contextlib.ExitStack() as handlers:  # restores each of them, even if a signal raises meanwhile
            for number in _SIGNALS:
                handlers.callback(signal.signal, number, signal.signal(number, hold))
            yield
    finally:
        if received:
            signal.raise_signal(received[0])


class StopSignals:
    """Inside its ``with`` block, the first SIGINT or SIGTERM only asks to stop; a second one ends the process at once.

    Python handles a signal only between two calls of the compiled program, so the second signal is left to the
    operating system, which does not wait. Outside the main thread, where Python allows no handlers, nothing changes.

    Attributes:
        received: number of the signal that asked to stop, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        # The progress bar hides the cursor; a second signal would end the process without showing it again. Written
        # without Python's own buffer, which may be in use when the signal arrives.
        cursor = _SHOW_CURSOR if sys.stderr is not None and sys.stderr.isatty() else ""
        with contextlib.suppress(OSError):
            os.write(2, f"{cursor}\nstopping: saving first; a second signal ends the run at once\n".encode())

    def raise_received(self) -> None:
        """Raises `KeyboardInterrupt` or `Terminated` if a signal asked to stop."""
        if self.received is not None:
            raise Terminated if self.received == signal.SIGTERM else KeyboardInterrupt
