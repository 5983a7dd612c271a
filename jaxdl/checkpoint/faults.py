"""Turns what Orbax and TensorStore raise into errors for damaged checkpoints and for failing disks."""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from jaxdl.backend.memory import ran_out_of_memory
from jaxdl.backend.processes import is_lost, processes
from jaxdl.backend.signals import signals_held
from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

T = TypeVar("T")
# Errors of the machine or of permissions, and not of a file.
_OF_THE_MACHINE = (
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ESTALE,
    errno.ETIMEDOUT,
)
# How many times a checkpoint is looked for that another process may have removed since it was found.
_ATTEMPTS = 20


class Damaged(Exception):
    """A checkpoint cannot be read, or differs from what was written."""

    def __init__(self, path: Path, step: int, reason: object):
        super().__init__(f"the checkpoint {path} is damaged ({' '.join(str(reason).split())[:200]})")
        self.step = step


@contextlib.contextmanager
def damage_named(path: Path, step: int) -> Iterator[None]:
    """Turns any error of Orbax and TensorStore about files that are cut short, changed or missing into `Damaged`.

    A signal that asks to stop is delayed: Orbax would turn its exception into an error of the file that it reads, and
    its remaining threads and event loops would hang or abort.
    """
    try:
        with signals_held():
            yield
    except Exception as error:  # any exception: Orbax also raises bare `Exception`
        if ran_out_of_memory(error) or (processes() is not None and is_lost(error)):
            raise
        codes = _os_error_codes(error)
        passing = next((code for code in codes if code in _OF_THE_MACHINE), None)
        if passing is not None:
            raise OSError(passing, os.strerror(passing), str(path)) from error
        raise Damaged(path, step, error.__cause__ or error) from error  # Orbax's own message hides TensorStore's


def unless_it_passes(path: Path, read: Callable[[], T]) -> T:
    """Reads a checkpoint, and a second time before it counts as damaged.

    Orbax asks whether files exist, and takes a disk or file server that fails to answer, or forbids to, for a no.

    Raises:
        OSError: the machine does not let it be read.
        Damaged: it was damaged both times.
    """
    try:
        return read()
    except Damaged:
        for folder, _, names in os.walk(path, onerror=_raise_if_of_the_machine):
            for name in names:
                try:
                    with open(os.path.join(folder, name), "rb"):
                        pass
                except OSError as error:
                    _raise_if_of_the_machine(error)
        return read()


def while_it_changes(directory: Path, forget: Callable[[], None], read: Callable[[], T]) -> T:
    """Reads from a folder whose checkpoints another process may remove, such as a training that goes on.

    Args:
        directory: the folder of the checkpoints.
        forget: called before each attempt, so that `read` does not find what was there before.
        read: finds a checkpoint and reads it.

    Raises:
        Exception: that of `read`, where the folder holds what it held before, or has changed each of many times.
    """
    for left in reversed(range(_ATTEMPTS)):
        before = _steps_in(directory)
        forget()
        try:
            return read()
        except (UserError, OSError):
            if not left or _steps_in(directory) == before:
                raise
    raise AssertionError("the last attempt returns or raises")


def _steps_in(directory: Path) -> set[str]:
    try:
        return {name for name in os.listdir(directory) if name.isdecimal()}
    except OSError:
        return set()


def _raise_if_of_the_machine(error: OSError) -> None:
    if error.errno in _OF_THE_MACHINE:
        raise error


def _os_error_codes(error: BaseException) -> list[int]:
    """Returns the operating system's error numbers behind an error of Python or TensorStore, and behind its causes."""
    codes = []
    each: BaseException | None = error
    while each is not None:
        if isinstance(each, OSError) and each.errno is not None:
            codes.append(each.errno)
        codes += [int(code) for code in re.findall(r"os_error_code='(\d+)'", str(each))]
        each = each.__cause__ or each.__context__
    return codes


class OrbaxSilence(logging.Filter):
    """Hides Orbax's log messages: what matters in them is also raised."""

    def filter(self, record: logging.LogRecord) -> bool:
        return f"{os.sep}orbax{os.sep}" not in record.pathname


@functools.cache
def silence_late_futures() -> None:
    """Hides what TensorStore complains of after a failed reading or writing; only the first call does something.

    Where one of many files fails, Orbax raises its error and closes the event loop that waited for all. TensorStore's
    threads still report the others to that loop, and print a traceback for each: "Event loop is closed". Python's hook
    for errors that cannot be raised is given a filter for exactly these.
    """
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not _is_late_future(unraisable.exc_value, unraisable.exc_traceback, unraisable.object):
            before(unraisable)

    sys.unraisablehook = hook


def _is_late_future(error: BaseException | None, at: TracebackType | None, source: object) -> bool:
    if not (isinstance(error, RuntimeError) and str(error) == "Event loop is closed" and source is None):
        return False
    return at is None or at.tb_frame.f_code.co_name == "call_soon_threadsafe"  # None: uvloop, which is compiled


@contextlib.contextmanager
def disk_errors(directory: Path) -> Iterator[None]:
    """Turns errors of the disk while checkpoints are written to a folder into `UserError`."""
    with named_cause(directory, "write a checkpoint in"):
        try:
            yield
        except TimeoutError as error:  # Orbax measures its timeout by the time of day
            why = "it took too long, or the clock was set forward meanwhile; run the same command again"
            raise UserError(f"cannot write a checkpoint in {directory}: {why}.") from error
        except ValueError as error:  # from TensorStore, or from Orbax where it cannot look at what it has just written
            codes = _os_error_codes(error)
            if not codes and re.search("does not exist|not found", str(error)):
                raise OSError(errno.EIO, str(error).rstrip("."), str(directory)) from error
            if not codes:
                raise
            raise OSError(codes[0], os.strerror(codes[0]), str(directory)) from error
