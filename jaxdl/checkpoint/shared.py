"""The states of several trainings in one checkpoint, written and synced once for all of them.

A small checkpoint costs its files and their syncs, not its bytes. Trainings that share a compiled program are therefore
saved together, as one state whose arrays have a new first axis, with a row for each training. A training has a row
under its name until it ends; then it gets a checkpoint of its own, and the row goes.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxdl.backend.keys import with_keys
from jaxdl.checkpoint.arrays import host_copy, shape_in_file
from jaxdl.checkpoint.checkpoints import Checkpoints
from jaxdl.checkpoint.durable import ORBAX
from jaxdl.checkpoint.reading import Saved
from jaxdl.errors import UserError
from jaxdl.files.atomic import create_folder, named_cause

# The folder of these checkpoints in a sweep directory, whose run directories are in ``trials/``.
PROGRAMS = "programs"


class Kept(NamedTuple):
    """One state of one training, with what its own checkpoint is written from.

    Attributes:
        step: train steps done.
        state: the training state; a row has it on the host, keys as their words.
        rows: see `jaxdl.checkpoint.Saved`.
        figures: figures by ``SPLIT/METRIC`` that belong to the state; empty within an epoch.
        about: JSON values to store with the arrays.
    """

    step: int
    state: Any
    rows: Mapping[str, np.ndarray] | None
    figures: Mapping[str, float]
    about: Mapping[str, Any]


class Row(NamedTuple):
    """What is saved of one training: its last state, and the best one so far, if one was measured; both may be one."""

    last: Kept
    best: Kept | None = None


class SharedCheckpoints:
    """The rows of all trainings of one compiled program that have not ended; may be used by several threads.

    Every checkpoint holds all rows, also those of trainings that have not been resumed yet, so that older checkpoints
    can be removed. What is on the disk is read at the first use.

    Args:
        directory: the folder of the checkpoints, created at the first `write`.
        runs: the folder of the run directories; a training's name is that of its run directory.
        like: a training state, or its shapes.
        rows_like: shapes and dtypes of `jaxdl.checkpoint.Saved.rows`.
        keep: how many checkpoints to keep.
        notify: called with a message for each damaged checkpoint.
        read_only: where another process may write; do not call `write`.
    """

    def __init__(
        self,
        directory: Path,
        runs: Path,
        like: Any,
        rows_like: Mapping[str, Any],
        *,
        keep: int = 2,
        notify: Callable[[str], None] = print,
        read_only: bool = False,
    ):
        self.directory = directory
        self._runs = runs
        self._like, self._rows_like = like, dict(rows_like)
        self._keep, self._notify, self._read_only = keep, notify, read_only
        self._lock = threading.RLock()
        self._rows: dict[str, Row] | None = None
        self._carried: set[str] = set()  # names of rows that were read, and whose trainings have saved nothing since

    def get(self, name: str) -> Row | None:
        """Returns the row of a training; None if it has none.

        Raises:
            UserError: all checkpoints are damaged, or they do not fit. Its cause is an `OSError`, since it says nothing
                about one training.
        """
        with self._lock:
            return self._all().get(name)

    def put(self, name: str, row: Row) -> None:
        """Takes a training's row for the next `write`."""
        with self._lock:
            self._all()[name] = row
            self._carried.discard(name)

    def drop(self, name: str) -> None:
        """Leaves a training's row out from the next `write` on: its own checkpoint is on the disk."""
        with self._lock:
            self._all().pop(name, None)

    def write(self) -> None:
        """Writes all rows as one checkpoint, which is on the disk when this returns.

        Raises:
            UserError: it cannot be written; the earlier ones are whole.
        """
        with self._lock:
            rows = {name: row for name, row in self._all().items() if not self._is_old(name, row)}
            if not rows:
                return
            state, about = _stacked(rows)
            with named_cause(self.directory, "create the folder"):
                create_folder(self.directory.parent)
            with ORBAX, Checkpoints(self.directory, keep=self._keep) as checkpoints:
                step = max((checkpoints.latest_step() or 0) + 1, *(row.last.step for row in rows.values()))
                checkpoints.save(step, state, about={"trainings": about})

    def _all(self) -> dict[str, Row]:
        if self._rows is None:
            self._rows = self._read() if self.directory.exists() else {}
            self._carried = set(self._rows)
        return self._rows

    def _read(self) -> dict[str, Row]:
        try:
            with ORBAX, Checkpoints(self.directory, keep=self._keep, read_only=self._read_only) as checkpoints:
                saved = checkpoints.resume(self._shapes, {}, self._notify)
        except UserError as error:
            if isinstance(error.__cause__, OSError):
                raise
            reason = str(error).partition(", and there is no older one")[0].rstrip(".")
            way_out = f"restore it, or remove {self.directory}: the trainings then begin again"
            raise UserError(f"{reason}; {way_out}.") from OSError(errno.EIO, reason)
        return {} if saved is None else _rows_of(saved)

    def _shapes(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the shapes of a checkpoint's arrays from its JSON values."""
        counts = {part: 0 for part in ("last", "rows", "best")}
        for each in about["trainings"].values():
            for part in counts:
                counts[part] += isinstance(each[part], int)
        likes = {"last": self._like, "rows": self._rows_like, "best": self._like}
        return {
            part: jax.tree.map(lambda leaf, count=count: _many(count, leaf), likes[part])
            for part, count in counts.items()
            if count
        }

    def _is_old(self, name: str, row: Row) -> bool:
        """Returns whether a row that was read is of no use, since the training's own checkpoint is as new."""
        own = self._runs / name / "checkpoints"
        if name not in self._carried or not own.exists():
            return False
        return any(int(each) >= row.last.step for each in os.listdir(own) if each.isdecimal())


def host_row(last: Kept, best: Kept | None) -> Row:
    """Returns a row with its states copied to the host."""
    return Row(_on_host(last), None if best is None else _on_host(best))


def _on_host(kept: Kept) -> Kept:
    rows = None if kept.rows is None else {name: np.array(row) for name, row in kept.rows.items()}
    return kept._replace(state=host_copy(kept.state), rows=rows)


def on_device(like: Any, kept: Kept) -> Any:
    """Returns the state of a row, typed keys as in `like`, on the default device."""
    return jax.tree.map(lambda leaf, words: with_keys(leaf, jnp.asarray(words)), like, kept.state)


def kept_beside(run_dir: Path) -> Path | None:
    """Returns the folder that has the state of a trial of a sweep as long as the trial has no checkpoint of its own."""
    trials = run_dir.absolute().parent
    folder = trials.with_name(PROGRAMS)
    return folder if trials.name == "trials" and folder.is_dir() else None


def _many(count: int, leaf: Any) -> jax.ShapeDtypeStruct:
    one = shape_in_file(leaf)
    return jax.ShapeDtypeStruct((count, *one.shape), one.dtype)


def _stacked(rows: Mapping[str, Row]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the arrays of a checkpoint with these rows, and where each training's are among them."""
    parts: dict[str, list[Any]] = {"last": [], "rows": [], "best": []}

    def place(part: str, tree: Any) -> int:
        parts[part].append(tree)
        return len(parts[part]) - 1

    about = {}
    for name, (last, best) in rows.items():
        is_same = best is not None and best.step == last.step
        about[name] = {
            "last": place("last", last.state),
            "rows": None if last.rows is None else place("rows", dict(last.rows)),
            "best": place("best", best.state) if best is not None and not is_same else None,
            "of_last": _told(last),
            "of_best": _told(best) if best is not None else None,
        }
    arrays = {part: jax.tree.map(lambda *leaves: np.stack(leaves), *trees) for part, trees in parts.items() if trees}
    return arrays, about


def _told(kept: Kept) -> dict[str, Any]:
    return {"step": kept.step, "figures": dict(kept.figures), "about": dict(kept.about)}


def _rows_of(saved: Saved) -> dict[str, Row]:
    """Undoes `_stacked`."""
    arrays = {part: jax.tree.map(np.asarray, tree) for part, tree in saved.state.items()}

    def at(part: str, place: int) -> Any:
        return jax.tree.map(lambda leaf: leaf[place], arrays[part])

    found = {}
    for name, each in saved.about["trainings"].items():
        rows = None if each["rows"] is None else at("rows", each["rows"])
        last = Kept(state=at("last", each["last"]), rows=rows, **each["of_last"])
        best = None
        if each["of_best"] is not None:
            state = last.state if each["best"] is None else at("best", each["best"])
            best = Kept(state=state, rows=None, **each["of_best"])
        found[name] = Row(last, best)
    return found
