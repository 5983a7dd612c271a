"""The processes of one run find each other before JAX joins them: who is there, who is missing, who does not belong.

`jax.distributed.initialize` aborts the process where one is missing or too many, and a process of another run that
connects aborts the run that is there. So the processes first call at the coordinator's address, where process 0 answers
when all have come. Then it gives up the port, and JAX takes it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from jaxdl.errors import UserError

Identity = Mapping[str, str]
"""What all processes of a run have in common, by name: the run, the recipe, and versions."""

OF_THE_RUN = ("experiment", "run_dir")
"""The names in an `Identity` that tell one run from another."""

_GREETING, _MOST_BYTES = "jaxdl", 1_000_000
_RETRY_S, _ANSWER_S = 0.2, 5.0
_NAMED = 3


def numbers_text(numbers: list[int]) -> str:
    """Returns the numbers of processes in words: ``process 1`` or ``processes 1, 2 and 5``."""
    if len(numbers) == 1:
        return f"process {numbers[0]}"
    if len(numbers) > 8:
        return f"{len(numbers)} processes, {numbers[0]} the first of them,"
    return f"processes {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def await_others(address: str, count: int, identity: Identity, seconds: float, notify: Callable[[str], None]) -> None:
    """Waits, in process 0, until all others have called, and tells them so; the port is free again after it.

    Args:
        address: ``HOST:PORT`` of the coordinator, which is this process.
        count: how many processes the run has.
        identity: what they must have in common.
        seconds: how long to wait.
        notify: told of each process that is refused.

    Raises:
        UserError: some did not come, one has another recipe or other versions, or the port is in use.
    """
    end = time.monotonic() + seconds
    present: dict[int, socket.socket] = {}
    refused = ""
    with contextlib.ExitStack() as opened, _listening(address, end) as listener:
        while len(present) < count - 1:
            present = {number: caller for number, caller in present.items() if not _has_gone(caller)}
            left = end - time.monotonic()
            missing = [number for number in range(1, count) if number not in present]
            if left <= 0:
                problem = (
                    f"process 0 waited {seconds:g} s at {address} for {numbers_text(missing)} of {count}"
                    f"{f' ({refused})' if refused else ''}: start them with the same --coordinator and "
                    "--num_processes, or give a longer --join_timeout."
                )
                raise _told_to(present, problem)
            listener.settimeout(min(left, 1.0))
            try:
                caller, _ = listener.accept()
            except TimeoutError:
                continue
            opened.callback(caller.close)
            present = {number: each for number, each in present.items() if not _has_gone(each)}
            number, wrong, is_ours = _look_at(caller, present, count, identity)
            if wrong is None:
                present[number] = caller
                continue
            _say(caller, {"refused": wrong})
            if is_ours:
                raise _told_to(present, wrong)
            refused = f"refused: {wrong}"
            notify(refused)
        for each in present.values():
            _say(each, {"all_here": count})


def call_first(address: str, process: int, count: int, identity: Identity, seconds: float) -> None:
    """Calls process 0, and waits until all processes have done so.

    Args:
        address: ``HOST:PORT`` of the coordinator, which is process 0.
        process: the number of this one.
        count: how many processes the run has.
        identity: what they must have in common.
        seconds: how long to wait.

    Raises:
        UserError: process 0 cannot be reached, refuses this process, or others are missing.
    """
    end, cause = time.monotonic() + seconds, "no answer"
    host, port = parts_of(address)
    said = {_GREETING: dict(identity), "process": process, "count": count, "at": place()}
    while time.monotonic() < end:
        try:
            to = socket.create_connection((host, port), timeout=max(0.1, min(_ANSWER_S, end - time.monotonic())))
        except OSError as error:
            cause = str(error.strerror or error).lower()
            time.sleep(_RETRY_S)
            continue
        with to:
            _say(to, said)
            try:
                answer = _heard(to, end)
            except TimeoutError:
                cause = "it is there, but others are missing"
                continue
        if answer is None or not ("refused" in answer or "all_here" in answer):
            # Also where the port that is called became, by chance, this socket's own: it hears itself.
            cause = "what answers there is not process 0 of this run, or it has just ended"
            time.sleep(_RETRY_S)
            continue
        if "refused" in answer:
            raise UserError(str(answer["refused"]))
        return
    raise UserError(
        f"process {process} waited {seconds:g} s for process 0 at {address} ({cause}): start it there, correct "
        "--coordinator, or give a longer --join_timeout."
    )


def place() -> str:
    """Returns where this process runs, for messages."""
    return f"host {socket.gethostname()}, pid {os.getpid()}"


def parts_of(address: str) -> tuple[str, int]:
    """Returns host and port of ``HOST:PORT``; an IPv6 address stands in brackets.

    Raises:
        UserError: it is none.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(f"--coordinator={address}: give HOST:PORT, such as node1:8476.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def differences(theirs: Mapping[str, Any], ours: Identity) -> list[str]:
    """Returns in which names two identities differ."""
    return [name for name in {**ours, **theirs} if theirs.get(name) != ours.get(name)]


def _told_to(present: Mapping[int, socket.socket], problem: str) -> UserError:
    """Returns an error after telling it to the processes that have called."""
    for each in present.values():
        _say(each, {"refused": problem})
    return UserError(problem)


def _look_at(
    caller: socket.socket, present: Mapping[int, Any], count: int, identity: Identity
) -> tuple[int, str | None, bool]:
    """Returns the number of a process that called, what is wrong with it, and whether it is of this run."""
    try:
        said = _heard(caller, time.monotonic() + _ANSWER_S)
    except OSError:
        said = None
    theirs = (said or {}).get(_GREETING)
    if said is None or not isinstance(theirs, dict) or not isinstance(said.get("process"), int):
        return 0, "what called is no process of jaxdl", False
    number, who = said["process"], f"process {said['process']} ({said.get('at')})"
    if said.get("count") != count:
        return number, f"{who} has --num_processes={said.get('count')}, process 0 has {count}", False
    if not 0 < number < count:
        return number, f"{who} is none of the {count} processes", False
    others = differences(theirs, identity)
    stranger = any(name in OF_THE_RUN for name in others)
    told = [f"{name} is {_brief(theirs.get(name))} there and {_brief(identity.get(name))} here" for name in others]
    if stranger:
        return number, f"{who} belongs to another run than process 0: {'; '.join(told[:_NAMED])}", False
    if others:
        more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
        return number, f"{who} and process 0 ('here') are not the same: {'; '.join(told[:_NAMED])}{more}.", True
    if number in present:
        return number, f"{who} has the number of a process that is here already", False
    return number, None, True


def _has_gone(caller: socket.socket) -> bool:
    """Returns whether a process that called has ended since."""
    caller.setblocking(False)
    try:
        return not caller.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        caller.settimeout(_ANSWER_S)


def _brief(value: Any) -> str:
    text = "missing" if value is None else str(value) or "not given"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _listening(address: str, end: float) -> socket.socket:
    """Returns a socket that listens at the port of an address, on all interfaces, as JAX will."""
    _, port = parts_of(address)
    dual = socket.has_dualstack_ipv6()
    family, host = (socket.AF_INET6, "::") if dual else (socket.AF_INET, "0.0.0.0")
    while True:
        try:
            return socket.create_server((host, port), family=family, dualstack_ipv6=dual)
        except OSError as error:
            # Until the end of a run that was just stopped, its port is in use.
            if error.errno != errno.EADDRINUSE or time.monotonic() > end - 1:
                raise UserError(
                    f"process 0 cannot listen at port {port} of --coordinator={address} ({error.strerror}): is another "
                    "run there? Give another port to all processes."
                ) from error
            time.sleep(_RETRY_S)


def _say(to: socket.socket, what: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):  # it may have gone
        to.sendall(json.dumps(what).encode() + b"\n")


def _heard(caller: socket.socket, end: float) -> dict[str, Any] | None:
    """Returns what is said in one line of JSON; None where it is something else, or the other one has gone.

    Raises:
        TimeoutError: nothing is said until the end.
    """
    found = b""
    while not found.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        caller.settimeout(left)
        try:
            part = caller.recv(65536)
        except ConnectionError:
            return None
        found += part
        if not part or len(found) > _MOST_BYTES:
            return None
    try:
        said = json.loads(found)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
