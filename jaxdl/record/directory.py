"""The run directory: every file that a run writes; a reader never sees half of one.

| file | what it holds |
|---|---|
| ``config.json`` | the experiment as it ran, loadable again |
| ``record.json`` | where it came from: see `jaxdl.record.provenance` |
| ``metrics.jsonl`` | one JSON object a line: ``step``, ``epoch``, ``split``, then the metrics by name |
| ``events.out.tfevents.*`` | the same numbers for TensorBoard, under the tags ``split/name`` |
| ``hooks.jsonl``, ``hooks/`` | the calls of hooks, see `jaxdl.record.called` |
| ``checkpoints/`` | see `jaxdl.checkpoint` |
| ``summary.json`` | the outcome, written when the run ends |
| ``trackers/`` | what other tools were given, see `jaxdl.record.trackers.sending` |
| ``pictures.png`` | some test examples and what is predicted for them, where that is a picture |
| ``inspection.json`` | what the report shows of the trained model, see `jaxdl.inference.inspection` |
| ``progress.jsonl`` | a line for each epoch: its time, the examples per second, and the learning rate at its end |
| ``notes.json`` | tags and a note of the user's, see `jaxdl.record.notes` |
| ``report.html`` | see `jaxdl.report` |

The JSON files are written as `jaxdl.record.encoding` says.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxdl.errors import UserError
from jaxdl.files.atomic import append_line, create_folder, flush_to_disk, named_cause, replace_file, sync_folder
from jaxdl.files.locks import LOCK, FolderLock
from jaxdl.record.encoding import flattened, json_text, number, plain
from jaxdl.record.reading import (
    CONFIG,
    INSPECTION,
    METRICS,
    PICTURES,
    PROGRESS,
    RECORD,
    REPORT,
    SUMMARY,
    read_file,
)
from jaxdl.record.tensorboard import EventFile

if TYPE_CHECKING:
    from jaxdl.record.trackers.sending import Sending

_JSON = json.JSONEncoder(allow_nan=False)  # what `json.dumps` would make for each of thousands of lines


def new_run_dir(root: Path, experiment: str) -> Path:
    """Returns a path that no other run has, ``root/experiment/<UTC time>-<6 hex digits>``, and creates nothing."""
    started = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return Path(root) / experiment / f"{started}-{secrets.token_hex(3)}"


class RunDirectory:
    """One run's folder, locked by this process until `close` or the end of the process.

    Made with `create` and used as a context manager. If the disk is full or the folder was removed, each method that
    writes raises `UserError` with the file and the cause, and leaves the file unchanged.

    Attributes:
        path: the folder.
        writes: whether this process writes to it; see `jaxdl.record.reader`.
    """

    writes = True

    def __init__(self, path: Path, lock: FolderLock, created: Sequence[Path] = ()):
        self.path = path
        self._lock: FolderLock | None = lock
        self._created = tuple(created)  # folders that did not exist before, innermost first
        self._events: EventFile | None = None
        self._last_good_step: int | None = None
        self._recipe: Mapping[str, Any] = {}
        self._trackers: Sequence[Sending] = ()
        self._ended: Mapping[str, Any] = {}  # the summary that was written last
        self._has_synced_name = False  # of metrics.jsonl, in this process
        # Of metrics.jsonl, as this process read or wrote it.
        content = self._metrics()
        self._bytes, self._sha256 = len(content), hashlib.sha256(content)

    @classmethod
    def create(cls, path: Path, experiment: str) -> RunDirectory:
        """Creates the folder and its parents, or takes an earlier run of the same experiment, and locks it.

        Args:
            path: a folder that does not exist, is empty, or is a run directory of the same experiment.
            experiment: the experiment's name, compared with ``name`` in ``config.json``.

        Raises:
            UserError: the path is a file, a folder of something else, a run of another experiment, in use, or not
                writable. Nothing was written.
        """
        path = Path(path)
        _check_free(path, experiment)
        with named_cause(path, "create the run directory"):
            created = create_folder(path)
        lock = FolderLock(path, "run directory", "--run_dir")
        try:
            _check_free(path, experiment)  # again: another process may have written to it since the check
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
        self._recipe = flattened(config)
        replace_file(self.path / CONFIG, json_text(config))

    def track(self, trackers: Sequence[Sending]) -> None:
        """Gives trackers what is recorded from now on; `close` ends them."""
        self._trackers = trackers

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Writes ``record.json``."""
        self._check_held()
        replace_file(self.path / RECORD, json_text(record))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Writes ``summary.json``."""
        self._check_held()
        replace_file(self.path / SUMMARY, json_text(summary))
        self._ended = summary

    def write_pictures(self, step: int, png: bytes) -> None:
        """Writes ``pictures.png``, and gives it to TensorBoard."""
        self._check_held()
        replace_file(self.path / PICTURES, png)
        with named_cause(self.path, "write TensorBoard events to"):
            self._open_events().write_png(step, "test/examples", png)

    def show(self, step: int, name: str, value: Any) -> None:
        """Gives the trackers a picture, (height, width[, channels]) uint8, values of one axis, or a text."""
        for tracker in self._trackers:
            tracker.show(step, name, value)

    def write_inspection(self, inspection: Mapping[str, Any]) -> None:
        """Writes ``inspection.json``."""
        self._check_held()
        replace_file(self.path / INSPECTION, json.dumps(plain(inspection), allow_nan=False) + "\n")

    def log_progress(self, step: int, epoch: int, facts: Mapping[str, float]) -> None:
        """Appends a line on an epoch to ``progress.jsonl``; what depends on the machine is not in ``metrics.jsonl``."""
        self._check_held()
        line = _JSON.encode({"step": int(step), "epoch": int(epoch), **plain(facts)})
        append_line(self.path / PROGRESS, line.encode() + b"\n")

    def discard_report(self) -> None:
        """Removes ``report.html`` if it exists."""
        self._check_held()
        with named_cause(self.path / REPORT, "write"):
            (self.path / REPORT).unlink(missing_ok=True)

    def discard_summary(self) -> None:
        """Removes ``summary.json`` if it exists."""
        self._check_held()
        with named_cause(self.path / SUMMARY, "write"):
            (self.path / SUMMARY).unlink(missing_ok=True)
            sync_folder(self.path)

    def log_metrics(self, step: int, epoch: int, split: str, metrics: Mapping[str, Any]) -> None:
        """Appends one line to ``metrics.jsonl`` and the same numbers to the TensorBoard events, both flushed.

        Args:
            step: number of updates done.
            epoch: number of epochs done.
            split: ``"train"``, ``"validation"`` or ``"test"``.
            metrics: figures by name. TensorBoard gets the numbers; lists (a confusion matrix) are only in the file.
        """
        self.log_splits(step, epoch, {split: metrics})

    def log_splits(self, step: int, epoch: int, by_split: Mapping[str, Mapping[str, Any]]) -> None:
        """Does what `log_metrics` does for several splits at once: a trial of a sweep has many short epochs."""
        step, epoch = int(step), int(epoch)
        content, numbers = b"", dict[str, dict[str, float]]()
        for split, metrics in by_split.items():
            figures = {name: plain(value) for name, value in metrics.items()}
            line = _JSON.encode({"step": step, "epoch": epoch, "split": split, **figures})
            content += line.encode() + b"\n"
            tags = {f"{split}/{name}": number(value) for name, value in figures.items()}
            numbers[split] = {tag: float(value) for tag, value in tags.items() if isinstance(value, int | float)}
        self._check_held()
        append_line(self.path / METRICS, content)
        self._bytes += len(content)
        self._sha256.update(content)
        with named_cause(self.path, "write TensorBoard events to"):
            self._open_events().write(step, {tag: value for each in numbers.values() for tag, value in each.items()})
        for tracker in self._trackers:
            for split, each in numbers.items():
                tracker.log(step, epoch, split, each)

    def _open_events(self) -> EventFile:
        if self._events is None:
            self._events = EventFile(self.path, self._last_good_step)
            self._events.write_recipe(self._last_good_step or 0, self.path.name, self._recipe)
        return self._events

    def mark(self) -> dict[str, Any]:
        """Returns the size and digest of ``metrics.jsonl`` now, for `rewind`."""
        return {"bytes": self._bytes, "sha256": self._sha256.hexdigest()}

    def sync(self) -> None:
        """Makes sure that ``metrics.jsonl`` is on the disk, with its name.

        Raises:
            UserError: the file was changed, or the folder no longer belongs to this process.
        """
        self._check_held()
        file = self.path / METRICS
        with named_cause(file, "write"):
            if not self._bytes and not file.exists():
                return
            with open(file, "rb") as opened:
                flush_to_disk(opened.fileno())
                present = os.fstat(opened.fileno()).st_size
            if not self._has_synced_name:
                sync_folder(self.path)
                self._has_synced_name = True
        if present != self._bytes:
            raise UserError(f"{file} was changed while the run wrote it: restore it, or give a new --run_dir.")

    def _check_held(self) -> None:
        if self._lock is not None:
            self._lock.check()

    def rewind(self, step: int, mark: Mapping[str, Any] | None = None) -> None:
        """Drops what a run that resumes from `step` will log again; call it first.

        TensorBoard drops the later steps, too.

        Args:
            step: train steps done.
            mark: what `mark` returned at that step; None drops all lines.

        Raises:
            UserError: the lines that ``metrics.jsonl`` had at that step are gone or changed.
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
        """Removes what `create` made if nothing was written since: for a run that ends before it has begun."""
        if {entry.name for entry in self.path.iterdir()} != {LOCK}:
            return
        with named_cause(self.path, "remove"):
            (self.path / LOCK).unlink()
            for folder in self._created:
                if any(folder.iterdir()):
                    return  # another run was created in the same folder
                folder.rmdir()

    def close(self) -> None:
        """Closes the events and releases the folder; a second call does nothing."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        status, trackers, self._trackers = str(self._ended.get("status", "failed")), self._trackers, ()
        try:
            if self._events is not None:
                with named_cause(self.path, "write TensorBoard events to"):
                    self._events.write_end(int(self._ended.get("step", 0)), status)
                    self._events.close()
            figures = {k: v for k, v in self._ended.get("metrics", {}).items() if isinstance(v, int | float)}
            for tracker in trackers:
                tracker.close(status, figures)
        finally:
            lock.release()

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _check_free(path: Path, experiment: str) -> None:
    """Raises `UserError` if `path` exists and is not empty, except a run of `experiment`."""
    way_out = "give another --run_dir"
    with named_cause(path, "use the run directory"):
        if not path.exists():
            return
        if not path.is_dir():
            raise UserError(f"the run directory {path} is a file: {way_out}.")
        present = {entry.name for entry in path.iterdir()}
    signed = [(name, key) for name, key in ((CONFIG, "name"), (SUMMARY, "experiment")) if name in present]
    owners = {owner for name, key in signed if isinstance(owner := read_file(path, name).get(key), str)}
    # Many programs write a config.json, so it must also name an experiment.
    if present and LOCK not in present and not owners:
        raise UserError(f"the folder {path} is not empty and is not a run directory: {way_out}.")
    for owner in owners - {experiment}:
        raise UserError(f"the run directory {path} belongs to experiment {owner!r}, not {experiment!r}: {way_out}.")
