"""Which hooks a run has called: ``hooks.jsonl``, and the events that they gave to TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxdl.files.atomic import append_line, create_folder, flush_to_disk, named_cause, replace_file
from jaxdl.record.encoding import number, plain
from jaxdl.record.tensorboard import EventFile

CALLED = "hooks.jsonl"


class Called:
    """The calls of a run's hooks, of this process and of earlier ones.

    A line is written when a hook has returned: a run that was killed and repeats some steps does not call it again for
    these, but takes its numbers from here. Pictures and histograms are in event files of their own, in the folder
    ``hooks``: of those of the run, TensorBoard drops what a run that resumes repeats.

    Args:
        run_dir: the run directory.
        after: drops what was called after this step; None: nothing.
    """

    def __init__(self, run_dir: Path, after: int | None = None):
        self._file, self._events_dir = run_dir / CALLED, run_dir / "hooks"
        self._events: EventFile | None = None
        self._lines = {(line["hook"], line["step"]): line for line in self._read(after)}

    def get(self, hook: str, step: int) -> Mapping[str, Any] | None:
        """Returns what a hook did after a step: ``numbers`` that it logged, and its reason for a ``stop`` or None."""
        return self._lines.get((hook, step))

    def write(self, hook: str, step: int, numbers: Mapping[str, Any], stop: str | None) -> None:
        """Notes that a hook was called after a step."""
        line = {"hook": hook, "step": step, "numbers": plain(numbers), "stop": stop}
        append_line(self._file, json.dumps(line, allow_nan=False).encode() + b"\n")
        self._lines[hook, step] = line

    def sync(self) -> None:
        """Makes sure that the lines are on the disk, before a checkpoint that follows them."""
        if self._lines:
            with named_cause(self._file, "write"), open(self._file, "rb") as opened:
                flush_to_disk(opened.fileno())

    def write_array(self, step: int, name: str, array: np.ndarray) -> None:
        """Gives TensorBoard a picture, uint8 of two or three axes, or the histogram of values of one axis."""
        with named_cause(self._events_dir, "write TensorBoard events to"):
            events = self._opened()
            write = events.write_histogram if array.ndim == 1 else events.write_picture
            write(step, name, array)

    def _opened(self) -> EventFile:
        if self._events is None:
            create_folder(self._events_dir)
            self._events = EventFile(self._events_dir)
        return self._events

    def write_text(self, step: int, name: str, text: str) -> None:
        """Gives TensorBoard a text, which it shows as Markdown."""
        with named_cause(self._events_dir, "write TensorBoard events to"):
            self._opened().write_text(step, name, text)

    def close(self) -> None:
        """Closes the event file; a second call does nothing."""
        if self._events is not None:
            self._events.close()
            self._events = None

    def _read(self, after: int | None) -> list[dict[str, Any]]:
        """Returns the lines up to a step, and drops the others; one that a loss of power cut off is none."""
        if not self._file.exists():
            return []
        kept, lines = list[str](), list[dict[str, Any]]()
        content = self._file.read_text(encoding="utf-8")
        for text in content.splitlines(keepends=True):
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if after is None or line["step"] <= after:
                kept.append(text)
                lines.append(line | {"numbers": {name: number(value) for name, value in line["numbers"].items()}})
        if "".join(kept) != content:
            replace_file(self._file, "".join(kept))
        return lines
