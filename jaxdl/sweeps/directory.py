"""The sweep directory: the definition, the trial table, a run directory for each trial, and the results."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from jaxdl.errors import UserError
from jaxdl.experiment import Experiment
from jaxdl.experiment.config import changed_code
from jaxdl.experiment.versions import versioned
from jaxdl.files.atomic import named_cause, replace_file
from jaxdl.files.locks import LOCK, FolderLock
from jaxdl.record import json_text
from jaxdl.record.encoding import unique
from jaxdl.sweeps.definition import SCHEDULE, Definition, changes, extended, from_json

DEFINITION = "sweep.json"


class SweepDirectory:
    """A sweep's folder, locked by this process until `close` or the end of the process; a context manager.

    Attributes:
        path: the folder.
        definition: the sweep; if it is extended, with its earlier grids.
    """

    def __init__(self, path: Path, definition: Definition, lock: FolderLock):
        self.path = path
        self.definition = definition
        self._lock = lock

    @classmethod
    def create(cls, path: Path, definition: Definition, *, extend: bool = False) -> SweepDirectory:
        """Creates the folder, or takes an earlier sweep of the same definition, and locks it.

        Args:
            path: a folder that does not exist, is empty, or is a sweep directory.
            definition: the sweep.
            extend: add trials to an earlier sweep with fewer.

        Raises:
            UserError: the folder has other content, is in use, or has another sweep. Nothing was written.
        """
        before, definition = continued(path, definition, extend)
        with named_cause(path, "create the sweep directory"):
            path.mkdir(parents=True, exist_ok=True)
        directory = cls(path, definition, FolderLock(path, "sweep directory", "--sweep_dir"))
        try:
            if before is None or before.to_json() != definition.to_json():
                value = definition.to_json()
                directory.write_json(DEFINITION, value | {"experiment": versioned(value["experiment"])})
        except BaseException:
            directory.close()
            raise
        return directory

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file."""
        replace_file(self.path / name, json_text(value))

    def check(self) -> None:
        """Checks that the folder is still the one that was locked.

        Raises:
            UserError: it was removed, and perhaps created again by another process.
        """
        self._lock.check()

    def close(self) -> None:
        """Releases the folder; a second call does nothing."""
        self._lock.release()

    def __enter__(self) -> SweepDirectory:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def read_definition(path: Path, default: Experiment) -> Definition:
    """Reads the definition of the sweep in a folder.

    Args:
        path: the sweep directory.
        default: the experiment as its file defines it.

    Raises:
        UserError: there is none, it is damaged, or it belongs to another experiment.
    """
    return from_json(_read(path, default), default)


def _read(path: Path, default: Experiment) -> Any:
    file = path / DEFINITION
    with named_cause(file, "read"):
        text = file.read_text(encoding="utf-8", errors="replace")
    try:
        value = json.loads(text, object_pairs_hook=unique)
        name = value["experiment"]["name"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{file} is damaged ({error}): restore it, or give another --sweep_dir.") from error
    if name != default.name:
        raise UserError(f"{path} has a sweep of {name!r}, not of {default.name!r}: give another --sweep_dir.")
    return value


def continued(path: Path, now: Definition, extend: bool) -> tuple[Definition | None, Definition]:
    """Returns the earlier definition of a folder's sweep (None without one), and its new definition; writes nothing.

    Raises:
        UserError: see `SweepDirectory.create`.
    """
    _check_free(path)
    if not (path / DEFINITION).exists():
        if extend:
            raise UserError(f"--extend: there is no sweep in {path}; give the --sweep_dir of one.")
        return None, now
    value = _read(path, now.experiment)
    own = changed_code(value["experiment"], now.experiment)
    if own:
        raise UserError(
            f"{path} was begun with other code of {', '.join(own)}: restore it, or give another --sweep_dir."
        )
    before = _with_functions(from_json(value, now.experiment), now)
    before = dataclasses.replace(
        before, experiment=dataclasses.replace(before.experiment, tracker=now.experiment.tracker)
    )
    if extend:
        return before, extended(before, now)
    found = changes(before, now)
    if found:
        raise UserError(f"{path} has another sweep: {'; '.join(found)}. Give another --sweep_dir.")
    if now.trials != before.trials:
        raise UserError(
            f"{path} has a sweep of {before.trials} trials, not of {now.trials}: give --extend to add trials, or "
            "another --sweep_dir."
        )
    return before, before


def _with_functions(before: Definition, now: Definition) -> Definition:
    """Returns an earlier definition with the functions that restrict its space, which its file cannot hold."""
    at_hand = {limit.text: limit for limit in now.space.limits}
    limits = tuple(at_hand.get(limit.text, limit) for limit in before.space.limits)
    grids = tuple(dataclasses.replace(space, limits=limits) for space in before.grids)
    return dataclasses.replace(before, space=dataclasses.replace(before.space, limits=limits), grids=grids)


def _check_free(path: Path) -> None:
    with named_cause(path, "use the sweep directory"):
        if not path.exists():
            return
        if not path.is_dir():
            raise UserError(f"the sweep directory {path} is a file: give another --sweep_dir.")
        present = {entry.name for entry in path.iterdir()}
    # Left by a process that was killed at its first step; and the schedule of another population, to be replayed.
    present -= {LOCK, f".{DEFINITION}.tmp", SCHEDULE}
    if present and DEFINITION not in present:
        raise UserError(f"the folder {path} is not empty and is not a sweep directory: give another --sweep_dir.")
