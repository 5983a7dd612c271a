"""The file of a trial table: Optuna's journal, in which all lines of one change are written and synced as one.

It imports Optuna, so it is imported where it is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock


class _DirectoryLock(JournalFileOpenLock):
    """Does nothing: Optuna's own locks outlive a killed process, and the writer has locked the sweep directory.

    Args:
        file: the journal.
        check: called before each writing; raises `UserError` if the sweep directory is no longer locked.
    """

    def __init__(self, file: str, check: Callable[[], None]):
        super().__init__(file)
        self._check = check

    def acquire(self) -> bool:
        self._check()
        return True

    def release(self) -> None:
        pass


class Journal(JournalFileBackend):
    """The lines of a trial table; used by one thread.

    Args:
        path: the file.
        check: see `_DirectoryLock`.
    """

    def __init__(self, path: Path, check: Callable[[], None]):
        file = str(path.absolute())  # it is opened again for each writing
        super().__init__(file, _DirectoryLock(file, check))
        self._held: list[dict[str, Any]] | None = None

    def storage(self) -> JournalStorage:
        """Returns Optuna's storage in the file."""
        return JournalStorage(self)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Holds the lines that are written inside, and writes them at the end as one; none of them after an error.

        A trial has a line for each epoch, and Optuna syncs each line. Nothing may be read inside that was written
        inside.
        """
        held = self._held = []
        try:
            yield
        finally:
            self._held = None
        if held:
            self.append_logs(held)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if self._held is None:
            super().append_logs(logs)
        else:
            self._held += logs

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        if self._held is None:  # otherwise there is nothing new in the file
            yield from super().read_logs(log_number_from)
