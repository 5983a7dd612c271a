"""The run directory as the other processes of a training see it, whose files process 0 writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxdl.record.directory import RunDirectory

if TYPE_CHECKING:
    from jaxdl.record.trackers.sending import Sending


class ReadOnlyDirectory(RunDirectory):
    """A run directory that another process has locked and writes to: here, nothing is written.

    Args:
        path: the folder.
    """

    writes = False

    def __init__(self, path: Path):
        self.path = path
        self._lock = None
        self._bytes, self._sha256 = 0, hashlib.sha256()

    def write_config(self, config: Mapping[str, Any]) -> None:
        pass

    def track(self, trackers: Sequence[Sending]) -> None:
        pass

    def write_record(self, record: Mapping[str, Any]) -> None:
        pass

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        pass

    def write_pictures(self, step: int, png: bytes) -> None:
        pass

    def show(self, step: int, name: str, value: Any) -> None:
        pass

    def write_inspection(self, inspection: Mapping[str, Any]) -> None:
        pass

    def log_progress(self, step: int, epoch: int, facts: Mapping[str, float]) -> None:
        pass

    def discard_report(self) -> None:
        pass

    def discard_summary(self) -> None:
        pass

    def log_metrics(self, step: int, epoch: int, split: str, metrics: Mapping[str, Any]) -> None:
        pass

    def log_splits(self, step: int, epoch: int, by_split: Mapping[str, Mapping[str, Any]]) -> None:
        pass

    def sync(self) -> None:
        pass

    def rewind(self, step: int, mark: Mapping[str, Any] | None = None) -> None:
        pass

    def discard_if_new(self) -> None:
        pass

    def close(self) -> None:
        pass
