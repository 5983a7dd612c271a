"""Follows runs while they train, from the files of their directories alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxdl.comparison.runs import BESIDE, UNFINISHED, Run, find_runs
from jaxdl.errors import UserError
from jaxdl.files.locks import LOCK, holder_of, this_machine
from jaxdl.record import METRICS, SUMMARY
from jaxdl.record.encoding import number
from jaxdl.report.format import is_number

RUNNING, GONE = "running", "gone"
# A run on another machine has no process here, but its files change.
_SILENT_SECONDS = 60.0
# Between two trials of a sweep nothing runs for a moment.
_GRACE_SECONDS = 6.0
_SWEEP = "sweep.json"
# New runs are looked for in folders that may hold thousands.
_SECONDS_BETWEEN_SEARCHES = 5.0


class Followed:
    """One run that is followed.

    Attributes:
        run: the run, as it was found.
        lines: the figures that it has logged so far, the lines of ``metrics.jsonl``.
    """

    def __init__(self, run: Run):
        self.run = run
        self.lines: list[Mapping[str, Any]] = []
        self._read_bytes = 0

    def look(self) -> bool:
        """Reads what the run has logged since the last look; returns whether there was anything."""
        try:
            with open(self.run.path / METRICS, "rb") as file:
                if os.fstat(file.fileno()).st_size < self._read_bytes:  # it resumed, and logs some steps again
                    self.lines, self._read_bytes = [], 0
                file.seek(self._read_bytes)
                content = file.read()
        except OSError:
            return False
        whole = content[: content.rfind(b"\n") + 1]  # the last line may be half written
        self._read_bytes += len(whole)
        self.lines += [line for text in whole.splitlines() if (line := _parsed(text))]
        return bool(whole)

    @property
    def status(self) -> str:
        """``running``, the status of its summary, or ``gone`` where its process ended without one."""
        status = Run(self.run.path, _parsed(_bytes(self.run.path / SUMMARY))).status
        if status != UNFINISHED and not _is_held(self.run.path):
            return status
        return RUNNING if _is_held(self.run.path) or _changed_lately(self.run.path) else GONE

    @property
    def row(self) -> dict[str, Any]:
        """What is known of it now: run, experiment, status, epoch, epochs, step, and its figures by ``SPLIT/NAME``."""
        last = self.lines[-1] if self.lines else {}
        row: dict[str, Any] = {"run": str(self.run.path), "experiment": self.run.experiment, "status": self.status}
        row |= {"epoch": last.get("epoch", 0), "epochs": self.run.config.get("training.epochs")}
        row |= {"step": last.get("step", 0)}
        for line in self.lines[-8:]:
            figures = {k: v for k, v in line.items() if k not in BESIDE and is_number(v)}
            row |= {f"{line.get('split')}/{name}": value for name, value in figures.items()}
        return row

    def series(self, name: str) -> list[float]:
        """Returns the values of a figure so far."""
        split, _, figure = name.partition("/")
        return [line[figure] for line in self.lines if line.get("split") == split and is_number(line.get(figure))]


class Following:
    """The runs in some places that are running, and those that begin meanwhile.

    Args:
        *places: as for `jaxdl.find_runs`.
        wanted: says of a run whether it is followed.

    Raises:
        UserError: there is no such place, or no run in it.
    """

    def __init__(self, *places: str | os.PathLike[str], wanted: Callable[[Run], bool] = lambda run: True):
        self._places, self._wanted = places, wanted
        found = [Followed(run) for run in find_runs(*places) if run.imported is None and wanted(run)]
        self._seen = {each.run.path for each in found}
        self.runs = [each for each in found if each.status == RUNNING] or (found if len(found) == 1 else [])
        self.not_running = len(found) - len(self.runs)
        self._last_running = self._last_search = time.monotonic()

    def look(self) -> list[Followed]:
        """Reads what is new; returns the runs that have logged anything."""
        for run in self._found():
            if run.path not in self._seen and run.imported is None and self._wanted(run):
                self._seen.add(run.path)
                self.runs.append(Followed(run))
        return [each for each in self.runs if each.look()]

    @property
    def ended(self) -> bool:
        """Whether nothing runs any more, also no sweep that would begin another run."""
        if any(each.status == RUNNING or _in_running_sweep(each.run.path) for each in self.runs):
            self._last_running = time.monotonic()
            return False
        several = len(self.runs) > 1
        return not several or time.monotonic() - self._last_running > _GRACE_SECONDS

    def _found(self) -> list[Run]:
        if time.monotonic() - self._last_search < _SECONDS_BETWEEN_SEARCHES:
            return []
        self._last_search = time.monotonic()
        try:
            return find_runs(*self._places)
        except UserError:  # they were removed meanwhile
            return []


def follow(*places: str | os.PathLike[str], seconds: float = 1.0) -> Iterator[list[dict[str, Any]]]:
    """Follows the running runs in some places until they end.

    Args:
        *places: as for `jaxdl.find_runs`.
        seconds: between two looks.

    Yields:
        A row for each run whenever one has logged anything, and at the end: ready for ``pandas.DataFrame(rows)``.

    Raises:
        UserError: there is no such place, or no run in it.
    """
    following = Following(*places)
    while True:
        ended = following.ended  # before the look: what was logged until then is read
        if following.look() or ended:
            yield [each.row for each in following.runs]
        if ended:
            return
        time.sleep(seconds)


def _parsed(text: bytes) -> dict[str, Any]:
    """Returns the JSON object of a text, numbers that are not finite as such; empty where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {k: v if k == "split" else number(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _is_held(folder: Path) -> bool:
    """Returns whether a process of this machine holds a folder.

    Its lock is not tried: that would keep a process that is just starting from taking it.
    """
    holder = holder_of(folder)
    if holder is None or holder[1] not in ("", this_machine()):
        return False
    try:
        os.kill(holder[0], 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's
        return True
    return _holds(holder[0], folder / LOCK)


def _holds(process: int, lock: Path) -> bool:
    """Returns whether a living process has a file open; True where the system does not tell it."""
    folder = Path(f"/proc/{process}/fd")
    try:
        wanted = os.stat(lock)
        for each in os.listdir(folder):
            try:
                if os.path.samestat(os.stat(folder / each), wanted):
                    return True
            except OSError:
                continue
    except OSError:
        return not folder.parent.exists()
    return False


def _changed_lately(folder: Path) -> bool:
    try:
        changed = max(os.stat(folder / name).st_mtime for name in (METRICS, LOCK) if (folder / name).exists())
    except (OSError, ValueError):
        return False
    return time.time() - changed < _SILENT_SECONDS and not _bytes(folder / SUMMARY)


def _in_running_sweep(folder: Path) -> bool:
    return any((parent / _SWEEP).exists() and _is_held(parent) for parent in list(folder.parents)[:3])
