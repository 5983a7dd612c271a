"""The run directory: every file that a run leaves behind, written so that a reader never meets half of one.

| file | what it holds |
|---|---|
| ``config.json`` | the experiment as it ran, loadable again |
| ``record.json`` | where it came from: see `jaxdl.record.provenance` |
| ``metrics.jsonl`` | one JSON object a line: ``step``, ``epoch``, ``split``, then the metrics by name |
| ``events.out.tfevents.*`` | the same numbers for TensorBoard, under the tags ``split/name`` |
| ``checkpoints/`` | see `jaxdl.checkpoint` |
| ``summary.json`` | the outcome, written when the run ends |
| ``report.html`` | see `jaxdl.report` |

JSON has no word for numbers that are not finite: they are written as the strings ``"nan"``, ``"inf"`` and ``"-inf"``,
which Python's ``float`` reads, and read back as numbers.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError
from jaxdl.files.atomic import append_line, named_cause, replace_file
from jaxdl.files.locks import LOCK, FolderLock
from jaxdl.record.tensorboard import EventFile

CONFIG, RECORD, SUMMARY, METRICS, REPORT = "config.json", "record.json", "summary.json", "metrics.jsonl", "report.html"
_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def new_run_dir(root: Path, experiment: str) -> Path:
    """Returns a path that no other run has, ``root/experiment/<UTC time>-<6 hex digits>``, and creates nothing."""
    started = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return Path(root) / experiment / f"{started}-{secrets.token_hex(3)}"


class RunDirectory:
    """One run's folder, held by this process alone until `close` or the death of the process.

    Made with `create` and used as a context manager. Every method that writes raises `UserError` naming the file and
    the cause where the disk is full or the folder has gone, and then the file is as it was before.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path, lock: FolderLock, created: Sequence[Path] = ()):
        self.path = path
        self._lock: FolderLock | None = lock
        self._created = tuple(created)  # folders that were not there before, innermost first
        self._events: EventFile | None = None
        self._last_good_step: int | None = None
        # Of metrics.jsonl, as this process read or wrote it.
        content = self._metrics()
        self._bytes, self._sha256 = len(content), hashlib.sha256(content)

    @classmethod
    def create(cls, path: Path, experiment: str) -> RunDirectory:
        """Makes the folder (its parents too), or takes an earlier run of the same experiment, and locks it.

        Args:
            path: a folder that is new, empty, or a run directory of the same experiment.
            experiment: the experiment's name, compared with ``name`` in ``config.json``.

        Raises:
            UserError: the path is a file, a folder of something else, a run of another experiment, in use, or not
                writable. Nothing was written.
        """
        path = Path(path)
        _check_free(path, experiment)
        with named_cause(path, "create the run directory"):
            created = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
            path.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(path, "run directory", "--run_dir")
        try:
            _check_free(path, experiment)  # again: another process may have been faster between the check and the lock
        except BaseException:
            lock.release()
            raise
        return cls(path, lock, created)

    @property
    def checkpoints(self) -> Path:
        """The folder for `jaxdl.checkpoint.Checkpoints`; not created here."""
        return self.path / "checkpoints"

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Writes ``config.json``; its ``name`` is what `create` compares."""
        self._check_held()
        replace_file(self.path / CONFIG, json_text(config))

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Writes ``record.json``."""
        self._check_held()
        replace_file(self.path / RECORD, json_text(record))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Writes ``summary.json``."""
        self._check_held()
        replace_file(self.path / SUMMARY, json_text(summary))

    def discard_report(self) -> None:
        """Removes ``report.html`` where there is one."""
        self._check_held()
        with named_cause(self.path / REPORT, "write"):
            (self.path / REPORT).unlink(missing_ok=True)

    def log_metrics(self, step: int, epoch: int, split: str, metrics: Mapping[str, Any]) -> None:
        """Appends one line to ``metrics.jsonl`` and the same numbers to the TensorBoard events, both flushed.

        Args:
            step: number of updates done.
            epoch: number of epochs done.
            split: ``"train"``, ``"validation"`` or ``"test"``.
            metrics: figures by name. TensorBoard gets the numbers; lists (a confusion matrix) stand in the file alone.
        """
        figures = {name: _plain(value) for name, value in metrics.items()}
        line = json.dumps({"step": int(step), "epoch": int(epoch), "split": split, **figures}, allow_nan=False)
        self._check_held()
        content = line.encode() + b"\n"
        append_line(self.path / METRICS, content)
        self._bytes += len(content)
        self._sha256.update(content)
        tags = {f"{split}/{name}": _number(value) for name, value in figures.items()}
        numbers = {tag: float(value) for tag, value in tags.items() if isinstance(value, int | float)}
        with named_cause(self.path, "write TensorBoard events to"):
            if self._events is None:
                self._events = EventFile(self.path, self._last_good_step)
            self._events.write(int(step), numbers)

    def mark(self) -> dict[str, Any]:
        """Returns what ``metrics.jsonl`` is now, for `rewind`."""
        return {"bytes": self._bytes, "sha256": self._sha256.hexdigest()}

    def sync(self) -> None:
        """Has what stands in ``metrics.jsonl`` on the disk when it returns.

        Raises:
            UserError: it is not what was written, or the folder is no longer this process's own.
        """
        self._check_held()
        file = self.path / METRICS
        with named_cause(file, "write"):
            if not self._bytes and not file.exists():
                return
            with open(file, "rb") as opened:
                os.fsync(opened.fileno())
                present = os.fstat(opened.fileno()).st_size
        if present != self._bytes:
            raise UserError(f"{file} was changed while the run wrote it: restore it, or give a new --run_dir.")

    def _check_held(self) -> None:
        if self._lock is not None:
            self._lock.check()

    def rewind(self, step: int, mark: Mapping[str, Any] | None = None) -> None:
        """Drops what a run that goes on from `step` will log again; call it before.

        TensorBoard is told to forget the later steps, too.

        Args:
            step: train steps done.
            mark: what `mark` returned then; None drops all.

        Raises:
            UserError: what was in ``metrics.jsonl`` then is not there any more.
        """
        file, content = self.path / METRICS, self._metrics()
        kept = content[: mark["bytes"]] if mark else b""
        if mark and hashlib.sha256(kept).hexdigest() != mark["sha256"]:
            raise UserError(
                f"{file} is not what it was when step {step:,} was saved: it had {mark['bytes']:,} bytes then and has "
                f"{len(content):,} now, or they were changed. Restore it, or start again with a new --run_dir."
            )
        if kept != content:
            replace_file(file, kept)
        self._bytes, self._sha256 = len(kept), hashlib.sha256(kept)
        self._last_good_step = step

    def _metrics(self) -> bytes:
        file = self.path / METRICS
        with named_cause(file, "read"):
            return file.read_bytes() if file.exists() else b""

    def discard_if_new(self) -> None:
        """Takes back what `create` made where nothing was written since: for a run that ends before it has begun."""
        if {entry.name for entry in self.path.iterdir()} != {LOCK}:
            return
        with named_cause(self.path, "remove"):
            (self.path / LOCK).unlink()
            for folder in self._created:
                if any(folder.iterdir()):
                    return  # another run has come to lie beside this one
                folder.rmdir()

    def close(self) -> None:
        """Closes the events and gives the folder free; a second call does nothing."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        try:
            if self._events is not None:
                with named_cause(self.path, "write TensorBoard events to"):
                    self._events.close()
        finally:
            lock.release()

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def read_config(path: Path) -> dict[str, Any]:
    """Reads ``config.json`` of the run directory `path`.

    Raises:
        UserError: there is no run, or the file is damaged.
    """
    return _read(Path(path), CONFIG)


def read_record(path: Path) -> dict[str, Any]:
    """Reads ``record.json`` of the run directory `path`; raises as `read_config` does."""
    return _read(Path(path), RECORD)


def read_summary(path: Path) -> dict[str, Any]:
    """Reads ``summary.json`` of the run directory `path`; raises as `read_config` does."""
    summary = _read(Path(path), SUMMARY)
    if isinstance(summary.get("metrics"), dict):
        summary["metrics"] = {name: _number(value) for name, value in summary["metrics"].items()}
    return summary


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Reads the lines of ``metrics.jsonl`` of the run directory `path`, an empty list where nothing was logged.

    Raises:
        UserError: there is no run, or a line is damaged.
    """
    path = Path(path)
    file = path / METRICS
    if not file.exists():
        _read(path, CONFIG)  # says that there is no run, when there is none
        return []
    with named_cause(file, "read"):
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    parsed = [_parse(line, file, number) for number, line in enumerate(lines, 1)]
    return [{k: v if k == "split" else _number(v) for k, v in line.items()} for line in parsed]


def _check_free(path: Path, experiment: str) -> None:
    """Raises `UserError` where `path` is neither new nor empty nor a run of `experiment`."""
    way_out = "give another --run_dir"
    with named_cause(path, "use the run directory"):
        if not path.exists():
            return
        if not path.is_dir():
            raise UserError(f"the run directory {path} is a file: {way_out}.")
        present = {entry.name for entry in path.iterdir()}
    signed = [(name, key) for name, key in ((CONFIG, "name"), (SUMMARY, "experiment")) if name in present]
    owners = {owner for name, key in signed if isinstance(owner := _read(path, name).get(key), str)}
    # A config.json alone proves nothing, many programs write one; so it has to name an experiment.
    if present and LOCK not in present and not owners:
        raise UserError(f"the folder {path} is not empty and no run directory: {way_out}.")
    for owner in owners - {experiment}:
        raise UserError(f"the run directory {path} belongs to experiment {owner!r}, not {experiment!r}: {way_out}.")


def _read(path: Path, name: str) -> dict[str, Any]:
    file = path / name
    if not file.exists():
        if not (path / CONFIG).exists():
            raise UserError(f"there is no run in {path} (no {CONFIG}): give --run_dir=DIR of a run.")
        raise UserError(f"{file} is missing: the run has not got that far; run it again with the same --run_dir.")
    with named_cause(file, "read"):
        return _parse(file.read_text(encoding="utf-8", errors="replace"), file)


def _parse(text: str, file: Path, line: int | None = None) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"line {line}: " if line is not None else ""
        reason = " ".join(str(error).split())
        raise UserError(f"{file} is damaged ({where}{reason}): restore it, or start a new run.") from error
    if not isinstance(value, dict):
        where = f"line {line} of {file}" if line is not None else str(file)
        raise UserError(f"{where} is damaged (no JSON object): restore it, or start a new run.")
    return value


def json_text(value: Mapping[str, Any]) -> str:
    """Returns JSON as the files of a run have it: see above for numbers that are not finite."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Returns `value` in JSON's own types: arrays as lists, paths as text, numbers that are not finite as words."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # arrays and scalars of NumPy and JAX
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, os.PathLike) else value


def _number(value: Any) -> Any:
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value
