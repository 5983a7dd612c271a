"""What Orbax and TensorStore raise, named: checkpoints that are damaged, and disks that fail."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from jaxdl.backend.memory import ran_out_of_memory
from jaxdl.backend.signals import signals_held
from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause

# What is wrong with the machine, or with what it lets this process do, and not with a file.
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


class Damaged(Exception):
    """A checkpoint cannot be read, or is not what was written."""

    def __init__(self, path: Path, step: int, reason: object):
        super().__init__(f"the checkpoint {path} is damaged ({' '.join(str(reason).split())[:200]})")
        self.step = step


@contextlib.contextmanager
def damage_named(path: Path, step: int) -> Iterator[None]:
    """Turns whatever Orbax and TensorStore raise on files that are cut short, changed or missing into `Damaged`.

    A signal that asks to stop waits: what it raises, Orbax would turn into an error of the file that it is reading, and
    what is then left of its threads and event loops hangs or aborts.
    """
    try:
        with signals_held():
            yield
    except Exception as error:  # of any kind: Orbax raises bare `Exception`, too
        if ran_out_of_memory(error):
            raise
        code = _os_error_code(error)
        if code in _OF_THE_MACHINE:
            raise OSError(code, os.strerror(code)) from error
        raise Damaged(path, step, error.__cause__ or error) from error  # Orbax's own words hide TensorStore's


def _os_error_code(error: Exception) -> int | None:
    """Returns the number of the operating system's error behind one of Python or TensorStore; None if there is none."""
    if isinstance(error, OSError):
        return error.errno
    code = re.search(r"os_error_code='(\d+)'", str(error))
    return int(code[1]) if code else None


class OrbaxSilence(logging.Filter):
    """Keeps Orbax's own messages from the terminal: what matters of them is raised, too."""

    def filter(self, record: logging.LogRecord) -> bool:
        return f"{os.sep}orbax{os.sep}" not in record.pathname


@contextlib.contextmanager
def disk_errors(directory: Path) -> Iterator[None]:
    """Turns errors of the disk while checkpoints are written to a folder into `UserError`."""
    with named_cause(directory, "write a checkpoint in"):
        try:
            yield
        except TimeoutError as error:  # Orbax goes by the time of day
            why = "it took too long, or the clock was set forward meanwhile; run the same command again"
            raise UserError(f"cannot write a checkpoint in {directory}: {why}.") from error
        except ValueError as error:  # from TensorStore
            code = _os_error_code(error)
            if code is None:
                raise
            raise OSError(code, os.strerror(code)) from error
