"""What the processes of one training tell each other: what process 0 decides, and how one of them ended.

It goes through the store of `jax.distributed`, which process 0 keeps, and never through the devices: a collective would
wait for the programs that they run.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

from jaxdl.backend.rollcall import place
from jaxdl.backend.signals import StopSignals, Terminated
from jaxdl.errors import UserError, printable

T = TypeVar("T")
LOST = 134
"""The exit status where another process was lost; JAX ends a process with the same one (SIGABRT), if it is first."""

_WAIT_MS, _LOOK_S = 1000, 0.5
_KEPT = 64  # decisions that stay in the store
_LET_TELL_S, _LET_LEAVE_S = 5.0, 8.0
# Words of JAX's errors with which a collective, a barrier or the store ends when a process is gone.
_LOST_WORDS = ("gloo", "nccl", "coordination", "connection", "unavailable", "barrier", "heartbeat", "socket", "peer")


class Processes:
    """The processes that train together, as one of them sees them; see `processes`.

    Args:
        client: the store of `jax.distributed`.
        index: the number of this process.
        count: how many there are.

    Attributes:
        index, count: the arguments.
        agreed_to_stop: whether all know that a signal ends the training.
    """

    def __init__(self, client: Any, index: int, count: int):
        self.index, self.count = index, count
        self.agreed_to_stop = False
        self._client = client
        self._numbers: collections.Counter[str] = collections.Counter()
        self._ending = threading.Lock()
        self._told = False
        self._watched = 0  # how many blocks of `watched` are entered
        self._client.key_value_set(f"jaxdl/place/{index}", place())

    @property
    def is_first(self) -> bool:
        """Whether this is process 0, which writes the files and shows the progress."""
        return self.index == 0

    def decided(self, what: str, value: T) -> T:
        """Returns, in all processes, the value that process 0 gives; all call it equally often, in the same order.

        Args:
            what: a name, such as ``steps``.
            value: what can be written as JSON; only that of process 0 counts.
        """
        number = self._numbers[what]
        self._numbers[what] += 1
        key = f"jaxdl/decided/{what}/"
        if self.is_first:
            text = json.dumps(value)
            self._client.key_value_set(f"{key}{number}", text)
            if number >= _KEPT:  # the others are never so far behind: they take part in what is computed
                self._client.key_value_delete(f"{key}{number - _KEPT}")
        else:
            text = self._get(f"{key}{number}")
        decided: T = json.loads(text)
        return decided

    def told(self, what: str, value: T) -> list[T]:
        """Returns what each process tells of itself, by their numbers; waits until all have told it."""
        number = self._numbers[what]
        self._numbers[what] += 1
        key = f"jaxdl/told/{what}/{number}/"
        self._client.key_value_set(f"{key}{self.index}", json.dumps(value))
        return [json.loads(self._get(f"{key}{each}")) for each in range(self.count)]

    def signalled(self, number: int | None) -> int | None:
        """Returns, in all processes, a signal that one of them received, None if none did; all call it equally often.

        Args:
            number: the signal that this process received.
        """
        if number is not None:
            self._client.key_value_set(f"jaxdl/signal/{self.index}", str(number), allow_overwrite=True)
        found = [int(text) for _, text in self._client.key_value_dir_get("jaxdl/signal/")] if self.is_first else []
        agreed = self.decided("signal", found[0] if found else None)
        self.agreed_to_stop |= agreed is not None
        return agreed

    def _get(self, key: str) -> str:
        """Waits for a value in the store; a second at a time, since signals are only handled between."""
        while True:
            try:
                return str(self._client.blocking_key_value_get(key, _WAIT_MS))
            except Exception as error:
                if "DEADLINE_EXCEEDED" not in str(error):
                    raise

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Ends this process, inside the block, when another one tells that it ended."""
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over,), name="processes", daemon=True)
        self._watched += 1
        if self._watched == 1:
            watcher.start()
        try:
            yield
        finally:
            self._watched -= 1
            over.set()
            if watcher.ident is not None:
                watcher.join()

    def guarded(self, run: Callable[[], int], program: str) -> int:
        """Runs a command; where it fails in one process, all end, with a message that says which one, and how.

        Args:
            run: returns the exit status.
            program: the name of the program, for messages.
        """
        try:
            with self.watched():
                status = run()
                if status >= 128 and not self.agreed_to_stop:
                    self._end_with(status, "stopped by a signal")
                self.told("done", True)  # otherwise one would leave before another one needs it
            import jax  # here, since what comes before needs none of it

            jax.distributed.shutdown()
        except BaseException as error:
            self.end(error, program)
        return status

    def tell(self, error: BaseException) -> None:
        """Tells the others that this process ends with an error; the first time only."""
        if self._told:
            return
        self._told = True
        said = {"status": _status_of(error), "line": _line_of(error), "lost": is_lost(error)}
        with contextlib.suppress(Exception):  # the coordinator may be gone
            self._client.key_value_set(f"jaxdl/ended/{self.index}", json.dumps(said))

    def end(self, error: BaseException, program: str = "jaxdl") -> NoReturn:
        """Ends this process after an error, and with it the others; says which process was lost, if one was."""
        self.tell(error)
        with self._ending:  # the watcher no longer ends it
            if is_lost(error):
                self._end_lost(f" ({_line_of(error)[:200]})")
            if not isinstance(error, UserError | KeyboardInterrupt):
                traceback.print_exception(error)
            elif isinstance(error, UserError):
                _print(f"{program}: error: {error}")
            self._exit(_status_of(error))

    def _end_with(self, status: int, line: str) -> NoReturn:
        with contextlib.suppress(Exception):
            said = {"status": status, "line": line, "lost": False}
            self._client.key_value_set(f"jaxdl/ended/{self.index}", json.dumps(said))
        with self._ending:
            self._exit(status)

    def _watch(self, over: threading.Event) -> None:
        """Ends this process where another one tells that it ended."""
        while not over.wait(_LOOK_S):
            try:
                ended = self._ended()
            except Exception:  # the coordinator is gone: JAX ends the process, or a collective fails before
                continue
            if not ended:
                continue
            with self._ending:
                if over.is_set():
                    return
                self._end_after(ended)

    def _end_after(self, ended: dict[int, dict[str, Any]]) -> NoReturn:
        """Ends this process after others."""
        causes = {number: said for number, said in ended.items() if not said["lost"]}
        if not causes:
            with contextlib.suppress(Exception):
                own = json.dumps({"status": LOST, "line": "", "lost": True})
                self._client.key_value_set(f"jaxdl/ended/{self.index}", own, allow_overwrite=True)
            self._end_lost()
        number, said = min(causes.items())
        _print(f"jaxdl: {self._name(number)} ended: {said['line']}")
        self._exit(int(said["status"]))

    def _end_lost(self, cause: str = "") -> NoReturn:
        """Names the process that was lost: the one that tells nothing, while the others do."""
        end, silent = time.monotonic() + _LET_TELL_S, list[int]()
        try:
            while time.monotonic() < end:
                ended = self._ended()
                if any(not said["lost"] for said in ended.values()):
                    self._end_after(ended)
                silent = [each for each in range(self.count) if each != self.index and each not in ended]
                time.sleep(_LOOK_S / 2)
        except Exception:
            silent = [0]
        named = " and ".join(self._name(each) for each in silent) or "another process"
        _print(
            f"\njaxdl: {named} has ended or cannot be reached{cause}, so process {self.index} ends, too. The same "
            "command on all hosts goes on from the last checkpoint."
        )
        self._exit(LOST)

    def _ended(self) -> dict[int, dict[str, Any]]:
        """Returns what other processes that ended tell, by their numbers."""
        found = {int(key.rpartition("/")[2]): text for key, text in self._client.key_value_dir_get("jaxdl/ended/")}
        return {number: json.loads(text) for number, text in found.items() if number != self.index}

    def _name(self, number: int) -> str:
        coordinator = ", the coordinator," if number == 0 else ""
        where = ""
        with contextlib.suppress(Exception):
            where = f" ({self._client.blocking_key_value_get(f'jaxdl/place/{number}', _WAIT_MS)})"
        return f"process {number} of {self.count}{where}{coordinator}"

    def _exit(self, status: int) -> NoReturn:
        """Ends the process at once: JAX would wait for the others at Python's end, and then abort."""
        with contextlib.suppress(Exception):
            self._client.key_value_set(f"jaxdl/left/{self.index}", "")
            end = time.monotonic() + (_LET_LEAVE_S if self.is_first else 0)
            while time.monotonic() < end:  # with process 0 the store ends, where the others read why
                time.sleep(_LOOK_S / 5)
                if len(self._client.key_value_dir_get("jaxdl/left/")) == self.count:
                    break
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(status)


class AgreedSignals(StopSignals):
    """Signals that stop all processes after the same step, whichever of them received one.

    Args:
        together: the processes.
    """

    def __init__(self, together: Processes):
        self._together = together
        self._agreed: int | None = None
        self._asked: int | None = None
        super().__init__()

    @property
    def received(self) -> int | None:
        """The number of the signal that all processes know of."""
        return self._agreed

    @received.setter
    def received(self, number: int | None) -> None:
        self._asked = number

    def agree(self) -> None:
        """Makes a signal that one process received known to all; they all call it after the same step."""
        if self._agreed is None:
            self._agreed = self._together.signalled(self._asked)


def processes() -> Processes | None:
    """Returns the processes that `jax.distributed` has joined; None where this process is alone."""
    if "jax" not in sys.modules:
        return None
    # JAX has no public way to this store; Orbax and JAX's own `multihost_utils` take the same one.
    from jax._src.distributed import global_state

    if global_state.client is None or global_state.num_processes < 2:
        return None
    return _of(global_state.client, global_state.process_id, global_state.num_processes)


@functools.cache
def _of(client: Any, index: int, count: int) -> Processes:
    return Processes(client, index, count)


def is_lost(error: BaseException) -> bool:
    """Returns whether an error says that another process is gone.

    A collective of gloo that fails raises a plain `ValueError`.
    """
    text = str(error).lower()
    if isinstance(error, RuntimeError):  # among them JAX's own
        return any(word in text for word in _LOST_WORDS)
    return isinstance(error, ValueError) and "gloo" in text


def _status_of(error: BaseException) -> int:
    if isinstance(error, UserError):
        return 2
    if isinstance(error, Terminated):
        return 128 + error.number
    return 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1


def _line_of(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped by a signal"
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"[:500]


def _print(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(printable(line) if "\n" not in line else line, file=sys.stderr, flush=True)
