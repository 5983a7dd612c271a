"""Trials on machines that do not have the sweep's disk: they train in a folder there, and the run directory comes home.

Until a trial has ended, its state is on that machine alone: stopped there, it goes on if it comes to the same machine
again, and begins again on another, to the same bits.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from jaxdl.files.atomic import named_cause, sync_folder, sync_tree
from jaxdl.files.locks import LOCK, this_machine
from jaxdl.sweeps.trials.trial import Job, Outcome


@dataclasses.dataclass(frozen=True)
class Home:
    """The sweep directory as another machine recognises it.

    Attributes:
        sweep_dir: the directory, absolute.
        mark: the content of its lock, which no other process writes.
        machine: the name of the machine that has it.
    """

    sweep_dir: Path
    mark: bytes
    machine: str

    @classmethod
    def of(cls, sweep_dir: Path) -> Home:
        """Returns that of a sweep directory that this process has locked."""
        return cls(sweep_dir, _content(sweep_dir / LOCK) or b"", this_machine())

    def is_here(self) -> bool:
        """Returns whether this machine has the same disk."""
        return _content(self.sweep_dir / LOCK) == self.mark

    def away(self) -> Path:
        """Returns the folder for it on a machine with another disk, the same for each start of the sweep."""
        name = hashlib.sha256(f"{self.machine}:{self.sweep_dir}".encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"jaxdl-{os.getuid()}" / name


def run_here_or_away(job: Job, home: Home, run: Callable[[Job], Outcome]) -> tuple[Outcome, bytes | None]:
    """Runs a trial where the sweep's disk is, or in a folder of this machine.

    Args:
        job: the trial.
        home: where its run directory belongs.
        run: runs it.

    Returns:
        The outcome, and the run directory for `bring_home`; None where it lies at home.
    """
    if home.is_here():
        return run(job), None
    run_dir = home.away() / job.run_dir.relative_to(home.sweep_dir)
    run_dir.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    outcome = run(dataclasses.replace(job, run_dir=run_dir))
    if outcome.again:  # another attempt resumes from what is here
        return outcome, None
    packed = _packed(run_dir)
    shutil.rmtree(run_dir, ignore_errors=True)
    return outcome, packed


def bring_home(packed: bytes, run_dir: Path) -> None:
    """Puts a run directory of another machine in its place, whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    draft, before = (run_dir.with_name(f".{run_dir.name}.{end}") for end in ("coming", "before"))
    with named_cause(run_dir, "write"):
        for path in (draft, before):
            shutil.rmtree(path, ignore_errors=True)
        draft.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(draft, filter="data")  # nothing outside of it, and no devices
        sync_tree(draft)
        if run_dir.exists():
            os.rename(run_dir, before)
        os.rename(draft, run_dir)
        sync_folder(run_dir.parent)
        shutil.rmtree(before, ignore_errors=True)


def _packed(run_dir: Path) -> bytes:
    """Returns a folder as a tar archive, without its lock."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(run_dir.iterdir()) if run_dir.is_dir() else ():
            if path.name != LOCK:
                archive.add(path, arcname=path.name)
    return buffer.getvalue()


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
