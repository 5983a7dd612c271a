"""What old runs hold on the disk, and the removal of parts of it by a rule.

Nothing is removed of a run that a process has locked, of one that another run takes its weights from, of a trial of a
sweep that has not ended, and of a folder that is no run of jaxdl. Links are neither followed nor removed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from jaxdl.comparison.runs import Run
from jaxdl.errors import UserError
from jaxdl.files.atomic import named_cause, sync_folder
from jaxdl.files.locks import FolderLock, is_locked
from jaxdl.files.paths import expanded
from jaxdl.record import CONFIG, METRICS, PICTURES, PROGRESS, RECORD, SUMMARY
from jaxdl.record.cleaned import note_removal

Keep = Literal["", "final", "best", "nothing"]

_CHECKPOINTS, _PROFILE, _HOOKS = "checkpoints", "profile", "hooks"
# Parts lie here while they are removed, so that a process that is killed meanwhile leaves no half checkpoint.
_LEAVING = ".removed"


@dataclasses.dataclass(frozen=True)
class Holding:
    """What one run holds on the disk.

    Attributes:
        run: the run.
        seconds: since it wrote something last.
        checkpoints: their size, in bytes.
        pictures: size of pictures, and of what hooks gave to TensorBoard, in bytes.
        others: size of everything else, in bytes.
        untouched: why nothing of it may be removed; empty: it may.
        removed: what a rule removes.
        freed: the size of that, in bytes.
    """

    run: Run
    seconds: float
    checkpoints: int
    pictures: int
    others: int
    untouched: str
    removed: tuple[Path, ...]
    freed: int

    @property
    def total(self) -> int:
        """The size of the run directory, in bytes."""
        return self.checkpoints + self.pictures + self.others


def holdings(runs: Sequence[Run], keep: Keep, older_than: float, beside: Iterable[Run] = ()) -> list[Holding]:
    """Returns what runs hold, and what a rule would remove of it.

    Args:
        runs: the runs.
        keep: what stays: ``final``: of a completed run the checkpoint that it predicts with; ``best``: its best one;
            ``nothing``: no checkpoint, picture, and trace of a profile. A run that is not completed keeps its last
            checkpoint, too, unless nothing is kept. Empty: no rule, so that everything stays.
        older_than: only of runs that have written nothing for so long, in seconds.
        beside: further runs that may take their weights from these.
    """
    sources = sources_of((*runs, *beside))
    return [_holding(run, keep, older_than, sources) for run in runs]


def sources_of(runs: Iterable[Run]) -> frozenset[Path]:
    """Returns the places from which runs take their first weights (``init_from``)."""
    found = set()
    for run in runs:
        if run.imported or not run.config.get("init_from"):
            continue
        noted = run.record.get("initial")
        place = noted.get("from") if isinstance(noted, dict) else None
        found.add(_real(Path(str(place or expanded(str(run.config["init_from"]))))))
    return frozenset(found)


def remove(holding: Holding, keep: Keep, older_than: float, sources: frozenset[Path]) -> tuple[int, str]:
    """Removes of a run what a rule says, after the record says it.

    Args:
        holding: what was shown; it is looked at again, now that no other process may change it.
        keep: as for `holdings`.
        older_than: as for `holdings`.
        sources: what `sources_of` returned.

    Returns:
        The bytes that are free now, and why nothing was removed, or nothing.
    """
    path = holding.run.path
    try:
        lock = FolderLock(path, "run directory", "--run_dir")
    except UserError as error:
        return 0, str(error)
    try:
        now = _holding(Run(path, _json(path / SUMMARY)), keep, older_than, sources, locked_here=True)
        if now.untouched or not now.removed:
            return 0, now.untouched
        leaving = path / _LEAVING
        steps = [int(each.name) for each in now.removed if each.parent.name == _CHECKPOINTS and each.name.isdecimal()]
        others = [str(each.relative_to(path)) for each in now.removed if each != leaving]
        note_removal(path, steps, [name for name in others if not name.rpartition("/")[2].isdecimal()])
        with named_cause(path, "remove files of"):
            if leaving in now.removed:  # of a process that was killed
                shutil.rmtree(leaving)
            leaving.mkdir()  # and is no link
            for each in now.removed:
                if each != leaving:
                    os.rename(each, leaving / str(each.relative_to(path)).replace("/", "-"))
            sync_folder(path)
            shutil.rmtree(leaving)
        return now.freed, ""
    except UserError as error:
        return 0, str(error)
    finally:
        lock.release()


def _holding(
    run: Run, keep: Keep, older_than: float, sources: frozenset[Path], *, locked_here: bool = False
) -> Holding:
    sizes = {_CHECKPOINTS: 0, "pictures": 0, "others": 0}
    if not run.imported:
        for entry in _entries(run.path):
            kind = {_CHECKPOINTS: _CHECKPOINTS, PICTURES: "pictures", _HOOKS: "pictures"}.get(entry.name, "others")
            sizes[kind] += _size(Path(entry.path))
    seconds = time.time() - _last_written(run.path)
    untouched = _untouched(run, sources, locked_here)
    chosen = not untouched and keep and seconds >= older_than
    removed = tuple(_removed(run, keep)) if chosen else ()
    freed = sum(_size(path) for path in removed)
    return Holding(run, seconds, sizes[_CHECKPOINTS], sizes["pictures"], sizes["others"], untouched, removed, freed)


def _untouched(run: Run, sources: frozenset[Path], locked_here: bool) -> str:
    """Returns why nothing of a run may be removed; empty: it may."""
    path = run.path
    if run.imported:
        return f"a run of {run.tool}"
    if path.is_symlink():
        return "a link to another place"
    if not isinstance(run.config.get("name"), str) or not run.record or not isinstance(run.record.get("command"), list):
        return "no run of jaxdl: it has no record"
    if not locked_here and is_locked(path):
        return "it is running"
    here = _real(path)
    if any(here == source or here in source.parents for source in sources):
        return "another run takes its weights from it (init_from)"
    sweep_dir = path.absolute().parent.parent
    of_a_sweep = path.absolute().parent.name == "trials" and (sweep_dir / "sweep.json").exists()
    if of_a_sweep and (is_locked(sweep_dir) or _json(sweep_dir / SUMMARY).get("status") != "completed"):
        return "a trial of a sweep that has not ended"
    return ""


def _removed(run: Run, keep: Keep) -> Iterator[Path]:
    """Yields what a rule removes of a run."""
    stays = _kept_steps(run, keep)
    found = {entry.name: entry for entry in _entries(run.path)}
    checkpoints = found.get(_CHECKPOINTS)
    if checkpoints is not None and checkpoints.is_dir(follow_symlinks=False):
        for entry in _entries(Path(checkpoints.path)):
            # Also those that were set aside as damaged, and what a killed process left of one.
            if entry.is_dir(follow_symlinks=False) and not (entry.name.isdecimal() and int(entry.name) in stays):
                yield Path(entry.path)
    for name in (_LEAVING, *((PICTURES, _HOOKS, _PROFILE) if keep == "nothing" else ())):
        if name in found and not found[name].is_symlink():
            yield Path(found[name].path)


def _kept_steps(run: Run, keep: Keep) -> set[int]:
    """Returns the steps of the checkpoints that stay."""
    folder = run.path / _CHECKPOINTS
    steps = sorted(int(entry.name) for entry in _entries(folder) if entry.name.isdecimal())
    if keep == "nothing" or not steps:
        return set()
    last = steps[-1]
    best = _json(folder / str(last) / "about" / "metadata").get("best_step")
    best = best if best in steps else last
    if run.status != "completed":
        return {last, best}  # it goes on from the last one, and may need the best one at its end
    return {best if keep == "best" or run.config.get("training.final") == "best" else last}


def _last_written(run_dir: Path) -> float:
    """Returns when a run wrote something last, in seconds of the clock; tags and reports of later do not count."""
    times = []
    for name in (CONFIG, RECORD, METRICS, PROGRESS, SUMMARY, _CHECKPOINTS):
        try:
            times.append(os.lstat(run_dir / name).st_mtime)
        except OSError:
            continue
    return max(times, default=time.time())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _size(path: Path) -> int:
    """Returns the size of a file, or of all that is in a folder, in bytes; links count as themselves."""
    try:
        found = os.lstat(path).st_size
    except OSError:
        return 0
    if path.is_symlink() or not path.is_dir():
        return found
    return found + sum(_size(Path(entry.path)) for entry in _entries(path))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
