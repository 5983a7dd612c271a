"""Compiled programs that are kept in the user's cache folder, and what to do with one that was cut short."""

from __future__ import annotations

import builtins
import contextlib
import functools
import re
import warnings
from pathlib import Path
from typing import TextIO

_COMPLAINT = re.compile(r"Error (reading|writing) persistent compilation cache entry for '([\w.<>-]+)': (\w+)")


@functools.cache
def mend_silently(folder: Path) -> None:
    """Lets a failed reading or writing of a kept program cost its compilation, and nothing else.

    JAX writes a program straight to its final name. If the process is killed or the disk is full meanwhile, half of
    it stays, and JAX never writes it again, but compiles and warns at each start. Here the warning removes what cannot
    be read, so that it is written anew. What is warned of otherwise is shown as before.

    Args:
        folder: JAX's compilation cache.
    """
    before = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        found = _COMPLAINT.match(str(message))
        if found is None:
            before(message, category, filename, lineno, file, line)
        elif found[1] == "reading" and not _is_os_error(found[3]):
            _remove(folder, found[2])

    warnings.showwarning = show
    warnings.filterwarnings("always", message=_COMPLAINT.pattern)  # not only the first one of a name


def _is_os_error(name: str) -> bool:
    """Returns whether the error was one of the disk: a file that cannot be read now may be whole."""
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, OSError)


def _remove(folder: Path, program: str) -> None:
    """Removes all kept programs of one name: JAX does not say which of them is cut short."""
    for entry in folder.glob(f"{program}-*"):
        with contextlib.suppress(OSError):
            entry.unlink()
